"""Names of models, and how each is built. Importing this never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import UnknownModel, WeightsMissing
from models.packaged import packaged_file
from models.parameters import AUTO, DEFAULTS, ONLY_IN_MODE, REFINE_PARAMETERS, Parameter, checked

if TYPE_CHECKING:
    from models.base import MattingModel

ALIAS = "default"
DEFAULT = "mattingrefine-mobilenetv2@cleanplate"
"""The model that ALIAS stands for: its weights are part of the package."""
MAKER = "@"

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe a model: its parameters, the file name of its weights (None without), and how to build the network.

    `build(parameters)` makes it with random weights, on the default device and in training mode; see `build` below.
    `for_masks(network, dtype)` makes the form of it that computes only alpha, None where it has no such form.
    `cpu_half` says that it is faster in bf16 on CPUs that have it, and as exact as a mask needs. `defaults` are the
    parameters that suit it, where they are not the usual ones.

    A name is an architecture, and behind "@" who made the weights where they are others than the published ones.
    """

    name: str
    uses_plate: bool
    temporal: bool
    parameters: tuple[str, ...]
    weights: str | None
    build: Callable[[Mapping[str, Parameter]], Any]
    for_masks: Callable[[Any, Any], Any] | None = None
    cpu_half: bool = False
    defaults: Mapping[str, Parameter] = field(default_factory=dict, hash=False)

    @property
    def architecture(self) -> str:
        """Return the name of the network alone."""
        return self.name.partition(MAKER)[0]


def names() -> tuple[str, ...]:
    """List the names of all models."""
    return tuple(ENTRIES)


def full_name(name: str) -> str:
    """Return the name that ALIAS stands for, and any other name as it is, known or not."""
    return DEFAULT if name == ALIAS else name


def architectures() -> tuple[str, ...]:
    """List the names of all models but those that are another's network with weights of their own."""
    return tuple(name for name, known in ENTRIES.items() if known.architecture == name)


def usable_now() -> tuple[str, ...]:
    """List what can be named as a model and works without any download, the best first."""
    packaged = ENTRIES[DEFAULT].weights or ""
    return (*((ALIAS,) if packaged_file(packaged) is not None else ()), *names_without_weights())


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
    """Return the parameters that this model reads in this mode, with the model's defaults filled in.

    A parameter of the model that its mode does not read is checked and left out. Raises UnknownModel, and ValueError
    for a parameter that the model does not have or for a value out of range.
    """
    known = entry(name)
    for key in given:
        if key not in known.parameters:
            has = f"it has {', '.join(known.parameters)}" if known.parameters else "it has none"
            raise ValueError(f"model {name} has no parameter {key!r}: {has}")
    usual = {**DEFAULTS, **known.defaults}
    values = {key: checked(key, given.get(key, usual[key])) for key in known.parameters}
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
        raise WeightsMissing.of(name, known.weights, WEIGHTS[name].sources[0], folder, usable_now())
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


def _made_by(maker: str, known: Entry, **defaults: Parameter) -> Entry:
    """Return the entry of a known network with weights that `maker` trained, which are part of the package."""
    # the file has no "@": not every file system, archive and shell leaves it alone
    file_name = f"{known.name}.{maker}.safetensors"
    return replace(known, name=f"{known.name}{MAKER}{maker}", weights=file_name, defaults=defaults)


ENTRIES: dict[str, Entry] = {
    known.name: known
    for known in (
        *(
            _bgmv2(kind, backbone)
            for kind in ("refine", "base")
            for backbone in ("resnet101", "resnet50", "mobilenetv2")
        ),
        *(_rvm(variant) for variant in ("mobilenetv3", "resnet50")),
        # the published 80,000 are for HD, 320,000 for 4K
        _made_by("cleanplate", _bgmv2("refine", "mobilenetv2"), backbone_scale=AUTO, refine_sample_pixels=160_000),
        Entry("plate-difference", True, False, (), None, _plate_difference),
    )
}
