"""Words of a report: values with their units, and why a camera or a frame got its verdict, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from manifests.measures import MEASURES, Limits, Measure
from manifests.qc import CameraVerdict

SCOPES: Mapping[str, str] = {
    "frame": "The matte alone",
    "plate": "Beside its plate",
    "time": "Beside the frames before and after",
    "views": "Beside the other cameras",
    "set": "All frames of a camera",
}
NAMES: Mapping[str, str] = {
    "iou": "IoU",
    "boundary_iou": "boundary IoU",
    "n_components": "components",
    "error_p99": "error, 99th percentile",
    "not_ok": "frames without matte",
}
OF: Mapping[str, str] = {"plate_shift": " of the width"}

_SPACE = "\N{NO-BREAK SPACE}"


def label(name: str) -> str:
    """Return a measure's name as it is read: plate shift."""
    return NAMES.get(name, name.replace("_", " "))


def value_text(name: str, value: float | None) -> str:
    """Return a value with its unit: 2.1 %, 3.4 px, 5; a dash where there is none."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    unit = MEASURES[name].unit if name in MEASURES else ""
    if unit == "share":
        return f"{_number(100 * value)}{_SPACE}%{OF.get(name, '')}"
    return f"{_number(value)}{_SPACE}px" if unit == "px" else _number(value)


def why(name: str, value: float | None, limit: float | None, where: str = "") -> str:
    """Return a sentence such as: plate shift 2.1 % of the width, above the limit of 1 %."""
    if not name:
        return ""
    said = f"{label(name)} {value_text(name, value)}{where}"
    if value is None or limit is None:
        return said
    side = "above" if value > limit else "below"
    return f"{said}, {side} the limit of {value_text(name, limit).removesuffix(OF.get(name, ''))}"


def why_camera(said: CameraVerdict) -> str:
    """Return why a camera is not `pass`: the measure that decided, and in which frame or that it is the median."""
    measure = MEASURES.get(said.measure)
    if measure is None:
        return said.measure
    if measure.scope == "set":
        return why(said.measure, said.value, said.limit)
    if measure.judged_by == "median":
        return f"median {why(said.measure, said.value, said.limit)}"
    where = f" in frame {said.worst_frames[0]}" if said.worst_frames else ""
    return why(said.measure, said.value, said.limit, where)


def explained(limits: Limits) -> list[dict[str, Any]]:
    """Return what each measure means, for the glossary and the charts: name, label, words, unit, scope, limits."""
    return [_explained(measure, limits) for measure in MEASURES.values()]


def limits_of(meta: Mapping[str, Any], default: Limits) -> Limits:
    """Return the limits that a subject was judged by, of its QC's metadata."""
    said = meta.get("limits")
    if not isinstance(said, Mapping):
        return default
    return Limits({name: (pair[0], pair[1]) for name, pair in said.items() if len(pair) == 2})


def _explained(measure: Measure, limits: Limits) -> dict[str, Any]:
    review, fail = limits.of.get(measure.name, (None, None))
    sides = {"high": "above", "low": "below"}
    said = [
        f"{verdict} {sides[measure.bad]} {value_text(measure.name, limit)}"
        for verdict, limit in (("review", review), ("fail", fail))
        if limit is not None and measure.bad is not None
    ]
    return {
        "name": measure.name,
        "label": label(measure.name),
        "words": measure.words,
        "unit": measure.unit,
        "scope": measure.scope,
        "heading": SCOPES[measure.scope],
        "bad": measure.bad,
        "judged": "the median of the frames" if measure.judged_by == "median" else "the worst frame",
        "limits": [review, fail],
        "said": ", ".join(said) or "shown, never judged",
        "source": measure.source,
    }


def _number(value: float) -> str:
    """Return a number with three digits that count, never as a power of ten where it can be read without."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = 2 - math.floor(math.log10(abs(value)))
    if places > 8:
        return f"{value:.1e}"
    rounded = round(value, places)
    return f"{rounded:,.{max(places, 0)}f}".rstrip("0").rstrip(".") if places > 0 else f"{rounded:,.0f}"
