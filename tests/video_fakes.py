"""Stand-ins for tests of videos: a model of a few lines with a foreground and a memory, and independent readers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor

from matting_tasks.video_matter import VideoMatter, flat_background
from matting_tasks.video_source import Size
from models.base import Matte


class RedMemory:
    """Call the red channel alpha and the frame its foreground; count the frames that were seen, in order."""

    uses_plate = False
    temporal = True

    def __init__(self, gives_foreground: bool = True) -> None:
        self.gives_foreground = gives_foreground
        self.seen: list[int] = []
        self.lengths: list[int] = []

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        before = 0 if state is None else int(str(state))
        self.seen.append(before)
        self.lengths.append(frames.shape[1])
        foreground = frames if want_foreground and self.gives_foreground else None
        return Matte(frames[:, :, 0], None, before + frames.shape[1], foreground)


class Refusing(RedMemory):
    """Raise at the step of this number."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__()
        self._at, self._error = at, error

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        if len(self.seen) == self._at:
            raise self._error
        return super().matte(frames, plates, state, want_foreground)


def matter_for(model: object, size: tuple[int, int], **changes: object) -> VideoMatter:
    """Return a model on the CPU in fp32, over green; size is (width, height)."""
    green = flat_background((0, 255, 0), Size(*size)).copy()
    background = torch.from_numpy(green).permute(2, 0, 1).float() / 255
    return VideoMatter(model, torch.device("cpu"), torch.float32, background, **changes)  # type: ignore[arg-type]


def decode(path: Path) -> tuple[list[np.ndarray], Fraction, list[Fraction]]:
    """Decode a video by PyAV alone, by its BT.709 tags: pictures (H, W, 3) RGB or (H, W), its rate, and times in s."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        rate, times = Fraction(stream.average_rate or 0), [frame.pts * frame.time_base for frame in frames]
        if stream.codec_context.name == "ffv1":
            form = "gray" if stream.codec_context.pix_fmt == "gray" else "rgb24"
            return [frame.to_ndarray(format=form) for frame in frames], rate, times
        assert {int(frame.colorspace) for frame in frames} == {1} and frames[0].color_range == ColorRange.MPEG
        rgb = (
            frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.JPEG)
            for frame in frames
        )
        return [frame.to_ndarray() for frame in rgb], rate, times


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files and folders below a folder."""
    return list(folder.rglob(".cleanplate-*"))
