import numpy as np

from matting_tasks.fit.sheets import blank, lay, lay_sheet, lit, noise, relief, straight


def test_colour_laid_half_over_colour_mixes_by_halves() -> None:
    sheet, box = blank((4, 6)), (1, 3, 2, 5)
    lay(sheet, box, np.full((2, 3, 3), 200, np.float32), np.ones((2, 3), np.float32))
    lay(sheet, box, np.full((2, 3, 3), 100, np.float32), np.full((2, 3), 0.5, np.float32))
    assert np.allclose(sheet[1:3, 2:5], [150, 150, 150, 1])
    assert sheet[0].max() == 0 and sheet[:, :2].max() == 0


def test_a_sheet_over_another_adds_up_alpha() -> None:
    below, above = blank((2, 2)), blank((2, 2))
    below[:] = (50, 50, 50, 0.5)
    above[:] = (20, 40, 60, 0.5)
    lay_sheet(below, above)
    assert np.allclose(below, [45, 65, 85, 0.75])


def test_straight_colours_are_the_colours_laid_down_also_under_thin_alpha() -> None:
    sheet = blank((40, 40))
    mask = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (40, 1))
    lay(sheet, (0, 40, 0, 40), np.broadcast_to(np.array([200, 100, 40], np.float32), (40, 40, 3)), mask)
    colour, alpha = straight(sheet)
    assert np.abs(colour.astype(int) - (200, 100, 40)).max() <= 2
    assert np.array_equal(alpha, np.round(mask * 255).astype(np.uint8))


def test_straight_colours_run_on_past_the_edge() -> None:
    sheet = blank((60, 60))
    box = (20, 40, 20, 40)
    lay(sheet, box, np.broadcast_to(np.array([10, 220, 30], np.float32), (20, 20, 3)), np.ones((20, 20), np.float32))
    colour, alpha = straight(sheet)
    assert alpha[10, 10] == 0
    assert np.abs(colour[10, 10].astype(int) - (10, 220, 30)).max() <= 3


def test_an_empty_sheet_gives_alpha_zero() -> None:
    colour, alpha = straight(blank((8, 8)))
    assert alpha.max() == 0 and colour.shape == (8, 8, 3)


def test_the_side_towards_the_light_is_brighter() -> None:
    mask = np.zeros((60, 60), np.float32)
    mask[10:50, 10:50] = 1
    shade = relief(mask, (-1.0, 0.0), 8.0)
    assert shade[30, 12] > 0.1 > -0.1 > shade[30, 47]


def test_light_multiplies_a_colour_and_a_surface_alike() -> None:
    shade = np.array([[0.5, 1.0]], np.float32)
    colour = np.array([100, 50, 20], np.float32)
    assert np.allclose(lit(colour, shade), lit(np.broadcast_to(colour, (1, 2, 3)) + 0, shade))


def test_noise_is_smooth_and_follows_from_the_generator() -> None:
    first, again = (noise(np.random.default_rng(3), (50, 70), (4, 5)) for _ in range(2))
    assert first.shape == (50, 70) and np.array_equal(first, again)
    assert np.abs(np.diff(first, axis=1)).max() < 0.5 * np.ptp(first)
