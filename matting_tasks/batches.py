"""Batches: streams of frames in, mattes and their measures out, one batch on the device at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manifests.errors import DeviceFault, InputFault
from manifests.recipe import Recipe
from matting_tasks.frames import ReadFrame
from matting_tasks.halving import matte_in_halves
from matting_tasks.masks import finish_alpha, to_lowres, to_mask, to_mask_16
from matting_tasks.plates import Plates, to_device
from matting_tasks.qc import measure_alpha, measure_error, measure_starvation
from models.base import MattingModel

MEASURE_DIGITS = 6
CELL_PIXELS = 16
"""A refiner works on cells of 4x4 pixels."""


def _no_pixels() -> np.ndarray:
    return np.empty((0, 0), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Matted:
    """A frame behind the device: mask (H, W) uint8 or uint16, lowres (h, w) uint8, and the measures made there.

    A frame with a fault passes by with empty masks. `read` has its pixels still if the recipe writes frames.
    `is_degraded`: the device's memory ran out, and it was matted in a smaller batch than the recipe says.
    """

    read: ReadFrame
    mask: np.ndarray = field(default_factory=_no_pixels)
    lowres: np.ndarray = field(default_factory=_no_pixels)
    measures: Mapping[str, float] = field(default_factory=dict)
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """The frames of one camera on their way to the device, in order.

    `slot` is the stream's place in a batch of streams, plate (1, 3, H, W) is None for zeros; frames in `passing` only
    carry the state of a temporal model on.
    """

    read: Iterator[ReadFrame]
    plate: Tensor | None = None
    slot: int = 0
    passing: frozenset[int] = frozenset()


def matte_streams(
    streams: Sequence[Stream], model: MattingModel, plates: Plates, recipe: Recipe
) -> Iterator[tuple[int, Matted]]:
    """Yield (number of the stream, frame) matted: each stream in its order, all of them in lockstep.

    A batch is always `numerics.batch` streams of `numerics.chunk` frames for a temporal model, and one stream of
    `numerics.batch` frames for others; what is missing in it is black. So the bytes of a stream depend on no other
    stream, and on no batch that was cut short.
    """
    feeds = [_steps(stream, recipe) for stream in streams]
    states: dict[tuple[int, ...] | None, Any] = {}
    while steps := {number: step for number, feed in enumerate(feeds) if (step := next(feed, None)) is not None}:
        for shape in dict.fromkeys(step.shape for step in steps.values()):
            members = {number: step for number, step in steps.items() if step.shape == shape}
            made: Mapping[tuple[int, int], Matted] = {}
            if shape is not None:
                made, states[shape] = _matte_batch(members, streams, model, plates, recipe, states.get(shape))
            for number, step in members.items():
                for place, shown in enumerate(step.shown):
                    if shown.counts:
                        yield number, made.get((number, place)) or Matted(shown.read)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A frame as the model is shown it; `counts` says if it gets a mask and a row."""

    read: ReadFrame
    counts: bool

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None if self.read.pixels is None else self.read.pixels.shape


@dataclass(slots=True)
class _Step:
    """Consecutive frames of one stream for one batch, all pictures of one shape; `places` are theirs in the batch."""

    shown: list[_Shown] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    n_places: int = 0
    shape: tuple[int, ...] | None = None

    def add(self, shown: _Shown, keeps_place: bool) -> None:
        """Put a frame into the next place; a fault has one only if it `keeps_place`."""
        self.shown.append(shown)
        self.places.append(self.n_places)
        self.n_places += shown.shape is not None or keeps_place
        self.shape = self.shape or shown.shape


def _steps(stream: Stream, recipe: Recipe) -> Iterator[_Step]:
    """Cut a stream into steps; a fault keeps its place in the batch, but a temporal state passes over it."""
    length = recipe.numerics.chunk if recipe.temporal else recipe.numerics.batch
    step = _Step()
    for shown in _in_order(stream, recipe) if recipe.temporal else (_Shown(read, True) for read in stream.read):
        if step.shape is not None and shown.shape not in (None, step.shape):
            yield step
            step = _Step()
        step.add(shown, keeps_place=not recipe.temporal)
        if step.n_places == length:
            yield step
            step = _Step()
    if step.shown:
        yield step


def _in_order(stream: Stream, recipe: Recipe) -> Iterator[_Shown]:
    """Yield what a temporal model is shown: the first picture `warmup` times more, and pictures of one size only."""
    first: tuple[int, ...] | None = None
    for read in stream.read:
        if read.pixels is not None and first is None:
            first = read.pixels.shape
            yield from (_Shown(read, False) for _ in range(recipe.warmup))
        elif read.pixels is not None and read.pixels.shape != first:
            read = _of_another_size(read, read.pixels.shape, first or ())
        counts = read.frame.frame not in stream.passing
        if counts or read.pixels is not None:
            yield _Shown(read, counts)


def _of_another_size(read: ReadFrame, found: tuple[int, ...], first: tuple[int, ...]) -> ReadFrame:
    sizes = f"it is {found[1]}x{found[0]}, its stream began with {first[1]}x{first[0]}"
    message = f"{read.frame.path}: {sizes}, and a temporal model cannot change over"
    return replace(read, pixels=None, visible=None, fault=InputFault("undecodable", message))


def _matte_batch(
    steps: Mapping[int, _Step],
    streams: Sequence[Stream],
    model: MattingModel,
    plates: Plates,
    recipe: Recipe,
    state: Any,
) -> tuple[dict[tuple[int, int], Matted], Any]:
    """Matte one step of each stream; return what counts by (number of the stream, index in the step), and the state."""
    pixels, counted = _gather(steps, streams, recipe)
    with plates.slots, torch.inference_mode():
        started = time.perf_counter()
        frames = to_device(pixels.reshape(-1, *pixels.shape[2:]), plates.device, plates.dtype)
        frames = frames.view(*pixels.shape[:2], *frames.shape[1:])  # (B * T, 3, H, W) -> (B, T, 3, H, W)
        plate = _stack_plates(streams, frames) if model.uses_plate else None
        matte, is_degraded = matte_in_halves(model, frames, plate, state)
        if not counted:
            return {}, matte.state
        slots, places = [streams[n].slot for n, _, _ in counted], [steps[n].places[i] for n, i, _ in counted]
        reads = [read for _, _, read in counted]
        visible = _stack_visible(reads, plates)
        alpha = finish_alpha(matte.alpha[slots, places], visible)
        measures = dict(zip(("coverage", "soft_fraction"), measure_alpha(alpha, visible), strict=True))
        if matte.error is not None:
            measures |= _measure_error(matte.error[slots, places], reads, plates, recipe)
        full = to_mask_16(alpha) if recipe.mask_format == "png16" else to_mask(alpha)
        mask, lowres = full.cpu().numpy(), to_lowres(alpha, recipe.lowres_px).cpu().numpy()
        numbers = {name: values.cpu().tolist() for name, values in measures.items()}
        device_s = {"device_s": (time.perf_counter() - started) / len(counted)}
    _check_numbers(numbers["coverage"], recipe)
    mask = mask.astype(np.uint16) if recipe.mask_format == "png16" else mask
    made = {}
    for row, (number, index, read) in enumerate(counted):
        # sums over a batch differ in their last bits with its size
        own = {name: round(values[row], MEASURE_DIGITS) for name, values in numbers.items()}
        kept = read if recipe.write_frames else replace(read, pixels=None)
        made[number, index] = Matted(kept, mask[row], lowres[row], own | device_s, is_degraded)
    return made, matte.state


def _measure_error(
    error: Tensor, reads: Sequence[ReadFrame], plates: Plates, recipe: Recipe
) -> Iterator[tuple[str, Tensor]]:
    """Yield the measures, (n,) each, of the error maps (n, h, w) of pictures."""
    kept = _stack_kept(reads, plates, error.shape[-2:])
    yield from zip(("error_mean", "error_p99"), measure_error(error, kept), strict=True)
    known = dict(recipe.parameters)
    pixels = next((read.pixels for read in reads if read.pixels is not None), None)
    if known.get("refine_mode") == "thresholding":
        yield "starvation", measure_starvation(error, kept, None, float(known["refine_threshold"]))
    elif known.get("refine_mode") == "sampling" and pixels is not None:
        # of a map that is coarser or finer than the cells of 4x4 pixels, as many parts of the picture are refined
        n_map, n_pixels = error.shape[-2] * error.shape[-1], pixels.shape[0] * pixels.shape[1]
        n_refined = int(known["refine_sample_pixels"]) // CELL_PIXELS * CELL_PIXELS * n_map // n_pixels
        yield "starvation", measure_starvation(error, kept, n_refined, 0.0)


def _gather(
    steps: Mapping[int, _Step], streams: Sequence[Stream], recipe: Recipe
) -> tuple[np.ndarray, list[tuple[int, int, ReadFrame]]]:
    """Return the pictures of a batch (B, T, H, W, 3) uint8, black where there is none, and those that count."""
    batch = _batch_shape(recipe)
    shape = next(step.shape for step in steps.values()) or ()
    counted, placed = [], []
    for number, step in steps.items():
        for place, (index, shown) in zip(step.places, enumerate(step.shown), strict=True):
            if shown.read.pixels is None:
                continue
            placed.append(((streams[number].slot, place), shown.read.pixels))
            if shown.counts:
                counted.append((number, index, shown.read))
    if batch == (1, 1) and placed:
        return placed[0][1][None, None], counted  # the picture as it is, not a copy
    pixels = np.zeros((*batch, *shape), dtype=np.uint8)
    for place_in_batch, picture in placed:
        pixels[place_in_batch] = picture
    return pixels, counted


def _batch_shape(recipe: Recipe) -> tuple[int, int]:
    """Return how many streams of how many frames a batch has."""
    numerics = recipe.numerics
    return (numerics.batch, numerics.chunk) if recipe.temporal else (1, numerics.batch)


def _stack_plates(streams: Sequence[Stream], frames: Tensor) -> Tensor:
    """Return the plates (B, 3, H, W) of a batch of streams, zeros where a stream has none."""
    if len(frames) == 1 and streams[0].plate is not None:
        return streams[0].plate
    stacked = torch.zeros_like(frames[:, 0])
    for stream in streams:
        if stream.plate is not None:
            stacked[stream.slot] = stream.plate[0]
    return stacked


def _stack_visible(reads: Sequence[ReadFrame], plates: Plates) -> Tensor | None:
    """Return the visible masks (n, H, W) bool of pictures, or None where none has one."""
    seen = [read.visible for read in reads]
    shape = next((read.pixels.shape[:2] for read in reads if read.pixels is not None), ())
    if all(visible is None for visible in seen):
        return None
    everything = torch.ones(shape, dtype=torch.bool, device=plates.device)
    return torch.stack([everything if one is None else plates.visible_on_device(one) for one in seen])


def _stack_kept(reads: Sequence[ReadFrame], plates: Plates, size: Sequence[int]) -> Tensor | None:
    """Return the visible pixels (n, h, w) bool of error maps of (h, w), or None where all are visible."""
    if all(read.visible is None for read in reads):
        return None
    height, width = size
    everything = torch.ones((height, width), dtype=torch.bool, device=plates.device)
    return torch.stack(
        [everything if read.visible is None else plates.visible_in_map(read.visible, (height, width)) for read in reads]
    )


def _check_numbers(coverage: Sequence[float], recipe: Recipe) -> None:
    if any(math.isnan(share) for share in coverage):
        raise DeviceFault(
            f"the model gave alphas that are no numbers (NaN) at precision {recipe.numerics.precision}: "
            "use --precision fp32, and check the weights"
        )
