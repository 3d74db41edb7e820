from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from captures import make_tiny
from command_line import cleanplate, matte
from qc_tables import qc_frames, write_judged

from manifests.garbage import collect_garbage
from manifests.pages import INDEX, page_path
from manifests.qc import cameras_path
from manifests.storage import LocalFolder


@pytest.fixture(scope="module")
def matted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reporting")
    matte(make_tiny(root / "capture", ("031",), n_frames=2), root / "out")
    return root / "out"


def test_a_job_is_judged_and_shown_and_the_page_named(matted: Path) -> None:
    (matted / cameras_path("031")).unlink(missing_ok=True)
    told = cleanplate("report", matted)
    assert told.code == 0, told.err
    assert "1 subject" in told.out and "1 page made" in told.out and f"file://{matted}/{INDEX}" in told.out
    assert (matted / cameras_path("031")).is_file() and (matted / page_path("031")).is_file()
    assert list((matted / "_cleanplate/report/pictures/031").glob("*_checker.webp"))


def test_a_second_report_makes_no_page_again(matted: Path) -> None:
    cleanplate("report", matted)
    again = cleanplate("report", matted, "--json")
    record = json.loads(again.out)
    assert (again.code, record["n_made"], record["n_kept"]) == (0, 0, 1) and record["report"].endswith(INDEX)


def test_verify_and_gc_take_no_page_for_foreign(matted: Path) -> None:
    cleanplate("report", matted)
    assert cleanplate("verify", matted).code == 0
    site = matted / "_cleanplate/report"
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
    collect_garbage(LocalFolder(matted), time.time_ns() + 10**12, delete=True)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*")} == before


def test_what_cannot_be_shown_gives_exit_code_1(tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    write_judged(out, qc_frames())
    out.write_atomic(cameras_path("036"), b"PAR1")
    told = cleanplate("report", tmp_path)
    assert told.code == 1 and "036.parquet" in told.out


def test_a_folder_without_books_is_refused(tmp_path: Path) -> None:
    told = cleanplate("report", tmp_path)
    assert told.code == 2 and "not an output root" in told.err


def test_forgetting_leaves_no_page_of_a_subject(tmp_path: Path) -> None:
    matte(make_tiny(tmp_path / "capture", ("031", "036"), n_frames=2), tmp_path / "out")
    cleanplate("report", tmp_path / "out", "--frame-tables")
    assert cleanplate("forget", tmp_path / "out", "--subject", "031", "--yes").code == 0
    site = tmp_path / "out/_cleanplate/report"
    assert not [path for path in site.rglob("*") if "031" in path.name]
    assert '"031"' not in (site / "data/overview.js").read_text()
    assert (site / "subjects/036.html").is_file() and (site / "tables/frames/036.csv").is_file()
