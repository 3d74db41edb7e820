"""Judging in a run: the QC of each subject as it is complete, and the lines that a run ends with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flows.books import Books
from flows.judge import Judging, is_fresh, stored_verdicts
from flows.limits import load_limits
from flows.show_qc import qc_lines
from flows.summary import Summary
from flows.watch import Watcher
from manifests.ahead import map_ahead
from manifests.ledger import READS_AT_ONCE
from manifests.plan import SubjectPlan


def check_limits(books: Books) -> None:
    """Raise UsageError for a file of limits that cannot be used, before anything is done."""
    load_limits(books.settings.limits)


class Recalled:
    """The QC that subjects were given before, read ahead for all of them, and who of them needs none today."""

    def __init__(self, books: Books, subjects: Sequence[str], summary: Summary) -> None:
        """Read the verdicts of subjects; nothing where QC is left out."""
        self._summary, self._judging = summary, _judging(books)
        wanted = subjects if books.settings.qc else ()
        read = map_ahead(partial(stored_verdicts, books.out), wanted, READS_AT_ONCE)
        self._known = dict(zip(wanted, read, strict=True))

    def holds(self, plan: SubjectPlan) -> bool:
        """Tell whether there is no QC to make of a subject; the one that there is goes into the summary."""
        if plan.subject not in self._known or not plan.is_complete:
            return True
        known = self._known[plan.subject]
        if known is None or not is_fresh(known, plan, self._judging):
            return False
        self._summary.qc[plan.subject] = known
        return True


def tell_qc(summary: Summary, subjects: Sequence[str], watcher: Watcher) -> None:
    """Say which cameras fail and which are for review."""
    judged = [summary.qc[subject] for subject in subjects if subject in summary.qc]
    for verdict, line in qc_lines(judged, summary.out_url):
        (watcher.warn if verdict == "fail" else watcher.say)(line)


def _judging(books: Books) -> Judging:
    return Judging(load_limits(books.settings.limits), store_options=books.settings.store_options)
