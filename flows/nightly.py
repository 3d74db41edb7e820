"""The work of a night: the capture listed, plates checked, what is new matted, the report made; one message at the end.

Nothing of it is remembered outside of the output root: killed at any moment, the next night goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from flows.matte import EachSubject, matte
from flows.published_report import Published, bring_up_to_date
from flows.relay import PassingWatcher
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.telling import count
from flows.watch import Outcome, Watcher
from manifests.measures import VERDICTS
from manifests.records import ShardSummary
from manifests.storage import open_folder


@dataclass(frozen=True, slots=True)
class Night:
    """What a night came to; `n_new_failed` frames were tried in it and got no mask."""

    summary: Summary
    n_new_failed: int
    warnings: tuple[str, ...]
    published: Published

    @property
    def is_well(self) -> bool:
        """Tell whether nobody need look: frames that failed in earlier nights were told of then."""
        return not (self.n_new_failed or self.n_pending or self.published.troubles)

    @property
    def n_pending(self) -> int:
        """Count the frames that are still to be matted."""
        return sum(camera.n_pending for camera in self.summary.cameras)

    @property
    def words(self) -> str:
        """Say it in one line: first what a person may have to act on."""
        n_subjects = len({camera.subject for camera in self.summary.cameras})
        n_failed = sum(camera.n_failed for camera in self.summary.cameras)
        verdicts = [one.verdict for judged in self.summary.qc.values() for one in judged.verdicts]
        judged = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
        parts = [
            f"{count(self.summary.n_written, 'frame')} matted",
            f"{self.n_new_failed} newly not ok ({n_failed} in all), {self.n_pending} pending",
            f"{count(len(self.warnings), 'warning')}",
            f"{count(n_subjects, 'subject')}" + (f", cameras: {judged}" if verdicts else ""),
            f"report: {self.published.words}",
        ]
        return "; ".join(parts)


def work_of_the_night(
    capture_url: str,
    out_url: str,
    settings: MatteSettings,
    watcher: Watcher,
    each_subject: EachSubject,
    n_pictures: int = 24,
) -> Night:
    """List, check, matte what is pending, and report; may be repeated and killed at any time.

    Raises UsageError, Refused and Fault.
    """
    counted = Counted(watcher)
    summary = matte(capture_url, out_url, settings, counted, each_subject)
    out = open_folder(out_url, settings.store_options)
    published = bring_up_to_date(out, settings.subjects, n_pictures, settings.store_options)
    return Night(summary, counted.n_failed, tuple(counted.warnings), published)


class Counted(PassingWatcher):
    """Passes everything on to another watcher; counts frames that get no mask, and keeps warnings."""

    def __init__(self, watcher: Watcher) -> None:
        """Pass on to `watcher`."""
        super().__init__(watcher)
        self.warnings: list[str] = []
        self._failed: list[int] = []

    @property
    def n_failed(self) -> int:
        """Count the frames that were tried and got no mask."""
        return sum(self._failed)

    def warn(self, text: str) -> None:
        """Pass on, and keep."""
        super().warn(text)
        self.warnings.append(text)

    def settled(self, outcome: Outcome) -> None:
        """Pass on, and count; the frames of a shard that failed are pending, and counted as such at the end."""
        super().settled(outcome)
        if isinstance(outcome, ShardSummary):
            self._failed.append(outcome.n_failed)
