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


def probe_videos(capture: Folder, scanned: Scanned, unread: dict[str, str]) -> Scanned:
    """Read the length and size of each video that was not probed yet; one that is no whole video has length 0.

    One that is gone by now is left out. One that the store does not give has length 0 and stays not probed, so that it
    is asked for again; `unread` gets its path and the reason. Raises OSError where none at all can be read.
    """
    new = [video for video in scanned.videos if not video.is_probed]
    is_up = any(video.n_frames for video in scanned.videos)
    answers = dict(zip(new, _at_once(lambda video: _probed(capture, video), new, is_up), strict=True))
    videos = []
    for video in scanned.videos:
        answer = answers.get(video, video)
        if isinstance(answer, Video):
            videos.append(answer)
        elif not isinstance(answer, FileNotFoundError):
            videos.append(video)
            unread[video.stat.path] = str(answer)
    return replace(scanned, videos=tuple(videos))


def probe_pictures(capture: Folder, frames: FrameTable, unread: dict[str, str]) -> FrameTable:
    """Read the size of the first picture of each camera where it is not known; faults as in `probe_videos`."""
    firsts = [
        rows.start
        for rows in streams(frames).values()
        if frames.kind[rows.start] == "image" and not frames.width[rows.start]
    ]
    width, height = frames.width.copy(), frames.height.copy()
    sizes = _at_once(lambda row: _size(capture, str(frames.path[row])), firsts, bool(width.any()))
    for row, size in zip(firsts, sizes, strict=True):
        if isinstance(size, OSError):
            unread[str(frames.path[row])] = str(size)
        elif size is not None:
            width[row], height[row] = size
    return replace(frames, width=width, height=height)


def probe_plates(capture: Folder, plates: Iterable[Plate], unread: dict[str, str]) -> dict[str, Plate]:
    """Read the size of each plate whose size is not known, and return all by camera; faults as in `probe_videos`."""
    known = {plate.camera: plate for plate in plates}
    new = [plate for plate in known.values() if plate.path is not None and not plate.width]
    is_up = any(plate.width for plate in known.values())
    for plate, size in zip(new, _at_once(lambda plate: _size(capture, plate.path or ""), new, is_up), strict=True):
        if isinstance(size, FileNotFoundError):
            known[plate.camera] = Plate(plate.subject, plate.camera, None, "", "missing")
        elif isinstance(size, OSError):
            known[plate.camera] = replace(plate, status="unreadable")
            unread[plate.path or ""] = str(size)
        elif size is None:
            known[plate.camera] = replace(plate, status="unreadable")
        else:
            known[plate.camera] = replace(plate, status="ok", width=size[0], height=size[1])
    return known


def _at_once(ask: Callable[[Asked], Answer], asked: list[Asked], is_up: bool) -> list[Answer | OSError]:
    """Return an answer each, or why the store gave none; raises where it gives nothing and was not seen to work."""

    def tried(one: Asked) -> Answer | OSError:
        try:
            return ask(one)
        except OSError as err:
            return err

    with ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe") as threads:
        answers = list(threads.map(tried, asked))
    faults = [answer for answer in answers if isinstance(answer, OSError)]
    down = next((fault for fault in faults if not isinstance(fault, FileNotFoundError)), None)
    if down is not None and len(faults) == len(asked) and not is_up:
        raise down
    return answers


def _probed(capture: Folder, video: Video) -> Video:
    path = video.stat.path
    try:
        ranged = cast(BinaryIO, RangedFile(capture, path, video.stat.size_bytes))
        header = probe_video(capture.local_path(path) or ranged)
    except InputFault:
        return replace(video, is_probed=True)
    return replace(video, n_frames=header.n_frames, width=header.width, height=header.height, is_probed=True)


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
