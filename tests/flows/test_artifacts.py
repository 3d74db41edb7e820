from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from flows.engines import prepare_engines
from flows.summary import Summary
from manifests.plan import CameraStatus
from manifests.qc import CameraVerdict, SubjectQc
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


@pytest.fixture(scope="module")
def artifacts() -> ModuleType:
    prepare_engines()  # before Prefect is imported
    import flows.artifacts

    return flows.artifacts


def summary(n_cameras: int = 14, n_bad: int = 12) -> Summary:
    """Make a run over cameras 0, 1, ...: the later ones of the bad ones are worse."""
    cameras = [CameraStatus("031", "", f"22{number:04d}", 10, 10, 0) for number in range(n_cameras)]
    verdicts = [
        CameraVerdict("031", "", f"22{number:04d}", 10, 10, 0, number, "fail", "border_top", 0.7, 0.6, (3,))
        if number < n_bad
        else CameraVerdict("031", "", f"22{number:04d}", 10, 10, 0, 0, "pass")
        for number in range(n_cameras)
    ]
    return Summary("/out", cameras=cameras, qc={"031": SubjectQc("031", verdicts, [])})


def test_the_table_has_verdict_and_measure_of_each_camera(artifacts: ModuleType) -> None:
    rows = artifacts.table_of(summary(3, 1))
    assert [(row["camera"], row["verdict"], row["measure"]) for row in rows] == [
        ("220000", "fail", "border_top"),
        ("220001", "pass", ""),
        ("220002", "pass", ""),
    ]
    assert "in frame 3" in rows[0]["why"] and rows[0]["frames"] == 10


def test_of_more_cameras_than_the_table_holds_the_worst_come_first(artifacts: ModuleType) -> None:
    rows = artifacts.table_of(summary(artifacts.MOST_ROWS + 5, 2))
    assert [row["camera"] for row in rows[:3]] == ["220001", "220000", "220002"] and len(
        rows
    ) == artifacts.MOST_ROWS + 5


def test_the_page_names_the_worst_ten_the_worst_first(artifacts: ModuleType) -> None:
    lines = [
        line for line in artifacts.markdown_of(summary(), "140 frames matted").splitlines() if line.startswith("| 031")
    ]
    assert [line.split(" | ")[2] for line in lines] == [f"22{number:04d}" for number in range(11, 1, -1)]
    assert "| fail | border top 70 %" in lines[0].replace("\N{NO-BREAK SPACE}", " ")
    assert "14 cameras: 2 pass, 0 review, 12 fail" in artifacts.markdown_of(summary(), "")


def test_frames_without_a_mask_are_bad_without_qc_too(artifacts: ModuleType) -> None:
    cameras = [CameraStatus("031", "", "7", 3, 3, 0), CameraStatus("031", "", "8", 3, 1, 0, {"undecodable": 2})]
    page = artifacts.markdown_of(Summary("/out", cameras=cameras), "")
    assert "Not judged by QC yet" in page and "| 031 |  | 8 |" in page and "| 7 |" not in page


def test_where_all_is_well_the_page_says_so(artifacts: ModuleType) -> None:
    assert "No camera is for review" in artifacts.markdown_of(summary(3, 0), "")


def test_names_do_not_break_the_page(artifacts: ModuleType) -> None:
    cameras = [CameraStatus("a|b", "EMO_1*", "8", 3, 1, 0, {"undecodable": 2})]
    page = artifacts.markdown_of(Summary("/out", cameras=cameras), "x")
    assert r"| a\|b | EMO\_1\* | 8 |" in page


def test_the_report_is_linked_where_there_is_one(artifacts: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "with space"
    out = LocalFolder(root)
    assert artifacts.report_url(out) is None
    out.write_atomic("_cleanplate/report/index.html", b"<html>")
    assert artifacts.report_url(out) == f"file://{tmp_path}/with%20space/_cleanplate/report/index.html"
    store = MemoryFolder({"_cleanplate/report/index.html": b"<html>"})
    store.url = "s3://lab/mattes"
    assert artifacts.report_url(store) == "s3://lab/mattes/_cleanplate/report/index.html"


def test_the_message_of_a_night_shows_names_as_they_are_and_not_too_much(artifacts: ModuleType) -> None:
    page = artifacts.night_page("3 frames matted; 0 pending", [f"camera a_{number}" for number in range(120)])
    assert "- 3 frames matted\n- 0 pending" in page and r"- camera a\_99" in page
    assert r"a\_100" not in page and "and 20 more, in the log of the run" in page
    assert "Warnings" not in artifacts.night_page("0 frames matted", [])
