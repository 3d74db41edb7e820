"""The plan of a subject: what is pending, what failed, and which masks it would write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from manifests.decisions import Decision, Selection
from manifests.ledger import compact
from manifests.manifest import Manifest, write_manifest
from manifests.plan import CameraStatus, SubjectPlan, camera_statuses, failed_frames, frames_of, read_plan
from manifests.recipe import Recipe
from manifests.records import Plate
from manifests.sharding import FrameTable
from manifests.storage_memory import MemoryFolder

CommitAll = Callable[..., None]


@pytest.fixture
def out(make_table: Callable[..., FrameTable], make_plates: Callable[..., dict[str, Plate]]) -> MemoryFolder:
    """Return an output root whose manifest lists two cameras of 8 frames."""
    out = MemoryFolder()
    table = make_table([("", camera, frame) for camera in "AB" for frame in range(8)])
    write_manifest(out, Manifest(table, make_plates("A", "B"), "/data", "stat", "gha"))
    return out


@pytest.fixture
def read(make_recipe: Callable[..., Recipe]) -> Callable[..., SubjectPlan]:
    """Return a reader of plans on a grid of 4; `later` are the selections of decisions after the first."""

    def read_it(
        out: MemoryFolder, selection: Selection | None = None, later: tuple[Selection, ...] = ()
    ) -> SubjectPlan:
        log = [Decision(number, chosen, make_recipe(), "x") for number, chosen in enumerate((Selection(), *later))]
        plan = read_plan(out, "031", log, selection or Selection(), grid=4)
        assert plan is not None
        return plan

    return read_it


def _by_camera(statuses: list[CameraStatus]) -> dict[str, CameraStatus]:
    assert len({status.camera for status in statuses}) == len(statuses)
    return {status.camera: status for status in statuses}


def test_plan_is_none_when_the_subject_has_no_manifest(make_recipe: Callable[..., Recipe]) -> None:
    log = [Decision(0, Selection(), make_recipe(), "root")]
    assert read_plan(MemoryFolder(), "031", log, Selection(), 64) is None


def test_plan_holds_the_shards_of_selected_frames_and_the_ids_of_the_whole(
    out: MemoryFolder, read: Callable[..., SubjectPlan]
) -> None:
    plan, whole = read(out, Selection(cameras=("B",), frames="5:7")), read(out)
    assert plan.subject == "031"
    assert [(shard.camera, len(shard.rows)) for shard in plan.selected] == [("B", 4)]
    assert [shard.shard_id for shard in plan.planned] == [shard.shard_id for shard in whole.planned]
    assert len(whole.selected) == 4


def test_selected_shards_stop_pending_when_they_are_committed(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll
) -> None:
    selection = Selection(cameras=("B",))
    plan = read(out, selection)
    assert plan.pending == list(plan.selected)
    commit_all(out, plan.manifest.frames, plan.selected)
    after = read(out, selection)
    assert after.pending == []
    assert not after.is_complete
    commit_all(out, plan.manifest.frames, plan.planned)
    assert read(out, selection).is_complete


@pytest.mark.parametrize("compacted", [False, True])
def test_status_counts_frames_by_camera_when_some_failed(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll, compacted: bool
) -> None:
    plan = read(out)
    commit_all(out, plan.manifest.frames, plan.planned[:3], bad=[1, 6])
    if compacted:
        assert compact(out, "031", plan.planned[:3])
    statuses = _by_camera(camera_statuses(out, read(out)))
    first, second = statuses["A"], statuses["B"]
    assert (first.n_frames, first.n_ok, first.n_pending, first.n_failed) == (8, 6, 0, 2)
    assert first.failed == {"undecodable": 2}
    assert first.errors == ("frame 1 is cut off", "frame 6 is cut off")
    assert (second.n_frames, second.n_ok, second.n_pending, second.n_failed) == (8, 3, 4, 1)


def test_status_counts_selected_frames_only_when_their_shards_hold_more(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll
) -> None:
    plan = read(out)
    commit_all(out, plan.manifest.frames, plan.planned, bad=[1, 2])
    (status,) = camera_statuses(out, read(out, Selection(cameras=("A",), frames="2:5")))
    assert (status.n_frames, status.n_ok, status.n_pending, status.n_failed) == (3, 2, 0, 1)


def test_status_is_empty_when_nothing_is_selected(out: MemoryFolder, read: Callable[..., SubjectPlan]) -> None:
    assert camera_statuses(out, read(out, Selection(frames="100:"))) == []


def test_failed_frames_are_those_of_the_decision_that_decides_them(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll
) -> None:
    plan = read(out)
    commit_all(out, plan.manifest.frames, plan.planned, bad=[1, 6])
    again = Selection(listed={"031": (("", "A", 1), ("", "A", 6))})
    redone = read(out, later=(again,))
    assert {row.camera for row in failed_frames(out, redone)[0]} == {"B"}
    commit_all(out, plan.manifest.frames, redone.pending, bad=[6])
    found = failed_frames(out, read(out, later=(again,)))
    assert {number: [(row.camera, row.frame) for row in rows] for number, rows in found.items()} == {
        0: [("B", 1), ("B", 6)],
        1: [("A", 6)],
    }


def test_no_frame_is_failed_when_it_is_not_selected(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll
) -> None:
    plan = read(out)
    commit_all(out, plan.manifest.frames, plan.planned, bad=[1])
    assert failed_frames(out, read(out, Selection(frames="2:"))) == {}


def test_retry_makes_only_the_failed_frames_pending(
    out: MemoryFolder, read: Callable[..., SubjectPlan], commit_all: CommitAll
) -> None:
    plan = read(out)
    commit_all(out, plan.manifest.frames, plan.planned, bad=[1])
    retry = Selection(listed={"031": (("", "A", 1),)})
    (shard,) = read(out, later=(retry,)).pending
    assert (shard.camera, plan.manifest.frames.frame[shard.rows].tolist()) == ("A", [1])


def test_frames_of_shards_are_those_that_they_decide(out: MemoryFolder, read: Callable[..., SubjectPlan]) -> None:
    plan = read(out, Selection(cameras=("A",), frames="0"))
    assert sorted(frames_of(plan, plan.selected)) == [(0, "", "A", frame) for frame in range(4)]
