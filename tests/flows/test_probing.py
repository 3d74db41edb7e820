from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from captures import make_tiny
from nersemble_tree import video_of
from videos import cut

from flows.probing import probe_pictures, probe_plates, probe_videos
from manifests.capture import Scanned, scan_subject
from manifests.layouts.gha import Gha
from manifests.layouts.template import Template
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder


def _scanned(folder: LocalFolder | MemoryFolder) -> Scanned:
    return scan_subject(folder, "", "size", Template("{camera}.mp4"))


def _measures(scanned: Scanned) -> dict[str, tuple[int, int, int]]:
    return {video.camera: (video.n_frames, video.width, video.height) for video in scanned.videos}


def test_lengths_and_sizes_are_read_from_disks_and_stores(tmp_path: Path) -> None:
    for name, codec in (("a", "h264"), ("b", "hevc")):
        shutil.copyfile(video_of(12, codec), tmp_path / f"{name}.mp4")
    cut(Path(shutil.copyfile(video_of(12), tmp_path / "cut.mp4")), 1500)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("<html>404</html>")
    bad = {name: (0, 0, 0) for name in ("cut", "empty", "text")}
    expected = {"a": (12, 96, 64), "b": (12, 96, 64)} | bad
    local = probe_videos(LocalFolder(tmp_path), _scanned(LocalFolder(tmp_path)), {})
    assert _measures(local) == expected
    assert all(video.is_probed for video in local.videos)
    store = MemoryFolder({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert _measures(probe_videos(store, _scanned(store), {})) == expected


class Faulty(MemoryFolder):
    """Fails where it is told to, when the first bytes of files are read."""

    def __init__(self, files: dict[str, bytes], faults: dict[str, OSError]) -> None:
        super().__init__(files)
        self.faults = faults

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        if path in self.faults:
            raise self.faults[path]
        return super().read_range(path, start, stop)


EIO, EACCES, GONE = (
    OSError(5, "Input/output error"),
    PermissionError(13, "Permission denied"),
    FileNotFoundError(2, "no"),
)


def test_a_store_that_fails_is_no_unreadable_video() -> None:
    files = {f"{name}.mp4": video_of(12).read_bytes() for name in "ab"}
    folder = Faulty(files, dict.fromkeys(files, OSError("the store is gone")))
    with pytest.raises(OSError, match="the store is gone"):
        probe_videos(folder, _scanned(folder), {})


def test_one_video_that_is_not_given_is_told_and_asked_for_again_and_one_that_is_gone_is_left_out() -> None:
    files = {f"{name}.mp4": video_of(12).read_bytes() for name in "abcd"}
    folder, unread = Faulty(files, {"a.mp4": EIO, "b.mp4": EACCES, "c.mp4": GONE}), dict[str, str]()
    probed = probe_videos(folder, _scanned(folder), unread)
    assert _measures(probed) == {"a": (0, 0, 0), "b": (0, 0, 0), "d": (12, 96, 64)}
    assert [video.is_probed for video in probed.videos] == [False, False, True]
    assert unread == {"a.mp4": str(EIO), "b.mp4": str(EACCES)}
    again = probe_videos(folder, probed, unread)
    assert _measures(again) == _measures(probed)
    folder.faults.clear()
    assert set(_measures(probe_videos(folder, again, {})).values()) == {(12, 96, 64)}


@pytest.mark.parametrize(("fault", "status"), [(EIO, "unreadable"), (GONE, "missing")])
def test_one_picture_or_plate_that_is_not_given_ends_nothing(tmp_path: Path, fault: OSError, status: str) -> None:
    root = make_tiny(tmp_path, n_cameras=2)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.jpg")}
    picture, plate = "031/images/0000/image_cam0.jpg", "031/background/image_cam0.jpg"
    folder, unread = Faulty(files, {picture: fault, plate: fault}), dict[str, str]()
    scanned = scan_subject(folder, "031", "size", Gha())
    frames = probe_pictures(folder, scanned.frames, unread)
    assert [int(frames.width[frames.camera == camera].max()) for camera in ("cam0", "cam1")] == [0, 64]
    plates = probe_plates(folder, scanned.plates.values(), unread)
    assert {camera: found.status for camera, found in plates.items()} == {"cam0": status, "cam1": "ok"}
    assert sorted(unread) == (sorted([picture, plate]) if status == "unreadable" else [picture])
    folder.faults.clear()
    assert probe_plates(folder, scanned.plates.values(), {})["cam0"].status == "ok"
    folder.faults.update(dict.fromkeys(files, OSError("the store is gone")))
    for ask in (
        lambda: probe_pictures(folder, scanned.frames, {}),
        lambda: probe_plates(folder, scanned.plates.values(), {}),
    ):
        with pytest.raises(OSError, match="the store is gone"):
            ask()


def test_videos_that_were_probed_are_not_touched() -> None:
    class Untouched(MemoryFolder):
        def read_range(self, path: str, start: int, stop: int) -> bytes:
            raise io.UnsupportedOperation(path)

    folder = Untouched({"a.mp4": b"x"})
    known = _scanned(folder)
    known = replace(known, videos=(replace(known.videos[0], n_frames=7, is_probed=True),))
    assert probe_videos(folder, known, {}) == known
