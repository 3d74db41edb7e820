"""Matting a chunk of a video: frames in, alpha, foreground and composite out as uint8 pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from manifests.errors import DeviceFault
from matting_tasks.masks import finish_alpha, to_mask, to_mask_16
from matting_tasks.plates import to_device
from matting_tasks.video_source import Size, VideoInfo, resize_picture
from matting_tasks.video_target import Target
from models.base import MattingModel


@dataclass(frozen=True, slots=True)
class VideoMatter:
    """A model on its device and how it is used.

    plate: (1, 3, H, W) for a model that uses one, background: (3, H, W) behind the composite, both RGB 0..1, the plate
    in the model's type and the background in float32. chunk: frames a step. warmup: how often a temporal model is shown
    the first frame before it counts.
    """

    model: MattingModel
    device: torch.device
    dtype: torch.dtype
    background: Tensor
    plate: Tensor | None = None
    chunk: int = 1
    warmup: int = 0


def flat_background(colour: tuple[int, int, int], size: Size) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 of one colour."""
    return np.full((size.height, size.width, 3), colour, np.uint8)


def cover(pixels: np.ndarray, size: Size) -> np.ndarray:
    """Resize a picture (h, w, 3) uint8, its aspect kept, until it covers a size, and cut what hangs over evenly."""
    height, width = pixels.shape[:2]
    scale = max(size.width / width, size.height / height)
    larger = Size(max(size.width, round(width * scale)), max(size.height, round(height * scale)))
    top, left = (larger.height - size.height) // 2, (larger.width - size.width) // 2
    resized = resize_picture(pixels, larger)
    return np.ascontiguousarray(resized[top : top + size.height, left : left + size.width])


def warm_up(matter: VideoMatter, first: np.ndarray) -> object:
    """Show the first frame, (H, W, 3) uint8, to a temporal model `warmup` times; return its state."""
    state: object = None
    left = matter.warmup
    with _device_faults(matter.chunk), torch.inference_mode():
        frame = to_device(first[None], matter.device, matter.dtype)[None]
        while left > 0:
            n_frames = min(left, matter.chunk)
            state = matter.model.matte(frame.expand(1, n_frames, -1, -1, -1), matter.plate, state).state
            left -= n_frames
    return state


def matte_chunk(
    matter: VideoMatter, pixels: np.ndarray, state: object, targets: Sequence[Target]
) -> tuple[dict[str, np.ndarray], object, bool]:
    """Matte frames (T, H, W, 3) uint8 after a state; return the pictures of each output, the state behind them, and
    whether the model gave a foreground: else the frames stand for it.
    """
    wanted = {target.name: target for target in targets}
    with _device_faults(matter.chunk), torch.inference_mode():
        frames = to_device(pixels, matter.device, matter.dtype)  # (T, 3, H, W)
        matte = matter.model.matte(frames[None], matter.plate, state, bool(wanted.keys() - {"alpha"}))
        alpha = finish_alpha(matte.alpha[0], None)
        if bool(torch.isnan(alpha).any()):
            raise DeviceFault("The model gave alphas that are no numbers (NaN): use --precision fp32, check --weights.")
        made: dict[str, np.ndarray] = {}
        if "alpha" in wanted:
            is_deep = wanted["alpha"].levels == 65535
            full = to_mask_16(alpha) if is_deep else to_mask(alpha)
            made["alpha"] = full.cpu().numpy().astype(np.uint16 if is_deep else np.uint8, copy=False)
        if wanted.keys() - {"alpha"}:
            foreground = (frames if matte.foreground is None else matte.foreground[0]).float().clamp(0, 1)
            share = alpha[:, None]
            if "foreground" in wanted:
                made["foreground"] = _to_pixels(torch.where(share > 0, foreground, 0.0))
            if "composite" in wanted:
                made["composite"] = _to_pixels(share * foreground + (1 - share) * matter.background)
        return made, matte.state, matte.foreground is not None


def _to_pixels(pictures: Tensor) -> np.ndarray:
    """Round pictures (T, 3, H, W) float, RGB 0..1, to (T, H, W, 3) uint8."""
    pixels: np.ndarray = to_mask(pictures).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels


def empty_pictures(info: VideoInfo, matter: VideoMatter, targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Return what stands for a frame that cannot be decoded: alpha 0, black, and the background alone."""
    shape = (info.size.height, info.size.width)
    made: dict[str, np.ndarray] = {}
    for target in targets:
        if target.name == "composite":
            made["composite"] = _to_pixels(matter.background[None].expand(1, -1, *shape))[0]
        elif target.name == "foreground":
            made["foreground"] = np.zeros((*shape, 3), np.uint8)
        else:
            made["alpha"] = np.zeros(shape, np.uint16 if target.levels == 65535 else np.uint8)
    return made


@contextmanager
def _device_faults(chunk: int) -> Iterator[None]:
    """Turn a shortage of the device's memory into a DeviceFault that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as err:
        fewer = f"--chunk {chunk // 2}" if chunk > 1 else "a smaller --resize"
        raise DeviceFault(f"Too little memory on the device for {chunk} frames a step: try {fewer}. ({err})") from err
