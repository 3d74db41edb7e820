"""Evaluate: mattes against true ones, whatever tree, dataset or video holds them, to metrics by file, clip and mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from flows.sides import listed_by, named_alone, open_side
from manifests.errors import UsageError
from matting_tasks.evaluating import Folders, Rules, Scored, score_pairs
from matting_tasks.metrics import NAMES, Scores, mean_scores, variant
from matting_tasks.pairs import (
    PRED_PREFIXES,
    TRIMAP_FOLDERS,
    TRIMAP_PREFIXES,
    TRUE_PREFIXES,
    Entry,
    Matched,
    match,
)

Progress = Callable[[int, int | None], None]
"""Told how many pairs are done, and of how many, None where a video's length is not known."""


@dataclass(frozen=True, slots=True)
class EvaluateAsk:
    """What is compared, and how: URLs of files, folders or lists; `still` pictures do not follow each other."""

    pred: str
    true: str
    trimap: str | None = None
    rules: Rules = field(default_factory=Rules)
    still: bool = False
    store_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of every pair and what could not be compared; means by region, the one asked for first.

    `lists` are those of the dataset that say what was compared.
    """

    variant: str
    rows: Sequence[Scored]
    means: Mapping[str, Scores]
    clips: Mapping[str, Scores]
    lists: Sequence[str] = ()

    @property
    def faults(self) -> list[Scored]:
        """Return the rows that have no metrics."""
        return [row for row in self.rows if row.fault is not None]

    def to_record(self) -> dict[str, Any]:
        """Return one JSON object; all numbers unrounded, null where there is none."""
        regions = tuple(self.means)
        return {
            "variant": self.variant,
            "files": [file_record(row, regions) for row in self.rows],
            "mean": _flat(self.means, regions),
            "clips": [{"clip": clip, **asdict(scores)} for clip, scores in self.clips.items()],
            "lists": list(self.lists),
        }


def evaluate(ask: EvaluateAsk, progress: Progress) -> Evaluation:
    """Compare mattes with true ones; raises UsageError where there is nothing that could be compared."""
    options = ask.store_options
    pred, true = open_side(ask.pred, PRED_PREFIXES, options), open_side(ask.true, TRUE_PREFIXES, options)
    listed = listed_by(true)
    preds = [one for one in named_alone(pred.entries, true.entries, PRED_PREFIXES) if listed.has(one)]
    trues = [one for one in named_alone(true.entries, pred.entries, TRUE_PREFIXES) if listed.has(one)]
    trimap = None if ask.trimap is None else open_side(ask.trimap, TRIMAP_PREFIXES, options, TRIMAP_FOLDERS)
    matched = match(preds, trues, None if trimap is None else trimap.entries, ask.still)
    if not matched.pictures and not matched.videos:
        raise UsageError(_none_matched(ask, preds, trues))
    if matched.videos and trimap is not None:
        raise UsageError("--trimap is for pictures; for videos use --unknown, which makes the region from the truth.")
    folders = Folders(pred.folder, true.folder, None if trimap is None else trimap.folder)
    faults = dict(matched.faults) | dict.fromkeys(listed.unmatched, "listed, and there is no such true matte")
    rows = _scored(matched, folders, ask.rules, progress)
    rows += [Scored(name, "", "", fault=fault) for name, fault in faults.items()]
    return _evaluation(rows, ask, listed.used)


def file_record(row: Scored, regions: Sequence[str]) -> dict[str, Any]:
    """Return one row as a record: metrics of the first region by their names, of others with the region behind."""
    names = {"file": row.name, "clip": row.clip, "pred": row.pred, "true": row.true}
    return names | _flat(row.scores, regions) | {"note": row.note, "fault": row.fault}


def columns_of(evaluation: Evaluation) -> dict[str, type]:
    """Return the columns of a table of all files, by name."""
    columns: dict[str, type] = dict.fromkeys(("file", "clip", "pred", "true"), str)
    columns |= dict.fromkeys(_flat({}, tuple(evaluation.means)), float)
    return columns | dict.fromkeys(("note", "fault", "variant"), str)


def _scored(matched: Matched, folders: Folders, rules: Rules, progress: Progress) -> list[Scored]:
    total = None if matched.videos else len(matched.pictures)
    rows = []
    for row in score_pairs(matched, folders, rules):
        rows.append(row)
        progress(len(rows), total)
    return rows


def _evaluation(rows: list[Scored], ask: EvaluateAsk, lists: Sequence[str]) -> Evaluation:
    scored = [row for row in rows if row.fault is None]
    has_unknown = ask.trimap is not None or ask.rules.unknown_px is not None
    regions = ("unknown", "known", "whole") if has_unknown else ("whole",)
    means = {region: mean_scores([row.scores[region] for row in scored]) for region in regions}
    clips: dict[str, list[Scores]] = {}
    for row in scored:
        if row.clip is not None:
            clips.setdefault(row.clip, []).append(row.scores[regions[0]])
    where = "whole" if not has_unknown else "trimap"
    if ask.rules.unknown_px is not None:
        side = 2 * ask.rules.unknown_px + 1
        where = f"unknown region made of the truth (above 0.05 dilated, from 0.95 on eroded, square of {side} px)"
    told = variant(where, ask.rules.stretched)
    return Evaluation(told, rows, means, {clip: mean_scores(found) for clip, found in clips.items()}, lists)


def _flat(scores: Mapping[str, Scores], regions: Sequence[str]) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for place, region in enumerate(regions):
        one = scores.get(region, Scores())
        flat |= {name if not place else f"{name}_{region}": getattr(one, name) for name in NAMES}
    return flat


def _none_matched(ask: EvaluateAsk, preds: Sequence[Entry], trues: Sequence[Entry]) -> str:
    def first(entries: Sequence[Entry]) -> str:
        return ", ".join(entry.name or PurePosixPath(entry.path).name for entry in entries[:3])

    return (
        f"No matte of {ask.pred} has the name of a true one of {ask.true}. They are matched by their paths below the "
        f"two folders, without ending: {len(preds)} mattes ({first(preds)}, ...), {len(trues)} true ones "
        f"({first(trues)}, ...)."
    )
