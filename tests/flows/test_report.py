from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from qc_tables import qc_frames, write_judged
from roots import list_subject, make_root

from flows.report import Built, ReportSettings, build_report
from manifests.errors import UsageError
from manifests.pages import INDEX, OVERVIEW, frames_csv_path, page_path, read_overview, series_path, stored_subjects
from manifests.qc import cameras_path, qc_path
from manifests.storage_memory import MemoryFolder

WHO, OTHER = "031", 'Zoë & <b>"+50 %"'
BAD = {("", "A", "outside_hull"): [0, 0, 0.9, 0, 0, 0, 0, 0]}


@pytest.fixture
def out() -> MemoryFolder:
    folder = MemoryFolder()
    write_judged(folder, qc_frames(WHO, values=BAD))
    write_judged(folder, qc_frames(OTHER, sequences=("EMO-1-shout+laugh", "FREE")))
    return folder


def report(out: MemoryFolder, **settings: object) -> Built:
    return build_report(out, ReportSettings(**settings))  # type: ignore[arg-type]


def test_a_report_has_an_overview_and_a_page_and_series_for_each_subject(out: MemoryFolder) -> None:
    built = report(out)
    assert (built.n_made, built.n_subjects, built.cells, built.troubles) == (2, 2, {"pass": 3, "fail": 1}, ())
    assert {INDEX, OVERVIEW, page_path(WHO), page_path(OTHER), series_path(WHO, 0), series_path(OTHER, 1)} <= set(
        out.files
    )
    assert not any(WHO in path and ".webp" in path for path in out.files)  # there is no capture to show
    overview = read_overview(out)
    assert overview is not None and [entry["name"] for entry in overview["subjects"]] == [WHO, OTHER]


def test_what_is_up_to_date_is_left_alone(out: MemoryFolder) -> None:
    report(out, n_pictures=0)
    before = dict(out.files)
    again = report(out, n_pictures=0)
    assert (again.n_made, again.n_kept) == (0, 2)
    assert {path for path in out.files if out.files[path] != before.get(path)} <= {OVERVIEW}
    write_judged(out, qc_frames(WHO), inputs="2")
    assert report(out, n_pictures=0).n_made == 1
    assert report(out, n_pictures=0, force=True).n_made == 2
    assert report(out, n_pictures=0, frame_tables=True, subjects=[WHO]).n_made == 1
    assert frames_csv_path(WHO) in out.files and frames_csv_path(OTHER) not in out.files


def test_pages_whose_pictures_could_not_be_read_are_tried_again(out: MemoryFolder, tmp_path: Path) -> None:
    list_subject(out, WHO, ("A", "B"), range(8), str(tmp_path / "unmounted"))
    assert report(out, subjects=[WHO]).n_made == 1
    assert report(out, subjects=[WHO]).n_made == 1
    assert report(out, subjects=[WHO], n_pictures=0).n_made == 1
    assert report(out, subjects=[WHO], n_pictures=0).n_made == 0


def test_names_are_escaped_everywhere(out: MemoryFolder) -> None:
    report(out)
    page = out.read(page_path(OTHER)).decode()
    assert "<b>&#34;" not in page and '<b>"' not in page and "Zoë &amp; &lt;b&gt;" in page
    assert not re.search(r"(?:src|href)=\"https?:", page + out.read(INDEX).decode())


def test_no_page_names_another_subject(out: MemoryFolder) -> None:
    report(out)
    assert "Zo" not in out.read(page_path(WHO)).decode() and WHO not in out.read(INDEX).decode()


def test_a_subject_that_is_gone_loses_its_pages(out: MemoryFolder) -> None:
    report(out)
    out.delete([cameras_path(WHO), qc_path(WHO)])
    built = report(out)
    assert built.n_subjects == 1 and len(stored_subjects(out)) == 1


def test_subjects_without_qc_are_pending_and_have_no_page(out: MemoryFolder) -> None:
    make_root(out, ("036",))
    list_subject(out, "037", ("A",), range(4))
    built = report(out)
    assert built.cells == {"pass": 3, "fail": 1, "not judged": 2, "pending": 1}
    assert page_path("036") not in out.files


def test_damaged_tables_are_named_and_the_others_shown(out: MemoryFolder) -> None:
    out.write_atomic(cameras_path("099"), b"PAR1")
    out.delete([qc_path(WHO)])
    built = report(out)
    assert len(built.troubles) == 2 and built.n_made == 1
    overview = read_overview(out)
    assert overview is not None
    assert {entry["name"]: entry["page"] for entry in overview["subjects"]} == {WHO: False, OTHER: True}


def test_an_empty_folder_is_no_output_root() -> None:
    with pytest.raises(UsageError, match="not an output root"):
        report(MemoryFolder())


def test_a_subject_without_a_name_has_a_page(out: MemoryFolder) -> None:
    write_judged(out, replace(qc_frames("x"), subject=""))
    report(out)
    assert "_cleanplate/report/subjects/%.html" in out.files
