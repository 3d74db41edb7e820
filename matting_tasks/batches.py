"""Batches: frames in, mattes and their measures out, one batch on the device at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from manifests.errors import DeviceFault
from manifests.recipe import Recipe
from matting_tasks.frames import ReadFrame
from matting_tasks.masks import finish_alpha, to_lowres, to_mask
from matting_tasks.plates import Plates, to_device
from matting_tasks.qc import measure_alpha, measure_error
from models.base import MattingModel


def _no_pixels() -> np.ndarray:
    return np.empty((0, 0), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Matted:
    """A frame behind the device: mask (H, W) and lowres (h, w) uint8, and the measures made there.

    A frame with a fault passes by with empty masks.
    """

    read: ReadFrame
    mask: np.ndarray = field(default_factory=_no_pixels)
    lowres: np.ndarray = field(default_factory=_no_pixels)
    measures: Mapping[str, float] = field(default_factory=dict)


def matte_frames(
    read: Iterable[ReadFrame], model: MattingModel, plates: Plates, plate: Tensor | None, recipe: Recipe
) -> Iterator[Matted]:
    """Yield the frames matted, in order, one batch on the device at a time; plate: (1, 3, H, W) or None for zeros."""
    for batch in _batches(read, recipe.numerics.batch):
        pixels = [frame.pixels for frame in batch if frame.pixels is not None]
        if pixels:
            yield from _matte_batch(batch, pixels[0].shape, model, plates, plate, recipe)
        else:
            yield from (Matted(frame) for frame in batch)


def _batches(read: Iterable[ReadFrame], n_frames: int) -> Iterator[list[ReadFrame]]:
    """Group frames into batches of one picture size; a frame that could not be read keeps its place."""
    batch: list[ReadFrame] = []
    size: tuple[int, ...] | None = None
    for frame in read:
        changes = frame.pixels is not None and size is not None and frame.pixels.shape != size
        if batch and (changes or len(batch) == n_frames):
            yield batch
            batch, size = [], None
        batch.append(frame)
        size = size if frame.pixels is None else frame.pixels.shape
    if batch:
        yield batch


def _matte_batch(
    batch: list[ReadFrame],
    shape: tuple[int, ...],
    model: MattingModel,
    plates: Plates,
    plate: Tensor | None,
    recipe: Recipe,
) -> Iterator[Matted]:
    """Matte one batch, padded to its full length so that its size never changes the arithmetic."""
    started = time.perf_counter()
    pixels = np.zeros((recipe.numerics.batch, *shape), dtype=np.uint8)  # (T, H, W, 3)
    for place, frame in enumerate(batch):
        if frame.pixels is not None:
            pixels[place] = frame.pixels
    with plates.lock, torch.inference_mode():
        frames = to_device(pixels, plates.device, plates.dtype)[None]  # (1, T, 3, H, W)
        if plate is None and model.uses_plate:
            plate = torch.zeros_like(frames[:, 0])
        matte = model.matte(frames, plate if model.uses_plate else None, None)
        visible = _stack_visible(batch, shape, plates)
        alpha = finish_alpha(matte.alpha[0, : len(batch)], visible)
        measures = dict(zip(("coverage", "soft_fraction"), measure_alpha(alpha, visible), strict=True))
        if matte.error is not None:
            error = measure_error(matte.error[0, : len(batch)], visible)
            measures |= zip(("error_mean", "error_p99"), error, strict=True)
        mask, lowres = to_mask(alpha).cpu().numpy(), to_lowres(alpha, recipe.lowres_px).cpu().numpy()
        numbers = {name: values.cpu().tolist() for name, values in measures.items()}
    if any(math.isnan(share) for share in numbers["coverage"]):
        raise DeviceFault(
            f"the model gave alphas that are no numbers (NaN) at precision {recipe.numerics.precision}: "
            "use --precision fp32, and check the weights"
        )
    device_s = (time.perf_counter() - started) / len(batch)
    for place, frame in enumerate(batch):
        if frame.pixels is None:
            yield Matted(frame)
        else:
            own = {name: values[place] for name, values in numbers.items()}
            yield Matted(frame, mask[place], lowres[place], own | {"device_s": device_s})


def _stack_visible(batch: list[ReadFrame], shape: tuple[int, ...], plates: Plates) -> Tensor | None:
    """Return the visible masks (T, H, W) bool of a batch, or None where no frame has one."""
    if all(frame.visible is None for frame in batch):
        return None
    everything = torch.ones(shape[:2], dtype=torch.bool, device=plates.device)
    return torch.stack(
        [everything if frame.visible is None else plates.visible_on_device(frame.visible) for frame in batch]
    )
