"""Put hair on a head: behind it, over it, fringes, beards, tails and flyaways."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from matting_tasks.fit.figure import Figure
from matting_tasks.fit.shapes import F32, F64, bounds, cover, place, spline
from matting_tasks.fit.sheets import lay, lit, noise, relief
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


@dataclass(frozen=True, slots=True, eq=False)
class Hairdo:
    """Say how the hair of one person is worn."""

    style: Style
    shades: F32  # (C, 3) colours of the strands, RGB 0..255
    hairline: float  # height of the forehead's rim, share of the half height above the centre
    fringe: bool
    tail: bool
    most: int  # strands at density 1
    scale: int  # strands are drawn 1/scale of a pixel wide
    cover: float  # how much of that width they fill, 0..1


def any_hairdo(rng: np.random.Generator, figure: Figure) -> Hairdo | None:
    """Draw how hair is worn; None for a bald head."""
    if rng.random() < 0.07:
        return None
    style = any_style(rng)
    scale = 1 if rng.random() < (0.25 if figure.unit < 100 else 0.6) else 2
    # the wilder hair is, the less of it clings together
    hairs = 1 + (1 - style.frizz) ** 2 * np.exp(rng.uniform(np.log(4), np.log(200)))
    return Hairdo(
        style=style,
        shades=hair_shades(rng, figure.hair, rng.uniform(0, 1)),
        hairline=rng.uniform(0.42, 0.8),
        fringe=bool(rng.random() < 0.3),
        tail=bool(rng.random() < 0.12),
        most=int(np.clip(figure.unit * 14, 120, 1400)),
        scale=scale,
        cover=cover_of(figure.unit, hairs, scale),
    )


def scalp_of(figure: Figure) -> Scalp:
    """Return where the scalp of a person is."""
    return Scalp(figure.head, np.array([1.0, figure.longness]) * figure.unit, figure.tilt)


def _roots(
    rng: np.random.Generator, figure: Figure, count: int, arc: tuple[float, float], reach: tuple[float, float]
) -> F64:
    angle = rng.uniform(*arc, count)
    radius = np.sqrt(rng.uniform(reach[0] ** 2, reach[1] ** 2, count))
    local = np.stack([np.sin(angle) * radius, -np.cos(angle) * radius * figure.longness], 1)
    return place(local, figure.head, figure.unit, figure.tilt)


def draw_back(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    """Draw the hair that lies behind the head, in place."""
    style, scalp = hair.style, scalp_of(figure)
    count = int(hair.most * style.density)
    paths = grow(rng, _roots(rng, figure, count, (-2.0, 2.0), (0.75, 1.0)), scalp, style)
    dark = figure.hair * rng.uniform(0.55, 0.9)
    draw_mass(rng, sheet, _tame(paths, scalp)[: max(20, count // 4)], Mass(style.thick, figure.unit, dark))
    draw_strands(sheet, paths, hair.shades * 0.85, hair.cover, hair.scale)
    if hair.tail:
        _tail(rng, sheet, figure, hair)


def _tame(paths: F64, scalp: Scalp) -> F64:
    """Leave out the strands that stand off more than most: they would carry the mass with them like horns."""
    offset = (paths[:, paths.shape[1] // 2 :] - scalp.centre) / scalp.radii * (1, 0.8)
    rise = np.hypot(offset[..., 0], np.minimum(offset[..., 1], 0)).max(1)
    tame: F64 = paths[rise <= np.median(rise) * 1.12]
    return tame


def _tail(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    knot = np.array([rng.uniform(-1.1, 1.1), -rng.uniform(0.3, 1.3) * figure.longness])
    local = knot + rng.normal(0, 0.1, (hair.most // 3, 2))
    style = replace(hair.style, length=rng.uniform(1, 3.5), gravity=rng.uniform(0.4, 1), volume=0.6, thick=0.2)
    paths = grow(rng, place(local, figure.head, figure.unit, figure.tilt), scalp_of(figure), style)
    draw_mass(rng, sheet, paths[:40], Mass(style.thick, figure.unit, figure.hair * 0.8))
    draw_strands(sheet, paths, hair.shades, hair.cover, hair.scale)


def draw_front(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    """Draw the hair that lies over the head: the cap above the hairline, locks beside the face, a fringe; in place."""
    style = hair.style
    puff = 1.02 + rng.uniform(0.0, 0.18) * min(1.0, style.length * 2) * (0.4 + style.volume)
    if rng.random() < 0.9:
        _cap(rng, sheet, figure, hair, puff)
    scalp = scalp_of(figure)
    short = replace(style, length=min(style.length, rng.uniform(0.4, 1.2)), gravity=max(style.gravity, 0.4))
    crown = place(np.array([rng.uniform(-0.5, 0.5), -0.75 * figure.longness]), figure.head, figure.unit, figure.tilt)
    roots = _roots(rng, figure, int(hair.most * style.density * 0.35), (-1.25, 1.25), (0.85, puff))
    towards = Scalp(crown + (0, 0.1 * figure.unit), scalp.radii * 0.6, scalp.turn)
    draw_strands(sheet, grow(rng, roots, towards, short), hair.shades, hair.cover, hair.scale)
    if style.length > 0.9 and rng.random() < 0.7:
        for side in (-1, 1):
            arc = (0.7, 1.7) if side > 0 else (-1.7, -0.7)
            roots = _roots(rng, figure, hair.most // 6, arc, (0.9, 1.05))
            locks = replace(style, length=style.length * rng.uniform(0.4, 1), volume=style.volume * 0.5)
            paths = grow(rng, roots, scalp, locks)
            draw_mass(rng, sheet, paths[::3], Mass(locks.thick, figure.unit, figure.hair * rng.uniform(0.7, 1)))
            draw_strands(sheet, paths, hair.shades, hair.cover, hair.scale)
    if hair.fringe:
        _fringe(rng, sheet, figure, hair)
    if rng.random() < 0.6:
        cells = (int(rng.integers(2, 12)), int(rng.integers(2, 8)))
        shine = 1 + rng.uniform(0.05, 0.3) * np.clip(noise(rng, (sheet.shape[0], sheet.shape[1]), cells), -2, 2)
        sheet[..., :3] *= cv2.merge([shine] * 3)


def _cap(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo, puff: float) -> None:
    angle = np.linspace(-1.75, 1.75, 19)
    outer = np.stack([np.sin(angle) * puff, -np.cos(angle) * figure.longness * puff], 1)
    outer = outer * (1 + rng.normal(0, 0.015, (19, 1)))
    low = -np.cos(1.75) * figure.longness
    x = np.linspace(0.9, -0.9, 9)
    part = rng.uniform(-0.5, 0.5)
    rise = hair.hairline * (1 - 0.55 * np.abs(x - part * 0.3) ** rng.uniform(1.5, 4))
    inner = np.stack([x, -rise * figure.longness + rng.normal(0, 0.03, 9)], 1)
    inner[[0, -1], 1] = low * rng.uniform(0.2, 1.0)
    outline = place(spline(np.concatenate([outer, inner]), per=3), figure.head, figure.unit, figure.tilt)
    box = bounds(outline, sheet.shape[:2])
    if box is None:
        return
    mask = cover([outline], box)
    cells = max(2, int(mask.shape[0] / figure.unit * 3)), max(2, int(mask.shape[1] / figure.unit * 20))
    grain = noise(rng, mask.shape, cells)
    shade = np.clip(1 + 0.6 * relief(mask, figure.light, 0.3 * figure.unit) + 0.15 * grain, 0.3, 1.6)
    lay(sheet, box, lit(figure.hair, shade), np.clip(mask * (1 + 0.2 * grain), 0, 1) * mask)


def _fringe(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    count = hair.most // 4
    local = np.stack([rng.uniform(-0.85, 0.85, count), rng.uniform(-0.95, -0.6, count) * figure.longness], 1)
    style = replace(hair.style, length=rng.uniform(0.4, 1.0), gravity=1.0, volume=0.1, thick=0.1)
    far = Scalp(figure.head - (0, 3 * figure.unit), np.array([1.0, 1.0]) * figure.unit, 0.0)
    paths = grow(rng, place(local, figure.head, figure.unit, figure.tilt), far, style, keep_off=False)
    draw_mass(rng, sheet, paths[::3], Mass(style.thick, figure.unit, figure.hair * 0.9))
    draw_strands(sheet, paths, hair.shades, hair.cover, hair.scale)


def draw_flyaways(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    """Draw thin single hairs that stand off, some of them barely seen, in place."""
    count = int(hair.most * rng.choice([0.02, 0.06, 0.25], p=[0.45, 0.4, 0.15]) + 3)
    style = replace(
        hair.style, length=hair.style.length * rng.uniform(0.3, 1.1) + 0.12, volume=rng.uniform(0.15, 1.0),
        frizz=rng.uniform(0.4, 1.0), gravity=hair.style.gravity * rng.uniform(0.5, 1.1),
    )  # fmt: skip
    paths = grow(rng, _roots(rng, figure, count, (-1.9, 1.9), (0.9, 1.1)), scalp_of(figure), style)
    half = count // 2
    for some, gain, most in ((paths[:half], rng.uniform(0.9, 1.2), 3), (paths[half:], 1.0, 12)):
        draw_strands(sheet, some, hair.shades * gain, cover_of(figure.unit, rng.uniform(1, most), 2))


def draw_beard(rng: np.random.Generator, sheet: F32, figure: Figure, hair: Hairdo) -> None:
    """Draw a beard along the jaw, from stubble to long, in place."""
    length = rng.choice([0.08, rng.uniform(0.15, 0.4), rng.uniform(0.4, 1.6)])
    count = hair.most // 2
    angle = rng.uniform(1.75, 2 * np.pi - 1.75, count)
    radius = rng.uniform(0.55, 0.98, count)
    local = np.stack([np.sin(angle) * radius * 0.85, -np.cos(angle) * radius * figure.longness], 1)
    local = local[~((np.abs(local[:, 0]) < 0.35) & (np.abs(local[:, 1] - 0.5 * figure.longness) < 0.12))]
    style = replace(hair.style, length=length, gravity=rng.uniform(0.4, 1), volume=0.7, thick=rng.uniform(0.06, 0.14))
    scalp = scalp_of(figure)
    paths = grow(rng, place(local, figure.head, figure.unit, figure.tilt), scalp, style, keep_off=False)
    if length > 0.1:
        draw_mass(rng, sheet, paths[::4], Mass(style.thick, figure.unit, figure.hair * 0.8))
    draw_strands(sheet, paths, hair.shades, hair.cover, hair.scale)
