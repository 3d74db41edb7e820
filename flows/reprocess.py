"""Reprocess: some frames of an output root again, by parameters, as a decision of their own."""

from __future__ import annotations

from flows.books import Books, open_books
from flows.matte import EachSubject, in_turn, list_capture, work
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import Watcher
from manifests.decisions import read_decisions
from manifests.errors import NothingSelected, UsageError
from manifests.manifest import read_manifest
from manifests.plan import read_plan
from manifests.recipe import Recipe
from manifests.root import read_root
from manifests.storage import Folder, open_folder


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
    out = open_folder(out_url, settings.storage_option)
    base, capture_url = _base_recipe(out, settings)
    capture = open_folder(capture_url, settings.storage_option)
    if "model" not in settings.model_fields_set:
        settings = settings.model_copy(update={"model": base.model})
    if settings.enumerate:
        list_capture(capture, out, settings, watcher)
    with open_books(out, capture_url, settings, settings.selection, watcher, base) as books:
        if not _is_unfinished(books):
            books = books.propose(books.selection, books.recipe, "reprocess")
        return work(books, watcher, each_subject or in_turn, dry_run)


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
    """Tell whether the last decision is this one, and some of its shards are still pending."""
    last = books.decisions[-1]
    if (last.reason, last.selection, last.recipe) != ("reprocess", books.selection, books.recipe):
        return False
    plans = (
        read_plan(books.out, subject, books.decisions, books.selection, books.root.grid)
        for subject in books.selection.subjects or ()
    )
    return any(shard.decision == last.number for plan in plans if plan is not None for shard in plan.pending)
