"""Finishing: receipts joined and verdicts made of a subject that is matted; on a cluster, beside the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from flows.books import Books
from flows.judge import Judging, capture_of, judge_subject
from flows.limits import load_limits
from flows.summary import Summary
from flows.watch import Watcher
from manifests.decisions import Decision, Selection
from manifests.errors import CleanplateError, SchemaNewer
from manifests.failures import clear_failures
from manifests.ledger import compact
from manifests.measures import Limits
from manifests.plan import SubjectPlan, read_plan
from manifests.qc import SubjectQc
from manifests.storage import Folder, open_folder
from manifests.traffic import Traffic, joined, traffic_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subject is planned and judged by; options of stores are not shown."""

    decisions: tuple[Decision, ...]
    selection: Selection
    grid: int
    qc: bool
    limits: Limits | None
    store_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(books: Books) -> Wish:
        """Return what the books of a run say."""
        settings = books.settings
        known = books.decisions, books.selection, books.root.grid
        return Wish(*known, settings.qc, load_limits(settings.limits), settings.store_options)


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of it: verdicts, or why there are none, and what was asked of the stores."""

    qc: SubjectQc | None = None
    trouble: str | None = None
    traffic: Mapping[str, Traffic] = field(default_factory=dict)


def finish(out: Folder, wish: Wish, plan: SubjectPlan | None) -> Finished:
    """Join the receipts of a subject that is complete and judge its mattes; nothing for one that is not.

    QC is no part of what a run promises: where a store fails the next run makes it. May be repeated and killed.
    """
    if plan is None or not plan.is_complete:
        return Finished()
    if plan.ledger.singles:
        clear_failures(out, plan.subject, plan.ledger.failed)
        compact(out, plan.subject, plan.planned)
    if not wish.qc:
        return Finished()
    capture = capture_of(plan, wish.store_options)
    try:
        judged = judge_subject(out, plan, Judging(wish.limits, store_options=wish.store_options, capture=capture))
    except InterruptedError:
        raise
    except (OSError, SchemaNewer) as err:
        return Finished(None, str(err), traffic_of(capture))
    return Finished(replace(judged, cameras=()), None, traffic_of(capture))


def finish_elsewhere(out_url: str, wish: Wish, subject: str) -> Finished:
    """Do the same on another machine of a cluster."""
    out = open_folder(out_url, wish.store_options)
    try:
        plan = read_plan(out, subject, wish.decisions, wish.selection, wish.grid)
        finished = finish(out, wish, plan)
    except (OSError, SchemaNewer) as err:
        finished = Finished(None, str(err))
    return replace(finished, traffic=joined([finished.traffic, traffic_of(out)]))


class Finisher:
    """Finishes subjects as they are matted: at once, or on the cluster while others are matted."""

    def __init__(self, books: Books, summary: Summary, watcher: Watcher) -> None:
        """Name the run; on a cluster that was joined, and beside GPUs, there are cores that no worker takes."""
        self._summary, self._watcher = summary, watcher
        has_cores = books.settings.ray_address is not None or books.machine.device_class != "cpu"
        self._beside = books.settings.executor == "ray" and has_cores
        self._under_way: dict[str, Callable[[], Finished]] = {}

    def begin(self, books: Books, subject: str) -> None:
        """Finish a subject that was matted, or have that done."""
        if not self._beside:
            self.take(subject, finish(books.out, Wish.of(books), books.plan(subject)))
            return
        from matting_tasks.cluster import beside

        self._under_way[subject] = beside(finish_elsewhere, books.out.url, Wish.of(books), subject)

    def wait(self) -> None:
        """Wait for what is done on the cluster."""
        if self._under_way:
            self._watcher.say(f"Finishing {len(self._under_way)} of the subjects: receipts and quality control")
        for subject, answer in self._under_way.items():
            try:
                self.take(subject, answer())
            except CleanplateError as err:
                self.take(subject, Finished(trouble=str(err)))
        self._under_way.clear()

    def take(self, subject: str, finished: Finished) -> None:
        """Put what came of a subject into the summary."""
        self._summary.count_traffic(finished.traffic)
        if finished.trouble is not None:
            said = f"QC: subject {subject} is not judged ({finished.trouble}); the next run tries again"
            self._watcher.warn(said)
        elif finished.qc is not None:
            self._summary.qc[subject] = finished.qc
