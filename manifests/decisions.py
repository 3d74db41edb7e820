"""Decisions: the append-only log, under an output root, of which frames are to be matted by which recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from manifests.errors import SchemaUnknown, UsageError
from manifests.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from manifests.sharding import FrameTable
    from manifests.storage import Folder

DECISIONS = "_cleanplate/decisions"

Listed = Mapping[str, Sequence[tuple[str, str, int]]]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames: names are exact, `frames` is a Python slice of frame numbers, None means all.

    `listed` (subject -> (sequence, camera, frame) triples) restricts further to single frames.
    """

    subjects: tuple[str, ...] | None = None
    sequences: tuple[str, ...] | None = None
    cameras: tuple[str, ...] | None = None
    frames: str | None = None
    listed: Listed | None = field(default=None, hash=False)

    def has_subject(self, subject: str) -> bool:
        """Tell whether any frame of the subject can be selected."""
        if self.listed is not None and subject not in self.listed:
            return False
        return self.subjects is None or subject in self.subjects

    def rows(self, table: FrameTable) -> np.ndarray:
        """Return a (n,) bool mask over the rows of a subject's frames."""
        import numpy as np  # the command line reads selections and must answer at once

        if not self.has_subject(table.subject):
            return np.zeros(len(table), dtype=bool)
        chosen = np.ones(len(table), dtype=bool)
        for names, column in ((self.sequences, table.sequence), (self.cameras, table.camera)):
            if names is not None:
                chosen &= np.isin(column, names)
        chosen &= slice_mask(self.frames, table.frame)
        if self.listed is not None:
            triples = {(sequence, camera, frame) for sequence, camera, frame in self.listed[table.subject]}
            keys = zip(table.sequence, table.camera, table.frame.tolist(), strict=True)
            chosen &= np.fromiter((key in triples for key in keys), dtype=bool, count=len(table))
        return chosen

    def covers(self, other: Selection) -> bool:
        """Tell whether every frame that `other` can select is selected here (conservative for slices)."""
        if self.listed is not None or (self.frames is not None and self.frames != other.frames):
            return False
        pairs = (
            (self.subjects, other.subjects),
            (self.sequences, other.sequences),
            (self.cameras, other.cameras),
        )
        return all(mine is None or (theirs is not None and set(theirs) <= set(mine)) for mine, theirs in pairs)

    def to_record(self) -> dict[str, Any]:
        """Return what goes into JSON."""
        listed = None if self.listed is None else {subject: list(rows) for subject, rows in self.listed.items()}
        return {
            "subjects": self.subjects,
            "sequences": self.sequences,
            "cameras": self.cameras,
            "frames": self.frames,
            "listed": listed,
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Selection:
        """Build a selection from its parsed JSON."""
        names = {key: _names(record[key]) for key in ("subjects", "sequences", "cameras")}
        listed = record.get("listed")
        if listed is not None:
            listed = {subject: tuple((s, c, int(f)) for s, c, f in rows) for subject, rows in listed.items()}
        return Selection(**names, frames=record["frames"], listed=listed)

    def __str__(self) -> str:
        """Say the selection in the words of the command line."""
        parts = [
            f"{word} {','.join(names)}"
            for word, names in (("subjects", self.subjects), ("sequences", self.sequences), ("cameras", self.cameras))
            if names is not None
        ]
        if self.frames is not None:
            parts.append(f"frames {self.frames}")
        if self.listed is not None:
            parts.append(f"{sum(len(rows) for rows in self.listed.values())} listed frames")
        return ", ".join(parts) or "everything"


@dataclass(frozen=True, slots=True)
class Decision:
    """Frames `selection` are to be matted by `recipe`; the last decision that selects a frame decides.

    `reason` is root | replace | reprocess | retry-failed | flagged.
    """

    number: int
    selection: Selection
    recipe: Recipe
    reason: str


def parse_slice(text: str) -> tuple[int, int | None, int]:
    """Return (start, stop, step) of 'a:b:c' or 'a' (that frame alone); raises UsageError."""
    matched = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::(\d*))?", text.strip())
    if matched is None:
        raise UsageError("a slice of frame numbers is wanted, such as 0:100 or ::3, or one number")
    alone, start, stop, step = matched.groups()
    if alone is not None:
        return int(alone), int(alone) + 1, 1
    if step and int(step) == 0:
        raise UsageError("the step must be 1 or more")
    return int(start or 0), int(stop) if stop else None, int(step or 1)


def slice_mask(text: str | None, frame: np.ndarray) -> np.ndarray:
    """Return a (n,) bool mask of the frame numbers (n,) int that the slice holds."""
    import numpy as np

    if text is None:
        return np.ones(len(frame), dtype=bool)
    start, stop, step = (None if part is None else min(part, 1 << 62) for part in parse_slice(text))
    frame = frame.astype(np.int64)
    chosen: np.ndarray = (frame >= start) & ((frame - start) % step == 0)
    return chosen if stop is None else chosen & (frame < stop)


def standing_recipe(decisions: Sequence[Decision], selection: Selection) -> Recipe:
    """Return the recipe that a run over `selection` must have: of the last root or replace decision covering it.

    Decisions to reprocess or retry single frames are exceptions from it and do not change it.
    """
    general = (d for d in reversed(decisions) if d.reason in ("root", "replace") and d.selection.covers(selection))
    return next(general).recipe


def read_decisions(out: Folder, root: Decision) -> tuple[Decision, ...]:
    """Return all decisions of an output root in order, decision 0 (from root.json) first."""
    numbered = [root]
    for stat in out.list(DECISIONS):
        name = stat.path.rsplit("/", 1)[-1]
        if re.fullmatch(r"\d+\.json", name):
            numbered.append(_parse(int(name[:-5]), out.read(stat.path)))
    return tuple(sorted(numbered, key=lambda decision: decision.number))


def append_decision(
    out: Folder, decisions: Sequence[Decision], selection: Selection, recipe: Recipe, reason: str
) -> Decision:
    """Write the next decision and return it; a number that another run took meanwhile is passed over."""
    number = decisions[-1].number + 1
    record = {"selection": selection.to_record(), "recipe": json.loads(recipe.to_json()), "reason": reason}
    data = json.dumps(record, indent=1, sort_keys=True).encode()
    while not out.put_if_absent(f"{DECISIONS}/{number}.json", data):
        if out.read(f"{DECISIONS}/{number}.json") == data:
            break  # another run has decided the very same meanwhile
        number += 1
    return Decision(number, selection, recipe, reason)


def _names(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _parse(number: int, data: bytes) -> Decision:
    try:
        record = json.loads(data)
        selection, recipe = Selection.from_record(record["selection"]), Recipe.from_record(record["recipe"])
        return Decision(number, selection, recipe, record["reason"])
    except SchemaUnknown as err:
        raise SchemaUnknown(f"{DECISIONS}/{number}.json: {err}") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise SchemaUnknown(
            f"{DECISIONS}/{number}.json is not a decision that this version can read: {err!r}."
        ) from err
