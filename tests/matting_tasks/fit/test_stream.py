"""The stream: the same whenever and by whomever it is made, and with the shares of kinds that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from matting_tasks.fit.compose import Batch
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import Cutout
from matting_tasks.fit.stream import REUSE, Sources, StreamSettings, make_turn

NONE = Pictures([])
SMALL = StreamSettings(seed=4, n_examples=8, least_px=32, most_px=96)
MAGENTA = (250, 5, 245)


def magenta_disc(rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
    alpha = np.zeros((n_frames, *size), np.uint8)
    for t in range(n_frames):
        cv2.circle(alpha[t], (size[1] // 2, size[0] // 2), min(size) // 4, 255, -1)
    return Cutout(np.full((n_frames, *size, 3), MAGENTA, np.uint8), alpha)


DRAWN, DISCS = Sources(NONE, NONE), Sources(NONE, NONE, magenta_disc)


def equal(first: Batch, second: Batch, places: slice = slice(None)) -> bool:
    pictures = ("foreground", "alpha", "background")
    return all(torch.equal(getattr(first, name)[places], getattr(second, name)) for name in pictures) and all(
        torch.equal(first.numbers[name][places], second.numbers[name]) for name in first.numbers
    )


def examples(settings: StreamSettings, sources: Sources, n_turns: int) -> Iterator[tuple[np.ndarray, ...]]:
    for turn in range(n_turns):
        for batch in make_turn(settings, sources, turn, range(settings.n_examples)):
            yield from zip(batch.foreground.numpy(), batch.alpha.numpy(), batch.background.numpy(), strict=True)


@pytest.fixture(scope="module")
def discs() -> list[tuple[np.ndarray, ...]]:
    settings = StreamSettings(seed=1, n_examples=8, least_px=32, most_px=32, found_share=1.0)
    return list(examples(settings, DISCS, 25))


def test_a_turn_made_twice_is_the_same() -> None:
    for turn in (0, 5):
        first, again = (make_turn(SMALL, DRAWN, turn, range(8)) for _ in range(2))
        assert len(first) == REUSE and all(map(equal, first, again))


def test_what_two_trainers_make_is_together_what_one_makes() -> None:
    whole, even, odd = (make_turn(SMALL, DRAWN, 3, own) for own in (range(8), range(0, 8, 2), range(1, 8, 2)))
    for step in range(REUSE):
        assert equal(whole[step], even[step], slice(0, 8, 2)) and equal(whole[step], odd[step], slice(1, 8, 2))


def test_other_seeds_turns_places_and_steps_give_others() -> None:
    same_size = replace(SMALL, least_px=64, most_px=64)
    first, other, later = (
        make_turn(settings, DRAWN, turn, range(2))
        for settings, turn in ((same_size, 0), (replace(same_size, seed=5), 0), (same_size, 1))
    )
    batches = [*first, *other, *later]
    pictures = [batch.background[place] for batch in batches for place in range(2)]
    assert not any(torch.equal(a, b) for k, a in enumerate(pictures) for b in pictures[:k])
    gains = {tuple(batch.numbers["look"][place].flatten().tolist()) for batch in batches for place in range(2)}
    assert len(gains) == 2 * len(batches)


def test_sides_are_multiples_in_their_range_and_often_square() -> None:
    settings = replace(SMALL, n_examples=1, most_px=160, found_share=1.0)
    sizes = [make_turn(settings, DISCS, turn, range(1))[0].alpha.shape[-2:] for turn in range(30)]
    sides = {side for size in sizes for side in size}
    assert sides <= {32, 64, 96, 128, 160} and len(sides) == 5
    assert 0.3 < np.mean([height == width for height, width in sizes]) < 0.9
    assert any(height < width for height, width in sizes) and any(height > width for height, width in sizes)


def test_clips_have_frames_that_move_and_one_background() -> None:
    settings = StreamSettings(seed=2, n_examples=2, n_frames=5, least_px=64, most_px=64)
    batch = make_turn(settings, DRAWN, 0, range(2))[0]
    assert batch.alpha.shape == (2, 5, 64, 64) and batch.background.shape == (2, 64, 64, 3)
    assert not torch.equal(batch.alpha[:, 0], batch.alpha[:, 4])
    assert (batch.alpha[:, 0].float() - batch.alpha[:, 1].float()).abs().mean() < 40


def test_every_other_turn_is_of_the_clips_beside() -> None:
    beside = StreamSettings(seed=4, n_examples=2, n_frames=3, least_px=32, most_px=32)
    settings = replace(beside, n_frames=1, least_px=64, most_px=64, beside=beside)
    shapes = [{tuple(batch.alpha.shape) for batch in make_turn(settings, DRAWN, turn, range(2))} for turn in range(4)]
    assert shapes == [{(2, 1, 64, 64)}, {(2, 3, 32, 32)}] * 2


def test_the_user_s_foregrounds_are_used_in_their_share() -> None:
    settings = replace(SMALL, least_px=32, most_px=32)
    shares = []
    for found_share, n_turns in ((0.0, 1), (0.5, 8), (1.0, 2)):
        found = examples(replace(settings, found_share=found_share), DISCS, n_turns)
        shares.append(np.mean([(np.abs(one[0].astype(int) - MAGENTA).max(-1) < 3).mean() > 0.5 for one in found]))
    assert shares[0] == 0 and 0.25 < shares[1] < 0.65 and shares[2] > 0.75


def test_the_user_s_plates_are_used_in_their_share(tmp_path: Path) -> None:
    flat = np.full((64, 64, 3), (10, 200, 30), np.uint8)
    cv2.imwrite(str(tmp_path / "plate.png"), flat)
    sources = Sources(NONE, Pictures([tmp_path / "plate.png"]), magenta_disc)
    for plate_share in (0.0, 0.5, 1.0):
        settings = replace(SMALL, least_px=32, most_px=32, plate_share=plate_share, found_share=1.0)
        is_plate = [(np.abs(one[2].astype(int) - flat[0, 0, ::-1]) < 3).all() for one in examples(settings, sources, 4)]
        assert abs(np.mean(is_plate) - plate_share) < 0.16


def test_some_frames_are_empty_and_some_are_covered(discs: list[tuple[np.ndarray, ...]]) -> None:
    coverage = np.array([alpha.mean() / 255 for _, alpha, _ in discs])
    assert 0.02 < (coverage == 0).mean() < 0.08
    assert 0.01 < (coverage > 0.75).mean() < 0.06
    assert 0.15 < np.median(coverage) < 0.5


def share_dressed_as_the_background(discs: list[tuple[np.ndarray, ...]]) -> float:
    dressed = [
        (np.abs(foreground.astype(int) - MAGENTA).max(-1)[alpha > 250] > 20).mean() > 0.05
        for foreground, alpha, _ in discs
        if (alpha > 250).any()
    ]
    return float(np.mean(dressed))


def test_some_people_wear_what_is_behind_them(discs: list[tuple[np.ndarray, ...]]) -> None:
    assert 0.12 < share_dressed_as_the_background(discs) < 0.24
    settings = StreamSettings(seed=1, n_examples=8, least_px=32, most_px=32, found_share=1.0, camouflage_share=0.0)
    assert share_dressed_as_the_background(list(examples(settings, DISCS, 4))) == 0


def test_two_in_five_of_these_are_dressed_in_one_plain_colour() -> None:
    settings = StreamSettings(seed=1, n_examples=8, least_px=64, most_px=64, found_share=1.0, camouflage_share=1.0)
    people = [(foreground[alpha > 250], behind) for foreground, alpha, behind in examples(settings, DISCS, 8)]
    people = [(cloth, behind) for cloth, behind in people if len(cloth)]
    plain = [
        (cloth[0], behind) for cloth, behind in people if (cloth == cloth[0]).all() and (cloth[0] != MAGENTA).any()
    ]
    assert 0.3 < len(plain) / len(people) < 0.5
    for colour, behind in plain:
        # between that of the disc and one that the background has somewhere, as bright as it to a quarter
        low, high = behind.min(axis=(0, 1)) * 0.75, behind.max(axis=(0, 1)) * 1.25
        assert (colour >= np.minimum(low, MAGENTA) - 1).all() and (colour <= np.maximum(high, MAGENTA) + 1).all()


def test_the_first_batches_of_a_turn_are_those_of_the_whole_turn() -> None:
    (first,), whole = make_turn(SMALL, DRAWN, 2, range(8), 1), make_turn(SMALL, DRAWN, 2, range(8))
    assert len(whole) == REUSE and equal(first, whole[0])


def test_people_stand_anywhere_and_go_on_below_the_picture() -> None:
    def bust(rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
        alpha = np.zeros((n_frames, *size), np.uint8)
        alpha[:, size[0] // 3 :, size[1] // 3 : -size[1] // 3] = 255
        return Cutout(np.full((*alpha.shape, 3), 90, np.uint8), alpha)

    settings = StreamSettings(seed=1, n_examples=8, least_px=64, most_px=64, found_share=1.0)
    alphas = [one[1][0] for one in examples(settings, Sources(NONE, NONE, bust), 8) if one[1].any()]
    upright = [alpha for alpha in alphas if 0.05 < alpha.mean() / 255 < 0.5]
    # few are turned so far that they leave at a side
    assert np.mean([alpha[-1].any() for alpha in upright]) > 0.85
    centres = np.array([np.average(np.arange(64), weights=alpha.sum(0)) for alpha in upright])
    assert centres.min() < 20 and centres.max() > 44 and abs(centres.mean() - 32) < 4
