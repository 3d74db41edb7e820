"""QC by command: what is matted under an output root judged subject by subject, as a table or as JSON."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from flows.judge import Judging, judge_subject
from flows.limits import load_limits
from flows.settings import EnumerateSettings
from flows.show import plain_console
from flows.show_qc import qc_record, show_qc
from manifests.decisions import Selection, read_decisions
from manifests.errors import NothingSelected, UsageError
from manifests.manifest import listed_subjects
from manifests.plan import read_plans
from manifests.root import read_root
from manifests.storage import open_folder


def run_qc(
    out_url: str, settings: EnumerateSettings, limits: Path | None, hull_every: int | None, as_json: bool
) -> int:
    """Judge the subjects that have receipts, print the verdicts of their cameras and return 0."""
    judging = Judging(load_limits(limits), hull_every, settings.store_options)
    out, console = open_folder(out_url, settings.store_options), plain_console()
    root = read_root(out)
    if root is None:
        raise UsageError(f"{out.url} is not an output root of cleanplate: there is no _cleanplate/root.json.")
    subjects = [subject for subject in listed_subjects(out) if settings.selection.has_subject(subject)]
    plans = read_plans(out, subjects, read_decisions(out, root.decision), Selection(), root.grid)
    judged = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal) as bars:
        for plan in plans:
            if plan.ledger.failed:
                bar = bars.add_task(f"subject {plan.subject}", total=None)
                judged.append(judge_subject(out, plan, judging, partial(_update, bars, bar)))
    if not judged:
        raise NothingSelected(f"{out.url} has no receipt of what was asked for: nothing is matted yet.")
    if as_json:
        print(json.dumps(qc_record(out.url, judged), indent=1))
    else:
        show_qc(console, judged)
    return 0


def _update(bars: Progress, bar: TaskID, done: int, total: int) -> None:
    bars.update(bar, completed=done, total=total)
