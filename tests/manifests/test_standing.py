from __future__ import annotations

from dataclasses import replace

import numpy as np
from roots import RECIPE, decide, list_subject, make_root, matte_pending

from manifests.capture import text_column
from manifests.decisions import Selection, read_decisions
from manifests.measures import FRAME_MEASURES
from manifests.plan import SubjectPlan, read_plan
from manifests.records import FrameRow
from manifests.root import read_root
from manifests.standing import columns_of, identity, read_standing
from manifests.storage import Folder
from manifests.storage_memory import MemoryFolder


def plan_of(out: Folder) -> SubjectPlan:
    root = read_root(out)
    assert root is not None
    plan = read_plan(out, "031", read_decisions(out, root.decision), Selection(), root.grid)
    assert plan is not None
    return plan


def test_all_rows_of_a_finished_subject_stand() -> None:
    out = make_root(MemoryFolder())
    standing = read_standing(out, plan_of(out))
    assert len(standing.frames) == 16 and set(standing.frames.model) == {"plate-difference"}
    assert standing.frames.frame[standing.starts].tolist() == [0, 4, 0, 4]
    assert standing.taken.tolist() == list(range(16))
    assert standing.frames.lowres_path[0] == "031/images/0000/mask_lowres_A.jpg"


def test_rows_that_a_later_decision_puts_aside_do_not_stand() -> None:
    out = make_root(MemoryFolder())
    before = identity(plan_of(out))
    decide(out, Selection(cameras=("A",), frames="2:3"), replace(RECIPE, mask_quality=80))
    pending = read_standing(out, plan_of(out))
    assert len(pending.frames) == 15
    during = identity(plan_of(out))
    matte_pending(out)
    standing = read_standing(out, plan_of(out))
    assert standing.frames.decision.tolist() == [0, 0, 1, *[0] * 13]
    assert standing.frames.frame[standing.starts].tolist() == [0, 2, 3, 4, 0, 4]
    assert len({before, during, identity(plan_of(out))}) == 3


def test_stale_receipts_do_not_stand() -> None:
    out = make_root(MemoryFolder(), joined=False)
    list_subject(out, "031", ("A", "B"), range(9))
    standing = read_standing(out, plan_of(out))
    assert not (standing.frames.frame == 8).any()
    assert plan_of(out).pending


def test_the_identity_is_that_of_the_receipts_however_they_are_stored() -> None:
    single, joined = make_root(MemoryFolder(), joined=False), make_root(MemoryFolder(), joined=True)
    assert identity(plan_of(single)) == identity(plan_of(joined))
    failed = make_root(MemoryFolder(), frames=())
    list_subject(failed, "031", ("A", "B"), range(8))
    matte_pending(failed, bad=(3,))
    assert identity(plan_of(failed)) != identity(plan_of(joined))
    assert (read_standing(failed, plan_of(failed)).frames.status != "ok").sum() == 2


def row(frame: int, sha256: str, coverage: float | None = 0.3, camera: str = "A") -> FrameRow:
    return FrameRow("031", "", camera, frame, frame, "s", 0, "ok", mask_sha256=sha256, coverage=coverage)


def test_receipts_give_the_measures_that_they_hold() -> None:
    frames = columns_of("031", [row(0, "a"), row(1, "b", None)], ["m", "m"])
    np.testing.assert_array_equal(frames.measures["coverage"], [0.3, np.nan])
    assert set(frames.measures) < set(FRAME_MEASURES) and "iou" not in frames.measures


def test_the_same_mask_of_as_many_bytes_is_a_double() -> None:
    out = MemoryFolder()
    make_root(out, cameras=("A",), frames=range(4))
    plan = plan_of(out)
    from manifests.standing import _doubles

    rows = [row(0, "a"), row(1, "a"), row(2, "b"), row(3, "b", 0.0)]
    table = columns_of("031", rows, ["m"] * 4)
    found = _doubles(rows, table, plan.manifest.frames, np.arange(4))
    assert found.tolist() == [False, True, False, False]
    assert text_column(["a"]).tolist() == ["a"]
