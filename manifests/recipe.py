"""Recipe: everything that decides the bytes of a mask except the pixels that go in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from manifests.errors import SchemaUnknown
from manifests.records import Plate

ALGORITHM_REVISION = 2
"""Bumped by hand whenever a change of the code changes the bytes of a mask."""

LATE = {"write_frames": False, "fallback": None, "pack": False}
"""Fields that came after the first recipes were written: at these values they change no recipe_id."""

FALLBACK = "fallback"
"""`missing_plate` of a recipe that is another's fallback."""

Parameters = tuple[tuple[str, int | float | str], ...]


@dataclass(frozen=True, slots=True)
class Numerics:
    """What decides the last bit: bytes are promised equal under equal numerics.

    device_class: cpu | cuda:<name of the GPU>; precision: fp32 | bf16 | fp16; batch: frames a step;
    chunk: consecutive frames of a stream a step (temporal models); decoder: the library that decodes and encodes
    JPEGs, opencv | simplejpeg.
    """

    device_class: str
    precision: str
    batch: int
    intra_op_threads: int
    chunk: int = 1
    compiled: bool = False
    decoder: str = "opencv"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How masks are made; two roots with one `recipe_id` hold the same bytes for the same pixels.

    `parameters` are only those that this model in this mode reads, sorted by name. `missing_plate` is error | zeros |
    model: cameras without a plate are then matted by `fallback`. `warmup`: how often a stream's first frame is shown
    to a temporal model before it counts; `split`: frames a shard of a stream, `lead_in`: frames that it starts early.
    `pack`: masks lie in one tar a shard (manifests/packs.py), and in the places of `output_layout` once unpacked.
    """

    model: str
    uses_plate: bool
    temporal: bool
    weights_sha256: str | None
    parameters: Parameters
    missing_plate: str
    numerics: Numerics
    visible: bool = True
    geometry: str = "native"
    output_layout: str = "gha"
    mask_format: str = "jpg"
    mask_quality: int = 95
    lowres_px: int = 256
    lowres_filter: str = "area"
    warmup: int = 0
    split: int | None = None
    lead_in: int = 0
    algorithm_revision: int = ALGORITHM_REVISION
    write_frames: bool = False
    fallback: Recipe | None = None
    pack: bool = False

    @property
    def recipe_id(self) -> str:
        """Return the first 16 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no blanks; a late field is left out while it is at its default."""
        return json.dumps(_record(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def of_plate(self, plate: Plate) -> Recipe:
        """Return the recipe for a camera with this plate: the fallback where there is none to use."""
        return self if self.fallback is None or plate.status == "ok" else self.fallback

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Recipe:
        """Build a recipe from its parsed JSON; raises SchemaUnknown for fields that this version does not know."""
        known = {field.name for field in fields(Recipe)}
        unknown = sorted(set(record) - known)
        if unknown:
            raise SchemaUnknown(
                f"A recipe with the unknown fields {', '.join(unknown)}: "
                "it was written by a newer cleanplate; update cleanplate on this machine."
            )
        unknown = sorted(set(record["numerics"]) - {field.name for field in fields(Numerics)})
        if unknown:
            raise SchemaUnknown(f"A recipe with the unknown numerics {', '.join(unknown)}: update cleanplate.")
        values = dict(record)
        values["numerics"] = Numerics(**record["numerics"])
        values["parameters"] = tuple(sorted(record["parameters"].items()))
        if record.get("fallback") is not None:
            values["fallback"] = Recipe.from_record(record["fallback"])
        return Recipe(**values)

    def differences(self, other: Recipe) -> list[str]:
        """Name each knob on which `other` differs: 'refine_threshold: 0.7 here, 0.5 asked for'."""
        both = self.fallback is not None and other.fallback is not None
        mine, theirs = _flat(self, both), _flat(other, both)
        keys = [key for key in {**mine, **theirs} if _said(mine.get(key)) != _said(theirs.get(key))]
        return [f"{key[1]}: {_said(mine.get(key))} here, {_said(theirs.get(key))} asked for" for key in keys]


def _record(recipe: Recipe) -> dict[str, Any]:
    record: dict[str, Any] = asdict(recipe) | {"parameters": dict(recipe.parameters)}
    if recipe.fallback is not None:
        record["fallback"] = _record(recipe.fallback)
    return {name: value for name, value in record.items() if name not in LATE or value != LATE[name]}


def _flat(recipe: Recipe, with_fallback: bool) -> dict[tuple[str, str], Any]:
    """Return every knob by (group, name); a fallback is one knob, its model, unless its own knobs are wanted."""
    record: dict[str, Any] = asdict(recipe)
    groups = {"numerics": record.pop("numerics"), "parameters": dict(record.pop("parameters")), "recipe": record}
    flat = {(group, name): value for group, values in groups.items() for name, value in values.items()}
    del flat["recipe", "fallback"]
    if recipe.fallback is not None:
        flat["recipe", "missing_plate"] = recipe.fallback.model
        own = _flat(recipe.fallback, False) if with_fallback else {}
        flat |= {(f"fallback {group}", f"{name} of the fallback"): value for (group, name), value in own.items()}
    return flat


def _said(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) < 40 else text[:12] + "..."
