"""Flagging frames for another matting: which they are, a decision for them, and their numbers kept from before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile

from flows.books import Books
from flows.fresh import judge_stale
from flows.reprocess_settings import ReprocessSettings
from flows.watch import Watcher
from manifests.decisions import Decision, Selection, read_decisions
from manifests.errors import UsageError
from manifests.flagged import FlaggedFrames, find_flagged, read_asked, take_listed, write_before
from manifests.manifest import listed_subjects
from manifests.plan import read_plans
from manifests.root import Root
from manifests.runs import read_runs
from manifests.storage import Folder

REASON = "flagged"


def unfinished(out: Folder, root: Root, settings: ReprocessSettings) -> list[Decision]:
    """Return the last decisions that this very command has made, where they are not carried out.

    They are when a run has finished since, and none of their frames is pending.
    """
    decisions, asked = read_decisions(out, root.decision), _plain(settings)
    mine = takewhile(lambda one: one.reason == REASON and read_asked(out, one.number) == asked, reversed(decisions))
    ended = [run.get("decision", -1) for run in read_runs(out) if run["state"] == "finished"]

    def is_due(one: Decision) -> bool:
        if not any(number >= one.number for number in ended):
            return True
        plans = read_plans(out, list(one.selection.listed or ()), decisions, one.selection, root.grid)
        return any(plan.pending for plan in plans)

    return [one for one in mine if is_due(one)][::-1]


def selection_of(decisions: Sequence[Decision], found: Sequence[FlaggedFrames]) -> Selection:
    """Return the frames of decisions that list them, and those that were flagged, as one selection."""
    listed: dict[str, list[tuple[str, str, int]]] = {one.frames.subject: one.triples() for one in found}
    for decision in decisions:
        for subject, rows in (decision.selection.listed or {}).items():
            listed.setdefault(subject, []).extend(rows)
    return Selection(listed=listed)


def flag(out: Folder, settings: ReprocessSettings, watcher: Watcher, may_judge: bool = True) -> list[FlaggedFrames]:
    """Return the selected frames that QC flags, after judging what is not judged yet; raises UsageError."""
    selection = settings.selection
    if settings.flagged is None:
        raise UsageError("--flagged: review or fail is wanted.")
    watcher.say(f"Looking for frames that QC flags {settings.flagged}")
    chosen = [subject for subject in listed_subjects(out) if selection.has_subject(subject)]
    for trouble in judge_stale(out, chosen, settings.store_options) if may_judge else ():
        watcher.warn(trouble)
    return list(find_flagged(out, selection, settings.flagged))


def keep_before(out: Folder, books: Books, found: Sequence[FlaggedFrames], settings: ReprocessSettings) -> None:
    """Keep the numbers of the flagged frames under the number that each proposed decision is going to have."""
    for decision in books.proposed:
        write_before(out, decision.number, _part(found, decision), _plain(settings))


def keep_again(out: Folder, books: Books, found: Sequence[FlaggedFrames], settings: ReprocessSettings) -> list[int]:
    """Return the numbers that the proposed decisions got.

    Where another run took a number meanwhile, what it was before is kept under the later one, too.
    """
    made, numbers = read_decisions(out, books.root.decision), []
    for decision in books.proposed:
        selection = Selection.from_record(decision.selection.to_record())  # as it is read back
        wanted = selection, decision.recipe, decision.reason
        same = (one for one in made if (one.selection, one.recipe, one.reason) == wanted)
        mine = next((one for one in same if one.number >= decision.number), None)
        if mine is not None:
            numbers.append(mine.number)
            if mine.number != decision.number:
                write_before(out, mine.number, _part(found, decision), _plain(settings))
    return numbers


def _part(found: Sequence[FlaggedFrames], decision: Decision) -> list[FlaggedFrames]:
    listed = decision.selection.listed or {}
    return [take_listed(one, listed[one.frames.subject]) for one in found if one.frames.subject in listed]


def _plain(settings: ReprocessSettings) -> Mapping[str, object]:
    """Return what was asked for as it is read back from JSON."""
    asked: Mapping[str, object] = json.loads(json.dumps(settings.asked()))
    return asked
