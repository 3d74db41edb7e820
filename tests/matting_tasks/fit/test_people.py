import numpy as np
import pytest

from matting_tasks.fit.people import draw_person
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import U8, Cutout

SIZE = (112, 96)


@pytest.fixture(scope="module")
def crowd() -> list[Cutout]:
    textures = Pictures([])
    return [draw_person(np.random.default_rng(seed), textures, SIZE) for seed in range(60)]


def test_cutouts_have_one_frame_of_the_size_asked_for(crowd: list[Cutout]) -> None:
    for person in crowd:
        assert person.foreground.shape == (1, *SIZE, 3) and person.foreground.dtype == np.uint8
        assert person.alpha.shape == (1, *SIZE) and person.alpha.dtype == np.uint8


def test_the_same_generator_draws_the_same_person() -> None:
    for seed, n_frames in ((5, 1), (6, 3)):
        first, again = (draw_person(np.random.default_rng(seed), Pictures([]), SIZE, n_frames) for _ in range(2))
        assert np.array_equal(first.foreground, again.foreground)
        assert np.array_equal(first.alpha, again.alpha)


def test_coverage_runs_from_little_to_nearly_all(crowd: list[Cutout]) -> None:
    coverage = np.array([person.alpha.mean() / 255 for person in crowd])
    assert coverage.min() < 0.1 and coverage.max() > 0.7
    assert 0.2 < np.median(coverage) < 0.5
    assert (coverage == 0).mean() < 0.05


def test_soft_edges_are_common(crowd: list[Cutout]) -> None:
    soft = [((person.alpha > 12) & (person.alpha < 243)).mean() for person in crowd]
    assert np.median(soft) > 0.02
    assert sum(share > 0.08 for share in soft) > 10


def test_most_pictures_are_cleanly_empty_beside_the_person(crowd: list[Cutout]) -> None:
    empty = [(person.alpha == 0).mean() for person in crowd]
    assert np.median(empty) > 0.3


def test_there_are_no_black_fringes_at_soft_edges(crowd: list[Cutout]) -> None:
    darker = []
    for person in crowd:
        alpha, light = person.alpha[0], person.foreground[0].astype(int).sum(2)
        soft, solid = (alpha > 5) & (alpha < 60), alpha > 250
        if soft.sum() > 20 and solid.sum() > 20:
            darker.append(np.median(light[soft]) < 0.25 * np.percentile(light[solid], 10))
    assert len(darker) > 30 and not any(darker)


def test_people_differ(crowd: list[Cutout]) -> None:
    colours = np.array([np.median(p.foreground[0][p.alpha[0] > 250], 0) for p in crowd if (p.alpha > 250).any()])
    assert colours.std(0).min() > 35


def test_a_sequence_shows_one_person_moving_smoothly() -> None:
    textures, steps = Pictures([]), []
    for seed in range(12):
        person = draw_person(np.random.default_rng(seed), textures, SIZE, 5)
        assert person.alpha.shape == (5, *SIZE)
        alpha = person.alpha.astype(float) / 255
        if alpha[0].sum() > 200:
            steps += list(np.abs(np.diff(alpha, axis=0)).sum((1, 2)) / alpha[0].sum())
    assert 0 < np.median(steps) < 0.25 and max(steps) < 0.8


@pytest.mark.parametrize("size", [(48, 48), (60, 200), (200, 60)])
def test_pictures_of_all_shapes_are_drawn(size: tuple[int, int]) -> None:
    for seed in range(8):
        assert draw_person(np.random.default_rng(seed), Pictures([]), size).alpha.shape == (1, *size)


def test_textures_show_on_some_people() -> None:
    class Red(Pictures):
        def crop(
            self, rng: np.random.Generator, height: int, width: int, zoom: tuple[float, float] = (0.25, 1.0)
        ) -> U8:
            return np.broadcast_to(np.array([255, 0, 0], np.uint8), (height, width, 3)) + np.uint8(0)

    shown = 0
    for seed in range(25):
        person = draw_person(np.random.default_rng(seed), Red([]), SIZE)
        solid = person.foreground[person.alpha > 250].astype(int)
        shown += len(solid) > 50 and (solid[:, 0] > 2.5 * solid[:, 1:].max(1) + 30).mean() > 0.2
    assert 4 <= shown <= 22
