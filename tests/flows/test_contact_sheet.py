from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from captures import make_tiny
from command_line import cleanplate, matte


@pytest.fixture(scope="module")
def matted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sheet")
    matte(make_tiny(root / "capture", ("031", "036"), n_frames=4), root / "out")
    return root / "out"


def test_a_sheet_of_the_worst_frames_takes_turns_with_subjects(matted: Path, tmp_path: Path) -> None:
    told = cleanplate("contact-sheet", matted, "--to", tmp_path / "new/worst.png", "--most", 3, "--tile", 64)
    assert told.code == 0, told.err
    sheet = cv2.imread(str(tmp_path / "new/worst.png"))
    assert told.out.startswith("3 frames, ") and f"{sheet.shape[1]}x{sheet.shape[0]}" in told.out


def test_even_frames_of_a_selection(matted: Path, tmp_path: Path) -> None:
    words = "--subjects", "031", "--cameras", "cam1", "--frames", "1:3", "--pick", "even", "--tile", 32
    told = cleanplate("contact-sheet", matted, "--to", tmp_path / "even.jpg", *words)
    assert told.code == 0 and told.out.startswith("2 frames, ")


def test_a_frame_that_is_gone_is_named_and_the_others_shown(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031",), n_cameras=1, n_frames=2)
    matte(capture, tmp_path / "out")
    (capture / "031/images/0000/image_cam0.jpg").unlink()
    told = cleanplate("contact-sheet", tmp_path / "out", "--to", tmp_path / "a.webp", "--pick", "even", "--tile", 32)
    assert told.code == 0 and "image_cam0.jpg is not there" in told.out and "1 frame, " in told.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--to", "a.gif"), "webp"),
        (("--to", "a.png", "--frames", "90"), "no mask"),
        (("--to", "a.png", "--subjects", "9"), "9"),
    ],
)
def test_what_cannot_be_is_refused(matted: Path, words: tuple[str, ...], reason: str) -> None:
    told = cleanplate("contact-sheet", matted, *words)
    assert told.code == 2 and reason in told.err


def test_nothing_matted_is_no_sheet(tmp_path: Path) -> None:
    make_tiny(tmp_path / "capture")
    cleanplate("enumerate", tmp_path / "capture", "--out", tmp_path / "out")
    told = cleanplate("contact-sheet", tmp_path / "out", "--to", tmp_path / "a.png")
    assert told.code == 2 and "no mask" in told.err
