"""Measures: what each number about a matte means, which of its values are bad, and where the limits come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from manifests.errors import UsageError

Scope = Literal["frame", "plate", "time", "views", "set"]
"""Of one matte alone; of a frame beside its plate; beside the frames before and after; beside the other cameras of the
instant; of all frames of a camera together."""

Verdict = Literal["pass", "review", "fail"]
VERDICTS: tuple[Verdict, ...] = ("pass", "review", "fail")


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a frame (or of a camera, for scope `set`).

    `bad`: high values are bad, or low ones; None for a number that is shown and never judged. `judged_by`: which value
    of a camera's frames decides its verdict: median for what is so in all frames, max (the worst frame) for what may
    happen in one. `review` and `fail` are the limits that a value must pass to be bad; None: never.
    """

    name: str
    scope: Scope
    words: str
    unit: str
    bad: Literal["high", "low"] | None = None
    judged_by: Literal["median", "max"] = "max"
    review: float | None = None
    fail: float | None = None
    source: str = ""


_TOLD = (
    # name, scope, words, unit
    Measure("coverage", "frame", "matte's share of the visible pixels", "share"),
    Measure("soft_fraction", "frame", "pixels with alpha between 0.05 and 0.95", "share"),
    Measure("edge_width", "frame", "soft pixels over the length of the outline", "px"),
    Measure("n_components", "frame", "separate parts of the matte", "count"),
    Measure("largest_component", "frame", "share of the matte in its largest part", "share"),
    Measure("holes", "frame", "largest enclosed hole, over the matte's area", "share"),
    Measure("border_top", "frame", "share of the upper border that the matte touches", "share"),
    Measure("border_bottom", "frame", "share of the lower border that the matte touches", "share"),
    Measure("border_left", "frame", "share of the left border that the matte touches", "share"),
    Measure("border_right", "frame", "share of the right border that the matte touches", "share"),
    Measure("error_mean", "frame", "mean of the model's own error map", "0..1"),
    Measure("error_p99", "frame", "99th percentile of the model's own error map", "0..1"),
    Measure("starvation", "frame", "pixels with an error above 0.1 that were not refined", "share"),
    Measure("plate_gain", "plate", "how far the frame is brighter or darker than its plate, worst channel", "share"),
    Measure("plate_shift", "plate", "shift between frame and plate over the width", "share"),
    Measure("plate_residual", "plate", "difference to the plate outside the matte over the noise", "ratio"),
    Measure("plate_shadow", "plate", "pixels outside the matte that are darker than the plate", "share"),
    Measure("area_jump", "time", "change of area to the frame before, less the other cameras', robust z", "z"),
    Measure("iou", "time", "overlap with the previous matte over that of the other cameras", "share"),
    Measure(
        "boundary_iou", "time", "overlap of the outlines with the previous over that of the other cameras", "share"
    ),
    Measure("flicker", "time", "change of alpha where the picture did not change, over the matte", "share"),
    Measure(
        "second_difference", "time", "what neither neighbour has, or both have and it lacks, over the matte", "share"
    ),
    Measure("seam", "time", "change at a shard's border over the usual change nearby", "ratio"),
    Measure("area_ratio", "views", "area over the other cameras' median, against its own history", "ratio"),
    Measure("outside_hull", "views", "share of the matte outside the visual hull of the other cameras", "share"),
    Measure("hull_cut", "views", "share of the other cameras' mattes that only this one calls empty", "share"),
    Measure(
        "inside_hull",
        "views",
        "share of the hull's silhouette that the matte lacks, beyond what it usually lacks",
        "share",
    ),
    Measure("not_ok", "set", "frames without a mask, over all frames", "share"),
    Measure("frame_set", "set", "frames that other cameras have and this one lacks", "count"),
    Measure("duplicates", "set", "frames that are the same picture as the one before", "count"),
)

_HEAD = "a head touches the bottom only"
_TRIED = "synthetic captures, docs/qc.md"
_TRAINED = "what BackgroundMattingV2 was trained to bear, arXiv 2012.07810"
_EACH = "chosen: every one is told"

_JUDGED: Mapping[str, tuple[Literal["high", "low"], Literal["median", "max"], float | None, float | None, str]] = {
    # bad, judged by, review, fail, source
    "coverage": ("low", "median", 0.02, 0.002, "chosen: an empty matte"),
    "largest_component": ("low", "max", 0.99, 0.9, _TRIED),
    "holes": ("high", "max", 0.008, 0.03, _TRIED),
    "border_top": ("high", "max", 0.25, 0.6, _HEAD),
    "border_left": ("high", "max", 0.5, 0.9, _HEAD),
    "border_right": ("high", "max", 0.5, 0.9, _HEAD),
    "plate_gain": ("high", "median", 0.09, 0.18, _TRAINED),
    "plate_shift": ("high", "median", 0.003, 0.01, _TRAINED),
    "area_jump": ("high", "max", 6.0, 12.0, f"usual for a robust z; {_TRIED}"),
    "iou": ("low", "max", 0.8, 0.6, _TRIED),
    "boundary_iou": ("low", "max", None, None, "arXiv 2103.16562; not judged: fast motion looks like a fault"),
    "flicker": ("high", "max", 0.02, 0.06, _TRIED),
    "second_difference": ("high", "max", 0.06, 0.15, _TRIED),
    "seam": ("high", "median", 1.5, None, "chosen: half as much again"),
    "area_ratio": ("high", "max", 1.25, 1.6, _TRIED),
    "outside_hull": ("high", "max", 0.005, 0.02, _TRIED),
    "hull_cut": ("high", "max", 0.002, 0.02, _TRIED),
    "inside_hull": ("high", "max", 0.1, 0.25, _TRIED),
    "not_ok": ("high", "max", 0.0, 0.05, _EACH),
    "frame_set": ("high", "max", 0.0, None, _EACH),
    "duplicates": ("high", "max", 0.0, None, _EACH),
}

_ALL = tuple(
    replace(told, bad=bad, judged_by=by, review=review, fail=fail, source=source)
    for told in _TOLD
    for bad, by, review, fail, source in [
        _JUDGED.get(told.name, (told.bad, told.judged_by, told.review, told.fail, told.source))
    ]
)

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}
FRAME_MEASURES = tuple(measure.name for measure in _ALL if measure.scope != "set")
"""Those that each frame has, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that stand: name -> (review, fail), for measures that are judged."""

    of: Mapping[str, tuple[float | None, float | None]]

    def to_record(self) -> dict[str, list[float | None]]:
        """Return what goes into JSON."""
        return {name: list(pair) for name, pair in sorted(self.of.items())}


def default_limits() -> Limits:
    """Return the limits of the table."""
    return Limits({m.name: (m.review, m.fail) for m in _ALL if m.bad is not None})


def change_limits(limits: Limits, changed: Mapping[str, Any]) -> Limits:
    """Return limits with some changed, as a TOML file says them: {measure: {review: number, fail: number}}.

    A limit of `false` is never passed. Raises UsageError for a measure or word that there is not, or no number.
    """
    new = dict(limits.of)
    for name, said in changed.items():
        if name not in new:
            known = ", ".join(sorted(new))
            raise UsageError(f"limits: there is no measure {name!r} that is judged; there are {known}.")
        if not isinstance(said, Mapping) or not set(said) <= {"review", "fail"}:
            raise UsageError(f"limits: [{name}] may have review and fail; found {said!r}.")
        review, fail = new[name]
        new[name] = _number(name, said.get("review", review)), _number(name, said.get("fail", fail))
    return Limits(new)


def verdict_of(name: str, value: float, limits: Limits) -> Verdict:
    """Judge one value of a measure; a value that is not known (NaN) passes."""
    measure = MEASURES[name]
    review, fail = limits.of.get(name, (None, None))
    for verdict, limit in (("fail", fail), ("review", review)):
        if limit is not None and (value > limit if measure.bad == "high" else value < limit):
            return verdict  # type: ignore[return-value]
    return "pass"


def _number(name: str, value: Any) -> float | None:
    if value is None or value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"limits: {name} wants a number, or false for no limit; found {value!r}.")
    return float(value)
