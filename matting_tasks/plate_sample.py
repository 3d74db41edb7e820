"""A sample of a subject's pictures for the check of its plates: a few frames and the plate of each camera, small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np

from manifests.errors import InputFault
from manifests.records import Frame, Plate
from manifests.rows import streams
from manifests.sharding import FrameTable
from manifests.storage import Folder
from matting_tasks.decode import decode_gray, decode_image
from matting_tasks.geometry import VISIBLE_FROM
from matting_tasks.plate_check import View
from matting_tasks.plate_measures import SMALL_PX, Mask, to_small

N_SAMPLED = 4
"""Frames of each camera: enough to see what moves."""
LEAST_SIDE_PX = 96
"""Smaller pictures are not judged: what is not the same in frame and plate may be noise there."""
READ_THREADS = 8


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was read of one camera: `view` is None where nothing can be compared.

    `plate_fault` says that the plate's file cannot be decoded, `unread` why the store did not give a file.
    """

    camera: str
    view: View | None = None
    plate_fault: str | None = None
    unread: str | None = None


def sample_views(capture: Folder, frames: FrameTable, plates: Mapping[str, Plate]) -> list[Sampled]:
    """Read a sample of every camera that has frames and a plate: always the same for the same listing, many at once.

    Frames that cannot be decoded are passed over, their rows will say so. A camera whose plate has another size than
    its frames has no view.
    """
    rows = _rows_by_camera(frames)
    usable = [camera for camera in sorted(rows) if camera in plates and plates[camera].path is not None]

    def read(camera: str) -> Sampled:
        try:
            return _sample(capture, plates[camera], frames.frames(_spread(frames, rows[camera])))
        except OSError as err:
            return Sampled(camera, unread=str(err))

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="sample") as threads:
        return list(threads.map(read, usable))


def _rows_by_camera(frames: FrameTable) -> dict[str, list[slice]]:
    """Return the rows of each camera, one slice a sequence."""
    found: dict[str, list[slice]] = {}
    for (_, camera), rows in streams(frames).items():
        found.setdefault(camera, []).append(rows)
    return found


def _spread(frames: FrameTable, sequences: list[slice]) -> np.ndarray:
    """Return up to N_SAMPLED rows of a camera, evenly over its frames.

    Where it has many videos, of each only the first frame: to reach another one all before it are decoded.
    """
    rows = np.concatenate([np.arange(part.start, part.stop) for part in sequences])
    if frames.kind[rows[0]] == "video" and len(sequences) >= N_SAMPLED:
        rows = np.array([part.start for part in sequences])
    places = (np.arange(N_SAMPLED) + 0.5) * len(rows) / N_SAMPLED
    return np.unique(rows[places.astype(np.int64)])


def _sample(capture: Folder, plate: Plate, frames: Iterable[Frame]) -> Sampled:
    listed = list(frames)
    try:
        pixels = decode_image(capture.read(plate.path or "")).pixels
    except FileNotFoundError:
        return Sampled(plate.camera)  # it vanished since it was listed: matting will say so
    except InputFault as fault:
        return Sampled(plate.camera, plate_fault=fault.message)
    if min(pixels.shape[:2]) < LEAST_SIDE_PX:
        return Sampled(plate.camera)
    pictures = [small for small, size in _read_frames(capture, listed) if size == pixels.shape[:2]]
    if not pictures:
        return Sampled(plate.camera)
    shape = pixels.shape[0] / pixels.shape[1]
    visible = _visible(capture, listed)
    return Sampled(plate.camera, View(plate.camera, pictures, to_small(pixels), visible, shape, plate.path or ""))


def _read_frames(capture: Folder, frames: list[Frame]) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Yield frames that can be decoded, small, with the (height, width) that they have."""
    by_path: dict[str, list[Frame]] = {}
    for frame in frames:
        by_path.setdefault(frame.path, []).append(frame)
    for path, wanted in by_path.items():
        read = _read_video if wanted[0].kind == "video" else _read_picture
        for pixels in read(capture, path, wanted):
            yield to_small(pixels), (pixels.shape[0], pixels.shape[1])


def _read_picture(capture: Folder, path: str, _: list[Frame]) -> Iterator[np.ndarray]:
    try:
        yield decode_image(capture.read(path)).pixels
    except (InputFault, FileNotFoundError):
        return


def _read_video(capture: Folder, path: str, wanted: list[Frame]) -> Iterator[np.ndarray]:
    """Yield frames of a video from this machine's disk, or from a copy of it that no name leads to."""
    from matting_tasks.decode_video import VideoReader  # captures of pictures are checked without PyAV

    with TemporaryFile(prefix="cleanplate-") as copy:
        try:
            local = capture.local_path(path)
            if local is None:
                local = Path(f"/dev/fd/{copy.fileno()}")
                capture.copy_to(path, local)
            with VideoReader(local, 1) as video:
                for frame in sorted(wanted, key=lambda frame: frame.source_frame):
                    yield video.read(frame.source_frame)
        except (InputFault, FileNotFoundError):
            return


def _visible(capture: Folder, frames: list[Frame]) -> Mask | None:
    """Return where the sensor sees, (256, 256) bool, by the first of the frames' visible masks that can be read."""
    for path in (frame.visible_path for frame in frames):
        try:
            if path is not None:
                seen = (decode_gray(capture.read(path)) >= VISIBLE_FROM).astype(np.float32)
                return np.asarray(cv2.resize(seen, (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA) > 0.999)
        except (InputFault, FileNotFoundError):
            continue
    return None
