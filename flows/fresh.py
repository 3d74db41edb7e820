"""Fresh: the QC of subjects judged before it is read, where receipts or limits are not those that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flows.judge import Judging, is_fresh, judge_subject, stored_qc
from manifests.decisions import Selection, read_decisions
from manifests.errors import SchemaNewer, SchemaUnknown
from manifests.plan import SubjectPlan, read_plans
from manifests.root import read_root
from manifests.storage import Folder


def judge_stale(
    out: Folder,
    subjects: Sequence[str],
    store_options: Mapping[str, str],
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[str]:
    """Judge the subjects that have receipts and whose QC is missing or stale; return why others could not be judged.

    Nothing is written for a subject of which nothing was matted. Raises SchemaNewer and OSError.
    """
    root = read_root(out)
    if root is None or not subjects:
        return []
    decisions, judging, troubles = read_decisions(out, root.decision), Judging(store_options=store_options), []
    plans = read_plans(out, subjects, decisions, Selection(), root.grid)
    for done, plan in enumerate(plans, start=1):
        try:
            _judge(out, plan, judging)
        except SchemaNewer:
            raise
        except SchemaUnknown as err:
            troubles.append(f"Subject {plan.subject} cannot be judged: {err}")
        progress("Judging", done, len(subjects))
    return troubles


def _judge(out: Folder, plan: SubjectPlan, judging: Judging) -> None:
    if any(shard.shard_id in plan.ledger for shard in plan.planned):
        known = stored_qc(out, plan.subject)
        if known is None or not is_fresh(known, plan, judging):
            judge_subject(out, plan, judging)
