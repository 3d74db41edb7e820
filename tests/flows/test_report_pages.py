from __future__ import annotations

from html.parser import HTMLParser

from qc_tables import LIMITS, judged, qc_frames

from flows.report_pages import SubjectPage, assets, index_html, revision, subject_html
from flows.report_pictures import Pictures


class Tags(HTMLParser):
    """Counts tags, and checks that each that opens closes."""

    VOID = {"meta", "link", "img", "input", "br"}

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(*pictures: Pictures, **frames: object) -> bytes:
    made, qc = judged(qc_frames(**frames))  # type: ignore[arg-type]
    return subject_html(SubjectPage(qc, made, LIMITS, pictures, "<!-- cleanplate abc -->", "now"))


def test_pages_are_well_formed_and_ask_for_files_that_are_written() -> None:
    written = {path.rsplit("/", 1)[-1] for path in assets()}
    for page in (index_html(), page_of()):
        tags = Tags(page)
        assert tags.open == []
        asked = [attrs.get("src") or attrs.get("href") for tag, attrs in tags.seen if tag in ("script", "link")]
        names = {url.rsplit("/", 1)[-1] for url in asked if url and "assets/" in url}
        assert names and names <= written


def test_every_button_and_field_has_a_name() -> None:
    for tag, attrs in Tags(page_of(sequences=("a", "b"))).seen:
        assert tag != "button" or attrs.get("type") == "button" or attrs == {}
        assert tag != "img" or attrs.get("alt")


def test_a_page_of_several_sequences_has_tabs_and_one_of_a_single_one_has_none() -> None:
    assert b'role="tab"' in page_of(sequences=("a", "b")) and b'role="tab"' not in page_of()


def test_a_missing_picture_is_a_reason_and_a_link_is_kept() -> None:
    lost = Pictures(
        2, {}, {"mask": "there is no mask: <undecodable>"}, (("frame", None, "/cap/<1>.jpg"),), (0, 0), True
    )
    page = page_of(lost).decode()
    assert "there is no mask: &lt;undecodable&gt;" in page and "/cap/\\u003c1\\u003e.jpg" in page


def test_the_stamp_is_at_the_head_and_the_revision_is_of_the_templates() -> None:
    assert b"<!-- cleanplate abc -->" in page_of()[:120]
    assert len(revision()) == 16
