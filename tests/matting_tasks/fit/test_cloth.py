import numpy as np

from matting_tasks.fit.cloth import any_colour, cloth, hair_colour, skin, skin_tone
from matting_tasks.fit.pictures import Pictures


def test_skin_tones_run_from_very_dark_to_very_pale() -> None:
    rng = np.random.default_rng(0)
    tones = np.array([skin_tone(rng) for _ in range(200)])
    assert tones.mean(1).min() < 60 and tones.mean(1).max() > 200
    assert (tones[:, 0] > tones[:, 2]).mean() > 0.95


def test_hair_and_cloth_have_colours_within_range() -> None:
    rng = np.random.default_rng(0)
    for draw in (hair_colour, any_colour):
        colours = np.array([draw(rng) for _ in range(200)])
        assert colours.min() >= 0 and colours.max() <= 255
        assert np.ptp(colours.mean(1)) > 120


def test_cloth_has_the_size_asked_for_and_is_not_always_alike() -> None:
    rng, textures = np.random.default_rng(0), Pictures([])
    pieces = [cloth(rng, textures, (40, 60), 20.0) for _ in range(12)]
    assert {piece.shape for piece in pieces} == {(40, 60, 3)}
    assert np.ptp([piece.std() for piece in pieces]) > 10


def test_skin_keeps_its_tone_on_the_whole() -> None:
    tone = np.array([200, 150, 120], np.float32)
    surface = skin(np.random.default_rng(1), Pictures([]), (60, 50), tone)
    assert surface.shape == (60, 50, 3)
    assert np.abs(surface.mean((0, 1)) - tone).max() < 25
