"""Recipes: settings, the machine, the capture and what the output root pins -> the recipe of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from flows.resolve import CPU_THREADS, Machine
from flows.settings import MatteSettings
from manifests.errors import UsageError
from manifests.layouts import gha
from manifests.layouts.outputs import BESIDE, GHA, VHAP, check_output_layout
from manifests.recipe import FALLBACK, Numerics, Recipe
from models.errors import UnknownModel
from models.registry import Entry, entry, names_without_plate, parameters_read

GPU_BATCH = 4
GPU_THREADS = 1
GPU_CHUNK, CPU_CHUNK = 4, 4

OVERRIDES = {
    "device": "device_class",
    "precision": "precision",
    "batch_size": "batch",
    "chunk": "chunk",
}
"""Settings that change one field of the numerics when frames are reprocessed."""
FIELDS = {
    "output_layout": ("output_layout",),
    "format": ("mask_format",),
    "quality": ("mask_quality",),
    "pack": ("pack",),
    "missing_plate": ("missing_plate", "fallback"),
}
"""Settings that change fields of the recipe then."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a manifest says of its capture: its layout (a name or a pattern), and who numbers the frames."""

    layout: str = gha.NAME
    numbering: str = "source"


def resolve_recipe(
    settings: MatteSettings,
    pinned: Recipe | None,
    machine: Machine,
    weights_sha256: str | None,
    source: Source | None = None,
) -> Recipe:
    """Return the recipe that the settings ask for, every `auto` taken from the pinned recipe where there is one.

    The weights of the fallback are those of the pinned recipe, or unknown (None). Raises UsageError.
    """
    try:
        known = entry(settings.model)
        parameters = parameters_read(settings.model, _known_parameters(settings, known.parameters))
    except (UnknownModel, ValueError) as err:
        raise UsageError(f"--model {settings.model}: {err}") from err
    source = source or Source()
    own = Recipe(
        model=settings.model,
        uses_plate=known.uses_plate,
        temporal=known.temporal,
        weights_sha256=weights_sha256,
        parameters=tuple(sorted(parameters.items())),
        missing_plate="error",
        numerics=_numerics(settings, pinned, machine, known),
        warmup=settings.warmup if known.temporal else 0,
        split=settings.split if known.temporal else None,
        lead_in=settings.lead_in if known.temporal and settings.split else 0,
        **_written(settings, pinned, source),
    )
    return _with_missing_plate(own, settings, pinned, machine) if known.uses_plate else own


def override_recipe(base: Recipe, settings: MatteSettings, resolved: Recipe) -> Recipe:
    """Return `base` with only those fields of `resolved` that were said in the settings."""
    said = settings.model_fields_set
    if "model" in said and resolved.model != base.model:
        return _written_as(base, settings, resolved)
    try:
        given = _known_parameters(settings, entry(base.model).parameters)
        parameters = parameters_read(base.model, dict(base.parameters) | given)
    except (UnknownModel, ValueError) as err:
        raise UsageError(f"These frames were made by {base.model}: {err}. Name another one with --model.") from err
    numerics = {name: getattr(resolved.numerics, name) for setting, name in OVERRIDES.items() if setting in said}
    fields = {name: getattr(resolved, name) for setting, names in FIELDS.items() if setting in said for name in names}
    changed = replace(
        base,
        parameters=tuple(sorted(parameters.items())),
        weights_sha256=resolved.weights_sha256 if "weights" in said else base.weights_sha256,
        numerics=replace(base.numerics, **numerics),
        **fields | _memory(base, settings),
    )
    if base.fallback is None or "missing_plate" in said:
        return changed
    return replace(changed, fallback=_override_fallback(base.fallback, settings, changed))


def _written_as(base: Recipe, settings: MatteSettings, resolved: Recipe) -> Recipe:
    """Return a recipe of another model that writes what `base` wrote, as it did, but for what was said."""
    said = settings.model_fields_set
    quality = resolved.mask_quality if "quality" in said else base.mask_quality
    changed = replace(resolved, write_frames=base.write_frames, mask_quality=quality)
    if base.fallback is None or "missing_plate" in said or not resolved.uses_plate:
        return changed
    fallback = _override_fallback(base.fallback, settings, changed)
    return replace(changed, missing_plate=base.missing_plate, fallback=fallback)


def _override_fallback(base: Recipe, settings: MatteSettings, main: Recipe) -> Recipe:
    """Return a fallback with what was said of its steps and memory; its masks are written as the main recipe's."""
    said = settings.model_fields_set
    numerics = {name: getattr(main.numerics, name) for setting, name in OVERRIDES.items() if setting in said}
    if base.temporal:
        numerics["chunk"] = settings.chunk or base.numerics.chunk
    return replace(
        base,
        numerics=replace(base.numerics, **numerics),
        output_layout=main.output_layout,
        mask_format=main.mask_format,
        mask_quality=main.mask_quality,
        pack=main.pack,
        **_memory(base, settings),
    )


def _memory(base: Recipe, settings: MatteSettings) -> dict[str, Any]:
    """Return the fields of a temporal recipe that say what its model has seen before, where they were said."""
    said = settings.model_fields_set & {"warmup", "split", "lead_in"} if base.temporal else set()
    fields = {name: getattr(settings, name) for name in said}
    if not fields.get("split", base.split):
        fields["lead_in"] = 0
    elif base.split is None:
        fields["lead_in"] = settings.lead_in
    return fields


def _numerics(settings: MatteSettings, pinned: Recipe | None, machine: Machine, known: Entry) -> Numerics:
    last = None if pinned is None or pinned.temporal != known.temporal else pinned.numerics
    if last is not None and settings.device != "auto" and last.device_class != machine.device_class:
        last = None  # what was pinned for another kind of device says nothing here
    on_gpu = machine.device_class != "cpu"
    # what is exact enough for one model says nothing of another
    same = last is not None and pinned is not None and pinned.model == known.name
    precision = last.precision if last and same else _best_precision(settings, machine, known)
    chunk = settings.chunk or (last.chunk if last else GPU_CHUNK if on_gpu else CPU_CHUNK)
    return Numerics(
        device_class=last.device_class if last and settings.device == "auto" else machine.device_class,
        precision=precision if settings.precision == "auto" else settings.precision,
        batch=settings.batch_size or (last.batch if last else GPU_BATCH if on_gpu else 1),
        intra_op_threads=last.intra_op_threads if last else GPU_THREADS if on_gpu else CPU_THREADS,
        chunk=chunk if known.temporal else 1,
        decoder=last.decoder if last else "simplejpeg" if find_spec("simplejpeg") else "opencv",
    )


def _best_precision(settings: MatteSettings, machine: Machine, known: Entry) -> str:
    """Return bf16 where it is known to be faster and as exact as a mask needs (docs/benchmarks.md), else fp32.

    Refine mode `full` has no form for masks: its last layers would be in bf16 too, which has too few levels for alpha.
    """
    on_cpu = machine.has_bf16 and machine.device_class == "cpu"
    return "bf16" if on_cpu and known.cpu_half and settings.refine_mode != "full" else "fp32"


def _written(settings: MatteSettings, pinned: Recipe | None, source: Source) -> dict[str, Any]:
    """Return the fields of a recipe that say what is written and where; raises UsageError."""
    geometry = settings.geometry or (pinned.geometry if pinned else "gha" if source.numbering == "gha" else "native")
    if (geometry == "gha") != (source.numbering == "gha"):
        raise UsageError(
            f"--geometry {geometry}: the manifest numbers its frames for another geometry. Leave out --no-enumerate, "
            "or name another --out."
        )
    natural = GHA if gha.NAME in (source.layout, geometry) else BESIDE
    layout = settings.output_layout or (pinned.output_layout if pinned else natural)
    mask_format = settings.format or (pinned.mask_format if pinned else _format_for(layout))
    check_output_layout(layout, mask_format)
    if settings.write_frames and (layout != GHA or source.layout == gha.NAME):
        raise UsageError(
            "--write-frames makes a dataset in the gha layout from a capture that is in another one: it needs "
            "--output-layout gha and a raw capture. Leave it out, or add --geometry gha."
        )
    return {
        "geometry": geometry,
        "output_layout": layout,
        "mask_format": mask_format,
        "mask_quality": settings.quality,
        "write_frames": settings.write_frames,
        "pack": settings.pack if settings.pack is not None else pinned is not None and pinned.pack,
    }


def _format_for(layout: str) -> str:
    return "png" if layout == VHAP or layout.lower().endswith(".png") else "jpg"


def _with_missing_plate(own: Recipe, settings: MatteSettings, pinned: Recipe | None, machine: Machine) -> Recipe:
    """Return a recipe with what is done for a camera without a plate: a rule, or another model; raises UsageError."""
    asked = settings.missing_plate
    if asked in ("error", "zeros"):
        return replace(own, missing_plate=asked)
    if asked not in names_without_plate():
        raise UsageError(
            f"--missing-plate {asked}: error, zeros or a model that needs no plate is wanted, one of "
            f"{', '.join(names_without_plate())}."
        )
    last = None if pinned is None else pinned.fallback
    trusted = last.weights_sha256 if last is not None and last.model == asked else None
    known = entry(asked)
    given = {name: value for name, value in settings.given_parameters.items() if name in known.parameters}
    fallback = replace(
        own,
        model=asked,
        uses_plate=False,
        temporal=known.temporal,
        weights_sha256=trusted,
        parameters=tuple(sorted(parameters_read(asked, given).items())),
        missing_plate=FALLBACK,
        numerics=_numerics(settings, last, machine, known),
        warmup=settings.warmup if known.temporal else 0,
        split=settings.split if known.temporal else None,
        lead_in=settings.lead_in if known.temporal and settings.split else 0,
    )
    return replace(own, missing_plate="model", fallback=fallback)


def _known_parameters(settings: MatteSettings, known: tuple[str, ...]) -> dict[str, int | float | str]:
    """Drop what a form says by itself, a parameter left at its default, and what only the fallback reads."""
    defaults = {name: field.default for name, field in MatteSettings.model_fields.items()}
    fallback = entry(settings.missing_plate).parameters if settings.missing_plate in names_without_plate() else ()
    given = settings.given_parameters.items()
    return {name: value for name, value in given if name in known or (value != defaults[name] and name not in fallback)}
