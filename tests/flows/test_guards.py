from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pytest
from command_line import cleanplate
from fakes import draw_picture
from roots import list_subject

from flows.books import open_books
from flows.guards import check_room, foreign_masks
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.decisions import Selection
from manifests.errors import NoRoom, StoreFault
from manifests.plan import pending_spans
from manifests.runs import write_run
from manifests.storage_memory import MemoryFolder


class Full(MemoryFolder):
    def free_bytes(self) -> Any:
        return 1000


class ReadOnly(MemoryFolder):
    def write_atomic(self, path: str, data: bytes) -> None:
        raise PermissionError(13, "Permission denied", path)


def test_too_little_room_and_an_unwritable_root_are_found_first() -> None:
    with pytest.raises(NoRoom, match="needs about 5.0 GB"):
        check_room(Full(), 5_000_000_000)
    with pytest.raises(StoreFault, match="cannot be written"):
        check_room(ReadOnly(), 1)
    check_room(Full(), 999)


def make_rig(root: Path, cameras: tuple[str, ...] = ("a", "b"), frames: int = 2) -> Path:
    """Make a capture `<subject>/<camera>/<frame>.png` with plates `<subject>/plate_<camera>.png`."""
    for camera in cameras:
        (root / "s1" / camera).mkdir(parents=True)
        cv2.imwrite(str(root / f"s1/plate_{camera}.png"), draw_picture(0))
        for frame in range(frames):
            cv2.imwrite(str(root / f"s1/{camera}/{frame:03d}.png"), draw_picture(frame + 1))
    return root


def matte_rig(root: Path, out: Path, *words: object) -> Any:
    patterns = ("--layout", "{subject}/{camera}/{frame:03d}.png", "--plate", "{subject}/plate_{camera}.png")
    model = ("--model", "plate-difference", "--executor", "local")
    return cleanplate("matte", root, "--out", out, *patterns, *model, *words)


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_a_file_of_the_capture_is_never_written_over(tmp_path: Path, more: tuple[str, ...]) -> None:
    rig = make_rig(tmp_path / "rig")
    before = {path: path.read_bytes() for path in rig.rglob("*.png")}
    ended = matte_rig(rig, rig, "--output-layout", "{subject}/{camera}/{frame:03d}.png", *more)
    assert ended.code in (2, 4)
    assert {path: path.read_bytes() for path in rig.rglob("*.png")} == before


@pytest.mark.parametrize(
    ("cameras", "pattern"),
    [
        (("a", "b"), "{subject}/{frame:03d}.png"),
        (("a1", "a11"), "{subject}/{camera}{frame}.png"),
        (("ab", "ac"), "{subject}/{camera:.1}/{frame}.png"),
    ],
)
def test_two_frames_never_have_one_mask(tmp_path: Path, cameras: tuple[str, ...], pattern: str) -> None:
    rig = make_rig(tmp_path / "rig", cameras, frames=12)
    ended = matte_rig(rig, tmp_path / "out", "--output-layout", pattern)
    assert ended.code == 2 and "--output-layout" in ended.err
    assert not list((tmp_path / "out").glob("s1/**/*.png"))


def test_masks_are_foreign_unless_a_run_has_announced_them_even_one_that_began_meanwhile() -> None:
    out, masks = MemoryFolder(), ["031/images/0000/mask_A.jpg", "031/images/0003/mask_lowres_B.jpg"]
    list_subject(out, "031", "AB", range(8))
    out.files |= dict.fromkeys([*masks, "031/images/0000/image_A.jpg", "031/notes.txt"], b"x")
    settings = MatteSettings(model="plate-difference", executor="local", device="cpu")
    with open_books(out, "/capture", settings, Selection(), QuietWatcher()) as books:
        (plan,) = books.plans(["031"])
        known_runs: list[dict[str, Any]] = []
        assert foreign_masks(books, plan, known_runs) == masks
        write_run(out, "later", {"announced": {"031": [entry for entry in pending_spans(plan) if entry[1] == "A"]}})
        assert foreign_masks(books, plan, known_runs) == masks[1:]
