"""What is written of a fit that has ended."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import torch
from fits import MODEL, sha256s, tiny_plan
from reference_weights import write_reference_checkpoint

from matting_tasks.fit.finished import SIZES_PX, card_of_finished, compared, held_for_card, score_start, write_finished
from matting_tasks.fit.fit import Tell, fit
from matting_tasks.fit.plan import FitPlan
from models.fitted import read_entry, weights_of

PLAN = tiny_plan(steps=2, beside={"plate-difference": ""}, parameters={})
BY = "2026-11-21"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fits") / "rig"
    fitted = fit(PLAN, out, "cpu", None, Tell())
    assert fitted is not None and card_of_finished(PLAN, out) is None
    assert write_finished(PLAN, out, "cpu", fitted, BY) == out / "card.md"
    return out


def test_the_card_says_what_it_is_and_how_good(written: Path) -> None:
    card = (written / "card.md").read_text()
    entry = read_entry(written)
    assert (entry.name, entry.model, entry.licence) == (f"{MODEL}@rig", MODEL, "Apache-2.0")
    assert weights_of(written) == written / f"{MODEL}.safetensors" and entry.sha256 in card
    assert f"# {MODEL}@rig" in card and BY in card and "Began from scratch. 2 steps" in card
    scored = compared(written)
    assert list(scored) == ["after", "plate-difference"]
    for name in scored:
        assert f"| {scored[name].whole.mad:.2f} |" in card and f"| {scored[name].unknown.mad:.2f} |" in card


def test_the_held_out_pairs_are_always_the_same(written: Path) -> None:
    (pairs,), (again,), side = held_for_card(PLAN), held_for_card(PLAN), SIZES_PX["base"]
    assert pairs.frame.shape == (1, 1, 3, side, side)
    assert torch.equal(pairs.frame, again.frame) and torch.equal(pairs.alpha, again.alpha)
    sheet = cv2.imread(str(written / "held-out.png"))
    assert sheet.shape[1] > 3 * 256 and sheet.std() > 10


def test_a_recurrent_network_is_judged_on_clips() -> None:
    (pairs,) = held_for_card(tiny_plan(model="rvm-mobilenetv3"))
    assert pairs.frame.shape[1] == 8


def test_a_fit_is_finished_once_all_is_written_and_whole(written: Path, tmp_path: Path) -> None:
    assert card_of_finished(PLAN, written) == written / "card.md"
    assert card_of_finished(PLAN, tmp_path) is None
    weights = written / f"{MODEL}.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:-1])
        assert card_of_finished(PLAN, written) is None
    finally:
        weights.write_bytes(whole)
    assert card_of_finished(PLAN, written) is not None


def test_a_network_that_begins_as_noise_is_not_judged_before(tmp_path: Path) -> None:
    assert score_start(PLAN, tmp_path, "cpu", None) is None
    assert not list(tmp_path.iterdir())


def test_a_network_that_can_matte_is_judged_before_once_for_these_settings(tmp_path: Path) -> None:
    plan = plan_from(write_reference_checkpoint(MODEL, tmp_path / "w.pth"))
    first = score_start(plan, tmp_path / "out", "cpu", None)
    assert first is not None and first.whole.mad is not None
    before = sha256s(tmp_path / "out")
    path = tmp_path / "out/before.json"
    path.write_text(path.read_text().replace(str(first.whole.mad), "1.5"))
    again = score_start(plan, tmp_path / "out", "cpu", None)
    assert again is not None and again.whole.mad == 1.5, "it is read"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "stream": found["stream"] - 1}))
    assert score_start(plan, tmp_path / "out", "cpu", None) == first  # of other pairs
    path.write_text(json.dumps({**found, "asked": plan_from(tmp_path / "w.pth", seed=1).asked()}))
    assert score_start(plan, tmp_path / "out", "cpu", None) == first and sha256s(tmp_path / "out") == before


def test_behind_a_base_network_alone_the_noise_of_a_refiner_is_not_judged(tmp_path: Path) -> None:
    file = write_reference_checkpoint(MODEL, tmp_path / "w.pth")
    found = [
        score_start(plan_from(file, model="mattingrefine-mobilenetv2", seed=seed), tmp_path / f"{seed}", "cpu", None)
        for seed in (0, 1)
    ]
    assert found[0] is not None and found[0] == found[1]


def plan_from(file: Path, **changes: object) -> FitPlan:
    return tiny_plan(start=str(file), **changes)
