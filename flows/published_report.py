"""The report as a flow makes it: what is new judged, the pages brought up to date and linked to the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.artifacts import publish_report
from flows.fresh import judge_stale
from flows.report import Built, ReportSettings, build_report
from flows.telling import count
from manifests.manifest import listed_subjects
from manifests.storage import Folder


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a report, and which subjects could not be judged or shown, with why."""

    built: Built
    troubles: tuple[str, ...]

    @property
    def words(self) -> str:
        """Say it in one line."""
        made = f"{count(self.built.n_subjects, 'subject')}, {count(self.built.n_made, 'page')} made"
        return "; ".join([f"{made}, {self.built.n_kept} up to date", *self.troubles[:3]])


def bring_up_to_date(
    out: Folder, subjects: Sequence[str] | None, n_pictures: int, store_options: Mapping[str, str]
) -> Published:
    """Judge what is new of all or the named subjects, build the report and link it; raises UsageError and OSError."""
    chosen = [subject for subject in listed_subjects(out) if subjects is None or subject in subjects]
    troubles = judge_stale(out, chosen, store_options)
    built = build_report(out, ReportSettings(subjects, n_pictures, store_options=store_options))
    publish_report(out)
    return Published(built, (*troubles, *built.troubles))
