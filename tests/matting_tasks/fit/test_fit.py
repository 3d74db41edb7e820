"""A fit as it is called by the command and by each of its workers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from captures import make_tiny
from fits import MODEL, sha256s, tiny_plan

from manifests.errors import Refused, UsageError
from matting_tasks.fit import stages
from matting_tasks.fit.curve import read_curve
from matting_tasks.fit.fit import MOST_FAULTS, SCORES, Fitted, Tell, check_same, fit, write_whole
from matting_tasks.fit.plan import FitPlan
from matting_tasks.fit.state import load_state
from matting_tasks.fit.trainer import StepDone
from matting_tasks.fit.validation import Validated
from models.checkpoints import check_fits
from models.safetensors_file import read_safetensors


class Told:
    """Notes what a fit tells, and has it stopped after a number of steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: list[StepDone] = []
        self.validated: list[tuple[str, int, Validated]] = []
        self.warned: list[str] = []
        self.stop_after = stop_after

    def tell(self) -> Tell:
        return Tell(
            self.steps.append, lambda *words: self.validated.append(words), lambda: self.stops, self.warned.append
        )

    @property
    def stops(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after


def fit_here(plan: FitPlan, out: Path, told: Told | None = None) -> Fitted | None:
    return fit(plan, out, "cpu", None, (told or Told()).tell())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told, Fitted]:
    """Fit without any disturbance."""
    out, told = tmp_path_factory.mktemp("fit"), Told()
    fitted = fit_here(tiny_plan(), out, told)
    assert fitted is not None
    return out, told, fitted


def test_a_fit_tells_each_step_and_each_judgement(whole: tuple[Path, Told, Fitted]) -> None:
    _, told, fitted = whole
    assert [(done.step, done.n_steps, done.stage) for done in told.steps] == [(n, 4, "base") for n in range(1, 5)]
    assert [(stage, step) for stage, step, _ in told.validated] == [("base", 0), ("base", 4)] and not told.warned
    assert [(row["stage"], row["step"]) for row in fitted.scores] == [("base", 0), ("base", 4)]
    assert fitted.scores[1]["whole"]["mad"] == told.validated[1][2].whole.mad


def test_a_fit_writes_weights_that_fit_the_model_in_half_precision(whole: tuple[Path, Told, Fitted]) -> None:
    out, _, fitted = whole
    assert fitted.weights == out / f"{MODEL}.safetensors"
    check_fits(MODEL, fitted.weights)
    assert 9e6 < fitted.weights.stat().st_size < 11e6
    state = read_safetensors(fitted.weights)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


@pytest.mark.slow  # the trainer's stop and a kill of the whole are tried in CI
def test_a_fit_that_was_stopped_goes_on_to_the_same_end(whole: tuple[Path, Told, Fitted], tmp_path: Path) -> None:
    stopped = Told(stop_after=2)
    assert fit_here(tiny_plan(), tmp_path, stopped) is None
    assert len(stopped.steps) == 2 and not list(tmp_path.glob("*.safetensors"))
    state = load_state(tmp_path / "state")
    assert state is not None and (state.step, state.n_steps) == (2, 4)
    rest = Told()
    assert fit_here(tiny_plan(), tmp_path, rest) is not None
    assert [done.step for done in rest.steps] == [3, 4]
    one, other = sha256s(whole[0]), sha256s(tmp_path)
    for name in (f"{MODEL}.safetensors", SCORES):
        assert one[name] == other[name], name
    losses = [[row.numbers.get("loss/total") for row in read_curve(out / "curve.csv")] for out in (whole[0], tmp_path)]
    assert losses[0] == losses[1]


def test_scores_on_the_held_out_stream_of_another_version_are_forgotten(
    whole: tuple[Path, Told, Fitted], tmp_path: Path
) -> None:
    out = shutil.copytree(whole[0], tmp_path / "out")
    first, last = (json.loads(line) for line in (out / SCORES).read_text().splitlines())
    (out / SCORES).write_text(json.dumps({**first, "stream": first["stream"] - 1}) + "\n" + json.dumps(last) + "\n")
    fitted = fit_here(tiny_plan(), out, Told())
    assert fitted is not None and fitted.scores == (last,)
    assert (out / SCORES).read_text() == json.dumps(last) + "\n"
    rows = read_curve(out / "curve.csv")
    assert len(rows) == 4 and not any(row.has_scores for row in rows), "it does not say on which stream"


def test_a_fit_that_has_ended_trains_nothing_again(whole: tuple[Path, Told, Fitted]) -> None:
    out, _, fitted = whole
    before, again = sha256s(out), Told()
    assert fit_here(tiny_plan(), out, again) == fitted and not again.steps
    after = sha256s(out)
    assert {name for name in before if after[name] != before[name] and not name.startswith("events/")} == set()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n_examples": 3}, r"examples 2 -> 3\)"),
        ({"size_px": (64, 96)}, r"size \[64, 64\] -> \[64, 96\]"),
        ({"start": "imagenet", "seed": 3}, "seed 0 -> 3; from 'scratch' -> 'imagenet'"),
        ({"n_held_out": 2}, "held-out 1 -> 2"),
        ({"plates": tuple(f"/rig/{n}.jpg" for n in range(9))}, "plates 0 -> 9, such as /rig/0.jpg"),
    ],
)
def test_other_settings_are_refused_by_the_names_that_a_person_knows(
    whole: tuple[Path, Told, Fitted], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(Refused, match=named):
        check_same(tiny_plan(**changes), whole[0])
    check_same(tiny_plan(n_processes=3, validate_every=9, save_s=1.0, beside={"plate-difference": ""}), whole[0])


def test_a_fit_whose_stages_had_other_settings_is_not_gone_on_with(
    whole: tuple[Path, Told, Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "BASE_STAGE", replace(stages.BASE_STAGE, backbone_rate=1e-5))
    with pytest.raises(Refused, match="of another version of cleanplate"):
        check_same(tiny_plan(), whole[0])


def test_a_folder_without_a_fit_takes_any(tmp_path: Path) -> None:
    check_same(tiny_plan(), tmp_path / "new")


@pytest.mark.slow
def test_scores_of_steps_that_are_taken_again_are_forgotten(tmp_path: Path) -> None:
    assert fit_here(tiny_plan(validate_every=1), tmp_path, Told(stop_after=2)) is None
    scores = tmp_path / SCORES
    row = json.loads(scores.read_text().splitlines()[0])
    later = [json.dumps({**row, "step": step}) for step in (3, 7)]
    scores.write_text("".join(f"{line}\n" for line in (*scores.read_text().splitlines(), *later)))
    fit_here(tiny_plan(validate_every=0), tmp_path)
    assert [json.loads(line)["step"] for line in scores.read_text().splitlines()] == [0, 1, 2, 4]


def test_what_cannot_be_learned_from_is_told_and_not_too_much_of_it(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=1)
    plate = capture / "031/background/image_cam0.jpg"
    torn = [plate.with_name(f"torn{number:02d}.jpg") for number in range(MOST_FAULTS + 3)]
    for path in torn:
        path.write_bytes(plate.read_bytes()[:50])
    told = Told()
    plan = tiny_plan(steps=1, plates=tuple(map(str, (plate, *torn))))
    assert fit_here(plan, tmp_path / "out", told) is not None
    assert len(told.warned) == MOST_FAULTS + 1 and "torn00.jpg" in told.warned[0]
    assert told.warned[-1] == "and 3 more that are not learned from"


def test_plates_of_which_none_can_be_read_end_the_fit(tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match=r"cannot be read.*torn\.jpg"):
        fit_here(tiny_plan(plates=(str(tmp_path / "torn.jpg"),)), tmp_path / "out")


def test_a_file_is_written_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep/a.txt", b"one")
    write_whole(tmp_path / "deep/a.txt", b"two")
    assert {path.name: path.read_bytes() for path in (tmp_path / "deep").iterdir()} == {"a.txt": b"two"}
