"""Reprocess: some frames of an output root again, by parameters, as a decision of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.books import Books, open_books
from flows.flag_frames import REASON, flag, keep_again, keep_before, selection_of, unfinished
from flows.matte import EachSubject, in_turn, list_capture, work
from flows.recipes import override_recipe, resolve_recipe
from flows.reprocess_settings import ReprocessSettings
from flows.resolve import check_model
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.telling import count
from flows.watch import Watcher
from manifests.comparing import compare
from manifests.decisions import Selection, read_decisions
from manifests.errors import NothingSelected, UsageError
from manifests.manifest import read_manifest
from manifests.recipe import Recipe
from manifests.root import Root, read_root
from manifests.runs import read_runs
from manifests.storage import Folder, open_folder
from manifests.traffic import traffic_of


@dataclass(frozen=True, slots=True)
class Place:
    """An output root, the recipe that last decided all selected frames, and where the capture lies."""

    out: Folder
    root: Root
    base: Recipe
    capture_url: str

    def known(self, settings: MatteSettings) -> MatteSettings:
        """Return the settings with the model that is there, unless another one was said."""
        if "model" in settings.model_fields_set:
            return settings
        return settings.model_copy(update={"model": self.base.model})


def reprocess(
    out_url: str,
    settings: MatteSettings,
    watcher: Watcher,
    each_subject: EachSubject | None = None,
    dry_run: bool = False,
) -> Summary:
    """Matte the selected frames again, by the recipe that decided them and those knobs changed that were said.

    With ReprocessSettings that say `flagged`, only frames that QC flags, and the numbers that they have are kept before
    the decision is written. The same command after a kill goes on with the unfinished decision; after the end it
    decides again.
    """
    place = find_place(open_folder(out_url, settings.store_options), settings)
    capture = open_folder(place.capture_url, settings.store_options)
    known = place.known(settings)
    check_model(known.model)
    if settings.enumerate:
        list_capture(capture, place.out, known, watcher)
    if isinstance(settings, ReprocessSettings) and settings.flagged is not None:
        summary = _reprocess_flagged(place, settings, watcher, each_subject or in_turn, dry_run)
    else:
        with open_books(place.out, place.capture_url, known, settings.selection, watcher, place.base) as books:
            if not _is_unfinished(books):
                books = propose(books, place.base, "reprocess", "model" in settings.model_fields_set)
            summary = work(books, watcher, each_subject or in_turn, dry_run)
    summary.count_traffic(traffic_of(capture, place.out))
    return summary


def _reprocess_flagged(
    place: Place, settings: ReprocessSettings, watcher: Watcher, each_subject: EachSubject, dry_run: bool
) -> Summary:
    """Matte the flagged frames again, or go on with those that this command has flagged before."""
    out, due = place.out, unfinished(place.out, place.root, settings)
    found = [] if due else flag(out, settings, watcher, may_judge=not dry_run)
    if not due and not found:
        watcher.say(f"No selected frame is flagged {settings.flagged}: there is nothing to matte again.")
        return Summary(out.url)
    chosen = selection_of(due, found)
    watcher.say(f"{count(sum(map(len, (chosen.listed or {}).values())), 'frame')} flagged {settings.flagged}")
    with open_books(out, place.capture_url, place.known(settings), chosen, watcher, place.base) as books:
        if not due:
            books = propose(books, place.base, REASON, "model" in settings.model_fields_set)
        if dry_run:
            return work(books, watcher, each_subject, dry_run)
        keep_before(out, books, found, settings)
        summary = work(books, watcher, each_subject)
        numbers = [one.number for one in due] or keep_again(out, books, found, settings)
    summary.compared = [row for number in numbers for row in compare(out, number)]
    return summary


def propose(books: Books, base: Recipe, reason: str, model_was_said: bool) -> Books:
    """Propose one decision for the selection, or, where other recipes have decided parts of it, one for each.

    Each part keeps its own recipe but for the knobs that were said.
    """
    parts: dict[Recipe, dict[str, list[tuple[str, str, int]]]] = {}
    by_number = {decision.number: decision.recipe for decision in books.decisions}
    for subject in books.selection.subjects or tuple(books.selection.listed or ()):
        plan = books.plan(subject)
        for shard in () if plan is None else plan.selected:
            frames = plan.manifest.frames.frame[shard.rows[plan.chosen[shard.rows]]].tolist()  # type: ignore[union-attr]
            triples = [(shard.sequence, shard.camera, frame) for frame in frames]
            parts.setdefault(by_number[shard.decision], {}).setdefault(subject, []).extend(triples)
    if set(parts) <= {base} or model_was_said:
        return books.propose(books.selection, books.recipe, reason)
    for recipe, listed in parts.items():
        settings = books.settings.for_model(recipe.model)
        resolved = resolve_recipe(settings, recipe, books.machine, recipe.weights_sha256, books.source)
        changed = _with_weights(override_recipe(recipe, settings, resolved), books.recipe.fallback)
        books = books.propose(Selection(listed=listed), changed, reason)
    return books


def _with_weights(recipe: Recipe, settled: Recipe | None) -> Recipe:
    """Return a recipe whose fallback has the weights that were settled for that model."""
    fallback = recipe.fallback
    if fallback is None or settled is None or fallback.model != settled.model or fallback.weights_sha256 is not None:
        return recipe
    return replace(recipe, fallback=replace(fallback, weights_sha256=settled.weights_sha256))


def find_place(out: Folder, settings: MatteSettings) -> Place:
    """Return what an output root says of itself; raises UsageError and NothingSelected."""
    root = read_root(out)
    if root is None:
        raise UsageError(f"{out.url} is not an output root of cleanplate: there is no _cleanplate/root.json.")
    unknown = [subject for subject in settings.subjects or () if read_manifest(out, subject) is None]
    if unknown:
        raise NothingSelected(f"{out.url} has no manifest of subject {', '.join(unknown)}: see cleanplate status.")
    manifest = read_manifest(out, settings.subjects[0]) if settings.subjects else None
    decisions = read_decisions(out, root.decision)
    decided = next(d for d in reversed(decisions) if d.selection.covers(settings.selection))
    return Place(out, root, decided.recipe, root.capture_url if manifest is None else manifest.capture_url)


def _is_unfinished(books: Books) -> bool:
    """Tell whether the last decision is this one, and no run has finished since it was made."""
    last = books.decisions[-1]
    if (last.reason, last.selection, last.recipe) != ("reprocess", books.selection, books.recipe):
        return False
    runs = read_runs(books.out)
    return not any(run["state"] == "finished" and run.get("decision", -1) >= last.number for run in runs)
