from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from nersemble_tree import video_of
from videos import cut

from flows.probing import probe_videos
from manifests.capture import Scanned, scan_subject
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
    local = probe_videos(LocalFolder(tmp_path), _scanned(LocalFolder(tmp_path)))
    assert _measures(local) == expected
    assert all(video.is_probed for video in local.videos)
    store = MemoryFolder({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert _measures(probe_videos(store, _scanned(store))) == expected


def test_a_store_that_fails_is_no_unreadable_video(tmp_path: Path) -> None:
    class Failing(MemoryFolder):
        def read_range(self, path: str, start: int, stop: int) -> bytes:
            raise OSError("the store is gone")

    folder = Failing({"a.mp4": video_of(12).read_bytes()})
    with pytest.raises(OSError, match="the store is gone"):
        probe_videos(folder, _scanned(folder))


def test_videos_that_were_probed_are_not_touched() -> None:
    class Untouched(MemoryFolder):
        def read_range(self, path: str, start: int, stop: int) -> bytes:
            raise io.UnsupportedOperation(path)

    folder = Untouched({"a.mp4": b"x"})
    known = _scanned(folder)
    known = replace(known, videos=(replace(known.videos[0], n_frames=7, is_probed=True),))
    assert probe_videos(folder, known) == known
