from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from captures import make_synth
from command_line import matte

from flows.judge import Judging, judge_subject, stored_qc
from manifests.decisions import Selection, read_decisions
from manifests.measures import change_limits, default_limits
from manifests.plan import SubjectPlan, read_plan
from manifests.qc import CameraVerdict, QcFrames, SubjectQc, cameras_path, qc_path, read_qc_frames
from manifests.root import read_root
from manifests.storage import Folder, LocalFolder

N_CAMERAS, N_FRAMES = 5, 3
HIT = "222200037"


@pytest.fixture(scope="module")
def matted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matted")
    make_synth(root / "capture", n_cameras=N_CAMERAS, n_frames=N_FRAMES, size_px=128)
    assert matte(root / "capture", root / "out", "--no-qc").code == 0
    return root


@pytest.fixture
def out(matted: Path, tmp_path: Path) -> LocalFolder:
    """Return a copy of the output root, whose masks may be harmed."""
    import shutil

    shutil.copytree(matted / "out", tmp_path / "out")
    return LocalFolder(tmp_path / "out")


def plan_of(out: Folder) -> SubjectPlan:
    root = read_root(out)
    assert root is not None
    plan = read_plan(out, "031", read_decisions(out, root.decision), Selection(), root.grid)
    assert plan is not None
    return plan


def judged(out: Folder, judging: Judging | None = None) -> tuple[SubjectQc, QcFrames]:
    subject = judge_subject(out, plan_of(out), judging)
    frames = read_qc_frames(out, "031")
    assert frames is not None
    return subject, frames


def verdict_of(subject: SubjectQc, camera: str) -> CameraVerdict:
    return next(said for said in subject.verdicts if said.camera == camera)


def tables(out: LocalFolder) -> dict[str, bytes]:
    return {path: out.read(path) for path in (qc_path("031"), cameras_path("031"))}


def lowres(camera: str, frame: int) -> str:
    return f"031/images/{frame:04d}/mask_lowres_{camera}.jpg"


def test_a_subject_is_measured_in_time_and_across_views(out: LocalFolder) -> None:
    subject, frames = judged(out)
    assert len(subject.verdicts) == N_CAMERAS and len(frames) == N_CAMERAS * N_FRAMES
    for name in ("coverage", "iou", "area_jump", "flicker", "area_ratio", "outside_hull", "hull_cut", "inside_hull"):
        known = np.isfinite(frames.measures[name])
        assert known[frames.frame == 1].all(), name
    assert subject.meta["is_complete"] and not subject.meta["again"] and subject.meta["notes"] == []
    assert {one.measure for one in subject.cameras if one.camera == HIT} >= {"frame_set", "not_ok", "seam"} - {"seam"}


def test_what_is_judged_is_neither_read_nor_written_again(out: LocalFolder) -> None:
    first, _ = judged(out)
    before = tables(out)
    times = {path: (out.root / path).stat().st_mtime_ns for path in before}
    (out.root / lowres(HIT, 1)).write_bytes(b"nobody looks")
    again, _ = judged(out)
    assert {path: (out.root / path).stat().st_mtime_ns for path in before} == times
    assert again.verdicts == first.verdicts


def test_the_same_receipts_give_the_same_bytes(out: LocalFolder) -> None:
    judged(out)
    before = tables(out)
    out.delete(before)
    judged(out)
    assert tables(out) == before


def test_a_half_written_pair_of_tables_is_made_again(out: LocalFolder) -> None:
    judged(out)
    before = tables(out)
    out.delete([cameras_path("031")])
    judged(out)
    assert tables(out) == before
    (out.root / cameras_path("031")).write_bytes(b"PAR1")
    judged(out)
    assert tables(out) == before


def test_a_damaged_mask_is_named_and_looked_at_again(out: LocalFolder) -> None:
    whole = out.read(lowres(HIT, 1))
    (out.root / lowres(HIT, 1)).write_bytes(whole[: len(whole) // 2])
    (out.root / lowres(HIT, 2)).unlink()
    subject, frames = judged(out)
    said = verdict_of(subject, HIT)
    assert (said.verdict, said.measure) == ("fail", "not_ok") and said.value == pytest.approx(2 / 3)
    assert subject.meta["n_unread"] == 2 and lowres(HIT, 1) in subject.meta["unread"][0]
    hit = (frames.camera == HIT) & (frames.frame == 1)
    assert np.isnan(frames.measures["iou"][hit]).all()
    assert np.isfinite(frames.measures["iou"][(frames.camera != HIT) & (frames.frame == 1)]).all()
    out.write_atomic(lowres(HIT, 1), whole)
    again, _ = judged(out)
    assert again.meta["n_unread"] == 1


def test_other_limits_judge_again_without_measuring(out: LocalFolder) -> None:
    first, frames = judged(out)
    (out.root / lowres(HIT, 1)).write_bytes(b"nobody looks")
    strict = change_limits(default_limits(), {"iou": {"review": 2.0, "fail": 1.5}})
    subject, stricter = judged(out, Judging(strict))
    assert {said.verdict for said in subject.verdicts} == {"fail"}
    assert {said.measure for said in subject.verdicts} == {"iou"}
    np.testing.assert_array_equal(stricter.measures["iou"], frames.measures["iou"])
    assert subject.meta["limits"]["iou"] == [2.0, 1.5]
    kept, _ = judged(out)
    assert kept.verdicts == subject.verdicts, "the limits of the last time stand until others are said"
    back, _ = judged(out, Judging(default_limits()))
    assert back.verdicts == first.verdicts


def test_a_subject_that_is_not_complete_is_judged_by_what_is_there(matted: Path, tmp_path: Path) -> None:
    code = matte(matted / "capture", tmp_path / "out", "--cameras", "222200036,222200037", "--no-qc").code
    assert code == 0
    out = LocalFolder(tmp_path / "out")
    subject, frames = judged(out)
    assert not subject.meta["is_complete"] and set(frames.camera) == {"222200036", "222200037"}
    assert np.isnan(frames.measures["outside_hull"]).all()
    assert matte(matted / "capture", tmp_path / "out", "--no-qc").code == 0
    assert judged(out)[0].meta["is_complete"]


def test_a_capture_that_is_not_at_hand_leaves_the_views_out(out: LocalFolder, tmp_path: Path) -> None:
    plan = plan_of(out)
    gone = replace(plan, manifest=replace(plan.manifest, capture_url=str(tmp_path / "gone")))
    subject = judge_subject(out, gone)
    assert "no calibration" in subject.meta["notes"][0]
    frames = read_qc_frames(out, "031")
    assert frames is not None
    assert np.isnan(frames.measures["outside_hull"]).all() and np.isnan(frames.measures["flicker"]).all()
    assert np.isfinite(frames.measures["iou"][frames.frame == 1]).all()


def test_progress_counts_the_frames(out: LocalFolder) -> None:
    told: list[tuple[int, int]] = []
    judge_subject(out, plan_of(out), progress=lambda *at: told.append(at))
    total = N_CAMERAS * N_FRAMES
    assert told == [(number + 1, total) for number in range(total)]


def test_damaged_tables_count_as_none(out: LocalFolder) -> None:
    assert stored_qc(out, "031") is None
    out.write_atomic(cameras_path("031"), b"not ours")
    assert stored_qc(out, "031") is None
