from dataclasses import replace

import numpy as np
import pytest

from matting_tasks.fit.shapes import F64
from matting_tasks.fit.sheets import blank
from matting_tasks.fit.strands import (
    Mass,
    Scalp,
    Style,
    any_style,
    cover_of,
    draw_mass,
    draw_strands,
    grow,
    hair_shades,
)

SCALP = Scalp(np.array([100.0, 80.0]), np.array([30.0, 40.0]), 0.0)
STYLE = Style(length=2.0, gravity=0.8, volume=0.2, curl=0.0, turns=1.0, frizz=0.0, thick=0.15, density=1.0)


def _roots(count: int = 80) -> F64:
    angle = np.linspace(-1.5, 1.5, count)
    return SCALP.centre + np.stack([np.sin(angle) * 30, -np.cos(angle) * 40], 1)


def test_strands_start_at_their_roots_and_fall() -> None:
    roots = _roots()
    paths = grow(np.random.default_rng(0), roots, SCALP, STYLE)
    assert np.abs(paths[:, 0] - roots).max() < 1
    assert (paths[:, -1, 1] > roots[:, 1]).mean() > 0.9
    lengths = np.linalg.norm(np.diff(paths, axis=1), axis=2).sum(1)
    assert lengths.min() > 0.5 * 60 and lengths.max() < 1.2 * 60


def test_strands_that_keep_off_the_head_do_not_cross_the_face() -> None:
    paths = grow(np.random.default_rng(0), _roots(), SCALP, STYLE)
    reach = np.linalg.norm((paths - SCALP.centre) / SCALP.radii, axis=2)
    assert reach.min() > 0.85


def test_curls_bend_strands_more() -> None:
    def bend(style: Style) -> float:
        paths = grow(np.random.default_rng(0), _roots(), SCALP, style)
        return float(np.abs(np.diff(paths, 2, axis=1)).sum())

    assert bend(replace(STYLE, curl=0.2, turns=4.0)) > 2 * bend(STYLE)


def test_a_hair_is_a_thousandth_of_half_a_head_wide_and_a_strand_a_cord_of_hairs() -> None:
    assert cover_of(100.0, 1, 1) == pytest.approx(0.1)
    assert cover_of(100.0, 4, 1) == pytest.approx(0.2)
    assert cover_of(100.0, 4, 2) == pytest.approx(0.4)
    assert cover_of(500.0, 100, 2) == 1.0
    assert 0 < cover_of(3.0, 1, 2) < 0.1


@pytest.mark.parametrize("scale", [1, 2])
def test_single_strands_have_fractional_alpha_and_their_own_colour(scale: int) -> None:
    sheet = blank((200, 200))
    shades = np.array([[200, 120, 60], [210, 130, 70]], np.float32)
    draw_strands(sheet, grow(np.random.default_rng(0), _roots(20), SCALP, STYLE), shades, 1.0, scale)
    alpha = sheet[..., 3]
    soft = (alpha > 0.05) & (alpha < 0.95)
    assert soft.sum() > 0.5 * (alpha > 0).sum() > 50
    colour = sheet[soft][:, :3] / sheet[soft][:, 3:]
    assert np.abs(colour - (205, 125, 65)).max() < 12


def test_strands_beside_the_picture_draw_nothing() -> None:
    sheet = blank((50, 50))
    draw_strands(sheet, grow(np.random.default_rng(0), _roots() + 500, SCALP, STYLE), np.ones((2, 3), np.float32))
    assert sheet.max() == 0


def test_the_mass_is_opaque_within_and_soft_at_its_rim() -> None:
    sheet, rng = blank((200, 200)), np.random.default_rng(0)
    draw_mass(rng, sheet, grow(rng, _roots(), SCALP, STYLE), Mass(0.3, 30.0, np.array([60, 40, 30], np.float32)))
    alpha = sheet[..., 3]
    assert (alpha > 0.99).sum() > 200
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 200


def test_shades_lie_around_the_hair_colour_and_differ() -> None:
    shades = hair_shades(np.random.default_rng(0), np.array([120, 80, 50], np.float32), 0.5)
    assert np.abs(np.median(shades, 0) - (120, 80, 50)).max() < 40
    assert len(np.unique(shades.round(), axis=0)) == len(shades)


def test_styles_run_from_cropped_to_long() -> None:
    rng = np.random.default_rng(0)
    lengths = [any_style(rng).length for _ in range(100)]
    assert min(lengths) < 0.3 and max(lengths) > 3
