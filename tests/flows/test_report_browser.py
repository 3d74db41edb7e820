"""The report in a real browser, opened from the disk: by clicks, by keys, without a request to anywhere else."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from captures import make_tiny
from command_line import cleanplate
from qc_tables import qc_frames, write_judged

from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.manifest import Manifest, write_manifest
from manifests.storage import LocalFolder, open_folder

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CAMERAS = ("cam0", "cam1", "cam2")
SUBJECTS = ("031", "Zoë +1 %")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of two subjects; camera cam2 of the first fails and has no mattes, one frame of cam1 fails."""
    root = tmp_path_factory.mktemp("report")
    capture = LocalFolder(make_tiny(root / "capture", SUBJECTS, n_cameras=3, n_frames=4))
    out = LocalFolder(root / "out")
    mask = cv2.imencode(".jpg", np.full((64, 64, 3), 200, np.uint8))[1].tobytes()
    for subject in SUBJECTS:
        scanned = scan_subject(capture, subject, "stat", Gha())
        write_manifest(out, Manifest(scanned.frames, scanned.plates, capture.url, "stat", "gha"))
        bad = {("", "cam2", "outside_hull"): [0.9] * 4, ("", "cam1", "outside_hull"): [0.001, 0.1, 0.002, 0.01]}
        frames = qc_frames(subject, CAMERAS, n_frames=4, values=bad if subject == "031" else None)
        lost = (frames.camera == "cam2") & (subject == "031")
        frames.status[lost], frames.mask_path[lost] = "missing_plate", ""
        for path in frames.mask_path[~lost]:
            out.write_atomic(path, mask)
        write_judged(out, frames)
    told = cleanplate("report", out.url)
    assert told.code == 0, told.err
    return root / "out/_cleanplate/report"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@contextlib.contextmanager
def watched(browser: Any, allowed: tuple[str, ...]) -> Iterator[Any]:
    """Yield a page that must log no error and ask for nothing that does not begin with one of the allowed texts."""
    opened, wrong = browser.new_page(viewport={"width": 1440, "height": 900}), []
    opened.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda err: wrong.append(str(err)))
    opened.on("requestfailed", lambda asked: wrong.append(f"failed: {asked.url}"))
    opened.on("request", lambda asked: None if asked.url.startswith(("data:", *allowed)) else wrong.append(asked.url))
    yield opened
    opened.close()
    assert wrong == []


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Yield a page that may read nothing but files."""
    with watched(browser, ("file:",)) as opened:
        yield opened


def walk(page: Any, url: str) -> None:
    """Go from the overview to the subject with the odd name, and look at one of its frames."""
    page.goto(f"{url}/index.html")
    page.locator("#heat tbody tr", has_text=SUBJECTS[1]).locator("a.c").nth(1).click()
    page.wait_for_function("document.querySelector('.chart') !== null")
    assert page.locator("h1").inner_text() == f"Subject {SUBJECTS[1]}"
    page.keyboard.press("w")
    page.wait_for_function(
        "[...document.querySelectorAll('#viewer img')].filter((one) => one.naturalWidth).length == 2"
    )


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    """Serve the report by the plainest of web servers."""
    handler = functools.partial(Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *said: object) -> None:
        """Say nothing."""


def test_it_works_from_a_static_server(browser: Any, served: str) -> None:
    with watched(browser, (served,)) as page:
        walk(page, served)


@pytest.mark.s3
def test_it_works_from_an_object_store(browser: Any, site: Path, moto_s3: Any) -> None:
    bucket = moto_s3.new_bucket()
    store, name = open_folder(f"{bucket}/mattes", moto_s3.options), bucket.removeprefix("s3://")
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    store._client.call("put_bucket_policy", Bucket=name, Policy=policy)  # type: ignore[attr-defined]
    for stat in LocalFolder(site).list():
        store.write_atomic(stat.path, (site / stat.path).read_bytes())
    url = f"{moto_s3.options['endpoint_url']}/{name}/mattes"
    with watched(browser, (url,)) as page:
        walk(page, url)


def shown_rows(page: Any) -> list[str]:
    return [name.strip() for name in page.locator("#heat tbody tr:not([hidden]) th").all_inner_texts()]


def test_from_the_heat_map_to_a_worst_frame_by_clicks(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    assert shown_rows(page) == list(SUBJECTS)
    page.locator("#heat tbody tr", has_text="031").locator("a.v2").last.click()
    page.wait_for_selector(".pick[aria-pressed=true]")
    assert page.locator(".pick[aria-pressed=true]").inner_text() == "cam2"
    assert "outside hull 90" in page.locator('tr[data-camera="cam2"]').inner_text()
    page.locator('.shot[data-camera="cam0"]').first.click()
    assert "cam0" in page.locator("#viewer-title").inner_text()
    image = page.locator("#viewer .views img").nth(1)
    image.wait_for()
    assert image.evaluate("one => one.complete ? one.naturalWidth : one.decode().then(() => one.naturalWidth)") == 64


def test_from_the_heat_map_to_a_worst_frame_by_keys(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("zoë")
    assert shown_rows(page) == [SUBJECTS[1]]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        f"{SUBJECTS[1]}, camera cam1: "
    )
    page.keyboard.press("Enter")
    page.wait_for_selector("#subject")
    page.wait_for_function("document.activeElement.dataset.camera === 'cam1'")
    assert page.locator("h1").inner_text() == f"Subject {SUBJECTS[1]}"
    page.keyboard.press("w")
    page.wait_for_selector("#viewer[open]")
    assert "cam1" in page.locator("#viewer-title").inner_text()


def test_the_comparison_changes_views_flips_and_moves_by_keys(page: Any, site: Path) -> None:
    page.goto((site / "subjects/031.html").as_uri())
    page.locator('.shot[data-camera="cam1"]').first.click()
    tags, line = page.locator("#viewer .tag.right"), page.locator("#viewer .slide")
    assert tags.inner_text() == "checker" and line.input_value() == "50"
    for number, view in enumerate(("frame", "mask", "checker", "black", "white", "green", "difference"), start=1):
        page.keyboard.press(str(number))
        assert tags.inner_text() == view
        assert view in page.locator("#viewer .views img").nth(1).get_attribute("src")
    page.keyboard.press("Space")
    assert line.input_value() == "0"
    page.keyboard.press("Space")
    assert line.input_value() == "100" and not tags.is_visible()
    first = page.locator("#viewer-title").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-title").inner_text() != first
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-title").inner_text() == first
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_a_frame_without_a_mask_says_why(page: Any, site: Path) -> None:
    page.goto((site / "subjects/031.html").as_uri())
    page.locator('.shot[data-camera="cam2"]').first.click()
    assert "missing plate" in page.locator("#viewer .views").inner_text()


def test_search_order_and_filters_work_together(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.locator('.stat[data-code="2"]').click()
    assert shown_rows(page) == ["031"]
    page.keyboard.press("Escape")
    assert len(shown_rows(page)) == 2
    page.select_option("#order", "failing")
    assert shown_rows(page)[0] == "031"
    page.fill("#search", "nobody")
    assert shown_rows(page) == [] and page.locator("#empty").is_visible()
    page.locator("#clear").click()
    assert len(shown_rows(page)) == 2


def test_charts_tell_a_value_by_keys(page: Any, site: Path) -> None:
    page.goto((site / "subjects/031.html").as_uri() + "#s=0&camera=cam0")
    plot = page.locator('.plot[aria-label^="coverage"]')
    plot.focus()
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuenow") == "3" and plot.get_attribute("aria-valuetext").startswith("frame 3: ")
    page.keyboard.press("ArrowLeft")
    assert plot.get_attribute("aria-valuenow") == "2"
    page.select_option(".how", "measure")
    page.wait_for_function("document.querySelectorAll('.chart').length >= 2")


def test_keys_are_listed_and_the_theme_is_kept(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.locator("#heat tbody tr:first-child th a").click()
    page.wait_for_selector("#subject")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_its_window(page: Any, site: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for name in ("index.html", "subjects/031.html"):
        page.goto((site / name).as_uri())
        page.wait_for_function("document.querySelector('.flags, #heat tbody tr').textContent.length > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
