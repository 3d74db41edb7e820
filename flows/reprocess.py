"""Reprocess: some frames of an output root again, by parameters, as a decision of their own."""

from __future__ import annotations

from dataclasses import replace

from flows.books import Books, open_books
from flows.matte import EachSubject, in_turn, list_capture, work
from flows.recipes import override_recipe, resolve_recipe
from flows.resolve import check_model
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import Watcher
from manifests.decisions import Selection, read_decisions
from manifests.errors import NothingSelected, UsageError
from manifests.manifest import read_manifest
from manifests.recipe import Recipe
from manifests.root import read_root
from manifests.runs import read_runs
from manifests.storage import Folder, open_folder
from manifests.traffic import traffic_of


def reprocess(
    out_url: str,
    settings: MatteSettings,
    watcher: Watcher,
    each_subject: EachSubject | None = None,
    dry_run: bool = False,
) -> Summary:
    """Matte the selected frames again, by the recipe that decided them and those knobs changed that were said.

    The same command after a kill goes on with the unfinished decision; after the end it decides again.
    """
    out = open_folder(out_url, settings.store_options)
    base, capture_url = _base_recipe(out, settings)
    capture = open_folder(capture_url, settings.store_options)
    said = settings.model_fields_set
    if "model" not in said:
        settings = settings.model_copy(update={"model": base.model})
    check_model(settings.model)
    if settings.enumerate:
        list_capture(capture, out, settings, watcher)
    with open_books(out, capture_url, settings, settings.selection, watcher, base) as books:
        if not _is_unfinished(books):
            books = _propose(books, "model" in said)
        summary = work(books, watcher, each_subject or in_turn, dry_run)
    summary.count_traffic(traffic_of(capture, out))
    return summary


def _propose(books: Books, model_was_said: bool) -> Books:
    """Propose one decision for the selection, or, where other recipes have decided parts of it, one for each.

    Each part keeps its own recipe but for the knobs that were said.
    """
    parts: dict[Recipe, dict[str, list[tuple[str, str, int]]]] = {}
    by_number = {decision.number: decision.recipe for decision in books.decisions}
    for subject in books.selection.subjects or ():
        plan = books.plan(subject)
        for shard in () if plan is None else plan.selected:
            frames = plan.manifest.frames.frame[shard.rows[plan.chosen[shard.rows]]].tolist()  # type: ignore[union-attr]
            triples = [(shard.sequence, shard.camera, frame) for frame in frames]
            parts.setdefault(by_number[shard.decision], {}).setdefault(subject, []).extend(triples)
    if len(parts) < 2 or model_was_said:
        return books.propose(books.selection, books.recipe, "reprocess")
    for recipe, listed in parts.items():
        settings = books.settings.for_model(recipe.model)
        resolved = resolve_recipe(settings, recipe, books.machine, recipe.weights_sha256, books.source)
        changed = _with_weights(override_recipe(recipe, settings, resolved), books.recipe.fallback)
        books = books.propose(Selection(listed=listed), changed, "reprocess")
    return books


def _with_weights(recipe: Recipe, settled: Recipe | None) -> Recipe:
    """Return a recipe whose fallback has the weights that were settled for that model."""
    fallback = recipe.fallback
    if fallback is None or settled is None or fallback.model != settled.model or fallback.weights_sha256 is not None:
        return recipe
    return replace(recipe, fallback=replace(fallback, weights_sha256=settled.weights_sha256))


def _base_recipe(out: Folder, settings: MatteSettings) -> tuple[Recipe, str]:
    """Return the recipe that last decided all selected frames, and where the capture lies."""
    root = read_root(out)
    if root is None:
        raise UsageError(f"{out.url} is not an output root of cleanplate: there is no _cleanplate/root.json.")
    unknown = [subject for subject in settings.subjects or () if read_manifest(out, subject) is None]
    if unknown:
        raise NothingSelected(f"{out.url} has no manifest of subject {', '.join(unknown)}: see cleanplate status.")
    manifest = read_manifest(out, settings.subjects[0]) if settings.subjects else None
    decisions = read_decisions(out, root.decision)
    decided = next(d for d in reversed(decisions) if d.selection.covers(settings.selection))
    return decided.recipe, root.capture_url if manifest is None else manifest.capture_url


def _is_unfinished(books: Books) -> bool:
    """Tell whether the last decision is this one, and no run has finished since it was made."""
    last = books.decisions[-1]
    if (last.reason, last.selection, last.recipe) != ("reprocess", books.selection, books.recipe):
        return False
    runs = read_runs(books.out)
    return not any(run["state"] == "finished" and run.get("decision", -1) >= last.number for run in runs)
