"""Probing: sizes and lengths from the first bytes of pictures and the indexes of videos, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import BinaryIO, TypeVar, cast

from manifests.capture import Scanned, Video
from manifests.errors import InputFault
from manifests.ranged import RangedFile
from manifests.records import Plate
from manifests.rows import streams
from manifests.sharding import FrameTable
from manifests.storage import Folder
from matting_tasks.decode import HEAD_BYTES, read_header
from matting_tasks.decode_video import probe_video

PROBE_THREADS = 8

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def probe_videos(capture: Folder, scanned: Scanned) -> Scanned:
    """Read the length and size of each video that was not probed yet; one that cannot be read has length 0."""
    new = [video for video in scanned.videos if not video.is_probed]
    probed = dict(zip(new, _at_once(lambda video: _probed(capture, video), new), strict=True))
    return replace(scanned, videos=tuple(probed.get(video, video) for video in scanned.videos))


def probe_pictures(capture: Folder, frames: FrameTable) -> FrameTable:
    """Read the size of the first picture of each camera where it is not known."""
    firsts = [
        rows.start
        for rows in streams(frames).values()
        if frames.kind[rows.start] == "image" and not frames.width[rows.start]
    ]
    width, height = frames.width.copy(), frames.height.copy()
    sizes = _at_once(lambda row: _size(capture, str(frames.path[row])), firsts)
    for row, size in zip(firsts, sizes, strict=True):
        width[row], height[row] = size or (0, 0)
    return replace(frames, width=width, height=height)


def probe_plates(capture: Folder, plates: Iterable[Plate]) -> dict[str, Plate]:
    """Read the size of each plate whose size is not known, and return all by camera."""
    known = {plate.camera: plate for plate in plates}
    new = [plate for plate in known.values() if plate.path is not None and not plate.width]
    return known | {plate.camera: plate for plate in _at_once(lambda plate: _probed_plate(capture, plate), new)}


def _at_once(ask: Callable[[Asked], Answer], asked: list[Asked]) -> list[Answer]:
    with ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe") as threads:
        return list(threads.map(ask, asked))


def _probed(capture: Folder, video: Video) -> Video:
    path = video.stat.path
    try:
        ranged = cast(BinaryIO, RangedFile(capture, path, video.stat.size_bytes))
        header = probe_video(capture.local_path(path) or ranged)
    except InputFault:
        return replace(video, is_probed=True)
    return replace(video, n_frames=header.n_frames, width=header.width, height=header.height, is_probed=True)


def _probed_plate(capture: Folder, plate: Plate) -> Plate:
    size = _size(capture, plate.path or "")
    if size is None:
        return replace(plate, status="unreadable")
    return replace(plate, status="ok", width=size[0], height=size[1])


def _size(capture: Folder, path: str) -> tuple[int, int] | None:
    """Return (width, height) from a picture's header, None where it has none that can be read."""
    for size_bytes in (HEAD_BYTES, 128 * HEAD_BYTES):  # profiles and previews can push the header far back
        head = capture.read_range(path, 0, size_bytes)
        try:
            header = read_header(head)
        except InputFault:
            if len(head) < size_bytes:
                break
        else:
            return header.width, header.height
    return None
