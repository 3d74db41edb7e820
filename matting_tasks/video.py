"""One video: decoded ahead, matted a chunk at a time with the state passed on, and written behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from manifests.errors import InputFault, UsageError
from matting_tasks.threads import map_ahead
from matting_tasks.video_matter import VideoMatter, empty_pictures, matte_chunk, warm_up
from matting_tasks.video_source import SourceFrame, VideoSource
from matting_tasks.video_target import Target
from matting_tasks.video_writers import Outputs

N_WRITTEN_BEHIND = 4
PATIENCE_S = 30.0
"""For a frame that is being encoded when a run is stopped: nothing may be removed under an encoder's hands."""


@dataclass(frozen=True, slots=True)
class Made:
    """A frame behind the device: its pictures by the name of their output; `fault` if they only stand for it."""

    place: int
    pictures: Mapping[str, np.ndarray]
    fault: InputFault | None = None


@dataclass(slots=True)
class VideoSummary:
    """How a video went: frames written, those among them that could not be matted, and whether it has foregrounds."""

    n_frames: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    has_foreground: bool = True


def matte_video(
    source: VideoSource, matter: VideoMatter, targets: Sequence[Target], on_frame: Callable[[int], None]
) -> VideoSummary:
    """Matte all frames of a source into the targets, and put them in place once all of them are written.

    `on_frame` is told the number of frames written so far. A frame that cannot be decoded has alpha 0, so that all
    others keep their places; a temporal state passes over it. Host memory does not grow with the length of the video.
    Raises UsageError where no frame at all can be decoded, DeviceFault, StoreFault and OSError; then, and when
    interrupted, nothing is left behind.
    """
    summary = VideoSummary()
    with Outputs(targets, source.info) as outputs:

        def write(one: Made) -> Made:
            outputs.write(one.place, one.pictures)
            return one

        made = _matte(source, matter, targets, summary)
        with closing(map_ahead(write, made, outputs.n_threads, N_WRITTEN_BEHIND, PATIENCE_S)) as written:
            for one in written:
                summary.n_frames += 1
                if one.fault is not None:
                    summary.faults[source.info.number_of(one.place)] = one.fault.message
                on_frame(summary.n_frames)
        if len(summary.faults) == summary.n_frames:
            reason = next(iter(summary.faults.values()), "it is empty, or cut before its first frame")
            raise UsageError(f"{source.info.name}: no frame can be decoded: {reason}. Nothing was written.")
        outputs.commit()
    return summary


def _matte(
    source: VideoSource, matter: VideoMatter, targets: Sequence[Target], summary: VideoSummary
) -> Iterator[Made]:
    """Yield all frames of a source, matted."""
    state, begun = None, False
    empty = empty_pictures(source.info, matter, targets)
    with closing(map_ahead(source.read, range(source.info.n_frames), 1, 2 * matter.chunk)) as read:
        for chunk in _chunks(read, matter.chunk):
            whole = [frame.pixels for frame in chunk if frame.pixels is not None]
            if whole and matter.model.temporal and not begun:
                state, begun = warm_up(matter, whole[0]), True
            pictures: Mapping[str, np.ndarray] = {}
            if whole:
                pictures, state, has_foreground = matte_chunk(matter, np.stack(whole), state, targets)
                summary.has_foreground &= has_foreground
            place = 0
            for frame in chunk:
                if frame.pixels is None:
                    yield Made(frame.place, empty, frame.fault)
                    continue
                yield Made(frame.place, {name: made[place] for name, made in pictures.items()})
                place += 1


def _chunks(read: Iterable[SourceFrame], length: int) -> Iterator[list[SourceFrame]]:
    """Cut frames into chunks; end where the video turns out to end."""
    chunk: list[SourceFrame] = []
    for frame in read:
        if frame.fault is not None and frame.fault.status == "short_video":
            break
        chunk.append(frame)
        if len(chunk) == length:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
