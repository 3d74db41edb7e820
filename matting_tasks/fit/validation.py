"""Validation: how good a network is on a held-out stream that is the same whenever it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, overload

import numpy as np
import torch
from torch import nn

from matting_tasks.contact_sheet import SheetRow
from matting_tasks.fit.compose import Batch, Pairs, compose
from matting_tasks.fit.stages import BASE, RECURRENT, Stage
from matting_tasks.fit.stream import Sources, StreamSettings, make_turn
from matting_tasks.metrics import Scores, change_map, error_maps, mean_scores, scores_of, unknown_of_truth
from models.base import MattingModel

SEED = 20_261_121  # of the held-out stream, which no training draws from
STREAM = 3  # raise it with whatever makes other pairs or other scores of them: those of another one do not compare
WARM_UP = 10  # times that a recurrent network sees the first frame before it counts, as in the main job
BAND_SHARE = 1 / 40  # of the shorter side: how far the unknown region reaches beyond soft pixels


@dataclass(frozen=True, slots=True)
class Validated:
    """Hold the mean scores over the whole pictures and over their unknown regions, and how many pictures there are.

    mad_error: the standard error of the MAD of whole pictures, by which other pictures would have another; None of one.
    """

    whole: Scores
    unknown: Scores
    n_pictures: int
    mad_error: float | None = None


class HeldOut(Sequence[Pairs]):
    """Pairs of one example each on the CPU, composed whenever asked for: of a still 7 bytes a pixel are kept."""

    def __init__(self, batches: Sequence[Batch], first: int = 0) -> None:
        """Hold batches of one example each; first: the number of the first, by which its noise is drawn."""
        self.batches, self.first = batches, first

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.batches)

    @overload
    def __getitem__(self, place: int) -> Pairs: ...

    @overload
    def __getitem__(self, place: slice) -> HeldOut: ...

    def __getitem__(self, place: int | slice) -> Pairs | HeldOut:
        """Return the pairs at a place, always the same, or those of a slice without a step."""
        if isinstance(place, slice):
            start, stop, _ = place.indices(len(self))
            return HeldOut(self.batches[start:stop], self.first + start)
        batch = self.batches[place]
        torch.manual_seed(SEED + self.first + place % len(self))
        return compose(batch)


def held_out(sources: Sources, n_examples: int, size_px: int, n_frames: int = 1, strength: float = 1.0) -> HeldOut:
    """Make a held-out stream; for these arguments always the same.

    strength: how far frames and plates are disturbed, times the published ranges. Nobody wears what is behind them, for
    where a frame is its plate there is nothing to be seen. Where the sources have plates, all are over them: a network
    that is fitted to a rig is to be good there.
    """
    settings = StreamSettings(
        SEED,
        1,
        n_frames,
        size_px,
        size_px,
        plate_share=1.0,
        beyond_share=0.0,
        strength=strength,
        camouflage_share=0.0,
    )
    # the first batch of each turn: a person of its own
    return HeldOut([make_turn(settings, sources, number, range(1), 1)[0] for number in range(n_examples)])


def matte_base(network: Any, pairs: Pairs) -> torch.Tensor:
    """Return the alpha (B, 1, 1, H, W) of the base network alone."""
    output: torch.Tensor = network.forward_base(pairs.frame[:, 0], pairs.plate).pha[:, None]
    return output


@torch.no_grad()
def predict(model: MattingModel, pairs: Pairs, device: str, stage: Stage | None = None) -> np.ndarray:
    """Return the alpha (T, H, W) float64 of the one stream of pairs.

    stage: where one is given, of what learns in it alone: the base network, or a recurrent one at the stage's ratio.
    """
    parts, network = Pairs(*(part.to(device) for part in pairs)), cast(Any, model)
    if stage is not None and stage.kind == BASE:
        alpha = matte_base(network, parts)[:, :, 0]
    elif stage is not None and stage.kind == RECURRENT:
        alpha = network(parts.frame, downsample_ratio=stage.downsample_ratio)[1][:, :, 0]
    else:
        plate, state = parts.plate if model.uses_plate else None, None
        for _ in range(WARM_UP if model.temporal else 0):
            state = model.matte(parts.frame[:, :1], plate, state).state
        alpha = model.matte(parts.frame, plate, state).alpha
    predicted: np.ndarray = alpha[0].float().cpu().numpy().astype(np.float64)
    return predicted


def validate(model: MattingModel, held: Sequence[Pairs], device: str = "cpu", stage: Stage | None = None) -> Validated:
    """Score a network, in eval mode, on held-out pairs; see `predict`."""
    if isinstance(model, nn.Module):
        model.eval()
    whole, unknown, mads = [], [], []
    for pairs in held:
        predicted = predict(model, pairs, device, stage)
        rows = _scores(predicted, pairs.alpha[0, :, 0].numpy().astype(np.float64))
        whole += [row[0] for row in rows]
        unknown += [row[1] for row in rows]
        mads.append(mean_scores([row[0] for row in rows]).mad)  # the frames of a clip are not independent
    return Validated(mean_scores(whole), mean_scores(unknown), len(whole), standard_error(mads))


def standard_error(values: Sequence[float | None]) -> float | None:
    """Return the standard error of a mean of independent values, None of fewer than two."""
    known = [value for value in values if value is not None]
    return None if len(known) < 2 else float(np.std(known, ddof=1) / math.sqrt(len(known)))


def picture_rows(
    model: MattingModel, held: Sequence[Pairs], device: str = "cpu", stage: Stage | None = None
) -> list[SheetRow]:
    """Return rows of a contact sheet: the first frame of each stream, its matte, plate and truth; see `predict`."""
    rows = []
    for number, pairs in enumerate(held):
        alpha = predict(model, pairs, device, stage)[0]
        frame, plate = (_bytes(one.permute(1, 2, 0).numpy()) for one in (pairs.frame[0, 0], pairs.plate[0]))
        true = pairs.alpha[0, 0, 0].numpy()
        error = np.abs(alpha - true).mean() * 1e3
        others = (("plate", plate), ("true mask", _bytes(true)))
        rows.append(SheetRow(f"held-out {number}: MAD {error:.1f}", frame, _bytes(alpha), others=others))
    return rows


def stage_size(stage: Stage) -> int:
    """Return the side of the held-out pictures of a stage: the middle of its sizes."""
    return (stage.least_px + stage.most_px) // 2 // 32 * 32


def _scores(predicted: np.ndarray, true: np.ndarray) -> list[tuple[Scores, Scores]]:
    rows = []
    for t in range(len(true)):
        maps = error_maps(predicted[t], true[t])
        change = change_map(predicted[t], predicted[t - 1], true[t], true[t - 1]) if t else None
        region = unknown_of_truth(true[t], max(1, round(min(true.shape[1:]) * BAND_SHARE)))
        rows.append((scores_of(maps, change=change), scores_of(maps, region, change)))
    return rows


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)
