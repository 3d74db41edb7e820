"""Names of models, and how each is built. Importing this never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UnknownModel, WeightsMissing

if TYPE_CHECKING:
    from models.base import MattingModel

Parameter = int | float | str

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DEFAULTS: dict[str, Parameter] = {
    "backbone_scale": 0.25,
    "refine_mode": "sampling",
    "refine_sample_pixels": 80_000,
    "refine_threshold": 0.7,
    "refine_kernel_size": 3,
    "downsample_ratio": "auto",
}
REFINE_PARAMETERS = (
    "backbone_scale",
    "refine_mode",
    "refine_sample_pixels",
    "refine_threshold",
    "refine_kernel_size",
)
# a parameter that only one refine mode reads
ONLY_IN_MODE = {"refine_sample_pixels": "sampling", "refine_threshold": "thresholding"}


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe a model: its parameters, the file name of its weights (None without), and how to build the network.

    `build(parameters)` makes it with random weights, on the default device and in training mode; see `build` below.
    `for_masks(network, dtype)` makes the form of it that computes only alpha, None where it has no such form.
    `cpu_half` says that it is faster in bf16 on CPUs that have it, and as exact as a mask needs.
    """

    name: str
    uses_plate: bool
    temporal: bool
    parameters: tuple[str, ...]
    weights: str | None
    build: Callable[[Mapping[str, Parameter]], Any]
    for_masks: Callable[[Any, Any], Any] | None = None
    cpu_half: bool = False


def names() -> tuple[str, ...]:
    """List the names of all models."""
    return tuple(ENTRIES)


def names_without_weights() -> tuple[str, ...]:
    """List the names of the models that can be used without any file."""
    return tuple(name for name, known in ENTRIES.items() if known.weights is None)


def names_without_plate() -> tuple[str, ...]:
    """List the names of the models that use no plate."""
    return tuple(name for name, known in ENTRIES.items() if not known.uses_plate)


def entry(name: str) -> Entry:
    """Return the entry of a model. Raises UnknownModel."""
    if name not in ENTRIES:
        raise UnknownModel.named(name, names())
    return ENTRIES[name]


def parameters_read(name: str, given: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return the parameters that this model reads in this mode, with defaults filled in.

    A parameter of the model that its mode does not read is checked and left out. Raises UnknownModel, and ValueError
    for a parameter that the model does not have or for a value out of range.
    """
    known = entry(name)
    for key in given:
        if key not in known.parameters:
            has = f"it has {', '.join(known.parameters)}" if known.parameters else "it has none"
            raise ValueError(f"model {name} has no parameter {key!r}: {has}")
    values = {key: _checked(key, given.get(key, DEFAULTS[key])) for key in known.parameters}
    mode = values.get("refine_mode")
    return {key: value for key, value in values.items() if ONLY_IN_MODE.get(key, mode) == mode}


def build(
    name: str,
    parameters: Mapping[str, Parameter],
    weights: Path | None,
    device: str,
    precision: str,
    only_alpha: bool = False,
) -> MattingModel:
    """Build a model for matting: in eval mode, without gradients, with strictly loaded weights.

    weights: the file, None for a model without. device: as torch names it. precision: fp32, bf16 or fp16, the dtype
    of frames, plates and weights. only_alpha: in the form for masks, where the model has one. Raises UnknownModel,
    ValueError, WeightsMissing, WeightsUnreadable, WeightsMismatch.
    """
    known = entry(name)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {precision!r}")
    arguments = parameters_read(name, parameters)
    if known.weights is None:
        model: MattingModel = known.build(arguments)
        return model

    import torch

    from models.checkpoints import load_state_dict, load_strict
    from models.weights import WEIGHTS

    if weights is None or not weights.is_file():
        folder = weights.parent if weights else "the weights folder"
        raise WeightsMissing.of(name, known.weights, WEIGHTS[name].sources[0], folder, names_without_weights())
    with torch.device("meta"):
        network = known.build(arguments)
    load_strict(network, load_state_dict(weights), name, weights)
    network = network.to(device=device).eval().requires_grad_(False)
    dtype = getattr(torch, PRECISIONS[precision])
    if only_alpha and known.for_masks is not None:
        return known.for_masks(network, dtype)  # type: ignore[no-any-return]
    loaded: MattingModel = network.to(dtype)
    return loaded


def build_for_masks(
    name: str, parameters: Mapping[str, Parameter], weights: Path | None, device: str, precision: str
) -> MattingModel:
    """Build a model as `build` does, in the form that computes only alpha where there is one."""
    return build(name, parameters, weights, device, precision, only_alpha=True)


def _checked(key: str, value: Parameter) -> Parameter:
    """Return the value in the parameter's own type, or raise ValueError."""
    allowed = {
        "backbone_scale": lambda: 0 < float(value) <= 0.5,
        "refine_mode": lambda: value in ("full", "sampling", "thresholding"),
        "refine_sample_pixels": lambda: int(value) == float(value) and int(value) >= 0,
        "refine_threshold": lambda: 0 <= float(value) <= 1,
        "refine_kernel_size": lambda: float(value) in (1, 3),
        "downsample_ratio": lambda: value == "auto" if isinstance(value, str) else 0 < value <= 1,
    }
    ranges = {
        "backbone_scale": "above 0 and at most 0.5",
        "refine_mode": "full, sampling or thresholding",
        "refine_sample_pixels": "a whole number of pixels, 0 or more",
        "refine_threshold": "in 0..1",
        "refine_kernel_size": "1 or 3",
        "downsample_ratio": '"auto", or above 0 and at most 1',
    }
    kind = type(DEFAULTS[key])
    if key == "downsample_ratio" and not isinstance(value, str):
        kind = float
    if isinstance(value, bool) or isinstance(value, str) != (kind is str) or not allowed[key]():
        raise ValueError(f"{key} must be {ranges[key]}, found {value!r}")
    return kind(value)


def _matting_refine(backbone: str, parameters: Mapping[str, Any]) -> MattingModel:
    from models.bgmv2 import MattingRefine

    return MattingRefine(backbone, **parameters)


def _matting_base(backbone: str, parameters: Mapping[str, Any]) -> MattingModel:
    from models.bgmv2 import MattingBase

    return MattingBase(backbone, **parameters)


def _matting_network(variant: str, parameters: Mapping[str, Any]) -> MattingModel:
    from models.rvm import MattingNetwork

    return MattingNetwork(variant, "deep_guided_filter", **parameters)


def _alpha_only(network: Any, dtype: Any) -> MattingModel:
    from models.bgmv2_alpha import alpha_only

    return alpha_only(network, dtype)


def _plate_difference(parameters: Mapping[str, Any]) -> MattingModel:
    from models.plate_difference import PlateDifference

    return PlateDifference(**parameters)


def _bgmv2(kind: str, backbone: str) -> Entry:
    builder, parameters = (_matting_refine, REFINE_PARAMETERS) if kind == "refine" else (_matting_base, ())
    file_name = f"pytorch_{backbone}.pth"
    build_one = partial(builder, backbone)
    return Entry(f"matting{kind}-{backbone}", True, False, parameters, file_name, build_one, _alpha_only, True)


def _rvm(variant: str) -> Entry:
    file_name = f"rvm_{variant}.pth"
    return Entry(f"rvm-{variant}", False, True, ("downsample_ratio",), file_name, partial(_matting_network, variant))


ENTRIES: dict[str, Entry] = {
    known.name: known
    for known in (
        *(
            _bgmv2(kind, backbone)
            for kind in ("refine", "base")
            for backbone in ("resnet101", "resnet50", "mobilenetv2")
        ),
        *(_rvm(variant) for variant in ("mobilenetv3", "resnet50")),
        Entry("plate-difference", True, False, (), None, _plate_difference),
    )
}
