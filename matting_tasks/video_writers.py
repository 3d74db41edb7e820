"""Writing: the pictures of each frame to all targets, under temporary names until all frames are there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

import cv2
import numpy as np

from manifests.errors import StoreFault
from matting_tasks.video_encoder import VideoWriter
from matting_tasks.video_source import VideoInfo
from matting_tasks.video_target import Target

PNG_THREADS = 4


class Writer(Protocol):
    """Takes pictures in order, (H, W, 3) uint8 RGB or (H, W) gray of the target's levels; raises StoreFault, OSError.

    Nothing has its final name before `commit`; `close` without it leaves nothing behind.
    """

    def write(self, place: int, pixels: np.ndarray) -> None:
        """Write one picture."""
        ...

    def finish(self) -> None:
        """Write what is still held back."""
        ...

    def commit(self) -> None:
        """Put what was written in its place, over what lies there."""
        ...

    def close(self) -> None:
        """Remove what was not committed; may be repeated."""
        ...


def open_writer(target: Target, info: VideoInfo) -> Writer:
    """Open the writer of a target, for pictures of the size and at the times of a source."""
    return VideoWriter(target, info) if target.is_video else PngWriter(target, info)


class PngWriter:
    """Writes one PNG a picture into a folder; from several threads, if need be."""

    def __init__(self, target: Target, info: VideoInfo) -> None:
        """Make the folder under its temporary name."""
        self._target, self._info = target, info
        self._temporary = target.temporary()
        self._temporary.mkdir()

    def write(self, place: int, pixels: np.ndarray) -> None:
        """Encode and write one picture."""
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
        done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise StoreFault(f"OpenCV could not encode a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels as PNG.")
        name = self._target.picture_name(self._info.number_of(place))
        (self._temporary / name).write_bytes(data.tobytes())

    def finish(self) -> None:
        """Do nothing: each picture is written at once."""

    def commit(self) -> None:
        """Rename the folder; where there is one, move the pictures in, and remove only those of an earlier run."""
        path = self._target.path
        if not path.exists():
            self._temporary.rename(path)
            return
        old = {picture.name for picture in self._target.old_pictures()}
        for picture in sorted(self._temporary.iterdir()):
            picture.replace(path / picture.name)
            old.discard(picture.name)
        for name in old:
            (path / name).unlink()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._temporary, ignore_errors=True)


class Outputs:
    """The writers of all targets as one; leaving it without `commit` leaves nothing behind."""

    def __init__(self, targets: Sequence[Target], info: VideoInfo) -> None:
        """Open a writer for each target."""
        self._writers: dict[str, Writer] = {}
        self.n_threads = 1 if any(target.is_video for target in targets) else PNG_THREADS
        with ExitStack() as undo:
            for target in targets:
                self._writers[target.name] = open_writer(target, info)
                undo.callback(self._writers[target.name].close)
            self._closing = undo.pop_all()

    def write(self, place: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Write the pictures of one frame, by the names of their targets; from `n_threads` threads, frames in order."""
        for name, pixels in pictures.items():
            self._writers[name].write(place, pixels)

    def commit(self) -> None:
        """Write what is held back, and put all in place."""
        for writer in self._writers.values():
            writer.finish()
        for writer in self._writers.values():
            writer.commit()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not committed."""
        self._closing.close()
