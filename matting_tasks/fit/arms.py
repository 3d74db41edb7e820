"""Arms and hands, bare or in sleeves."""

from __future__ import annotations

import numpy as np

from matting_tasks.fit.figure import Figure, fill, neck_base
from matting_tasks.fit.shapes import F32, F64, limb, place

_DOWN = [(-0.1, 0.5), (0.3, 0.9), (0.5, 0.9), (0.3, 1.2), (1.4, 2.6)]  # of the upper arm against down, radians
_BEND = [(-0.3, 0.1), (-2.3, -1.3), (-2.0, -1.2), (1.3, 2.6), (-0.3, 1.0)]  # of the elbow, radians


def draw_arm(rng: np.random.Generator, sheet: F32, figure: Figure, surface: F32, joint: tuple[float, float]) -> F64:
    """Draw an arm with its hand, hanging, bent, on the hip, raised or stretched, in place.

    `joint` is the shoulder's, in units from the base of the neck; its sign says which arm. Returns it in pixels (2,).
    """
    side = np.sign(joint[0])
    shoulder = np.array([joint[0], joint[1] + rng.normal(0, 0.05)])
    pose = int(rng.choice(5, p=[0.3, 0.2, 0.15, 0.25, 0.1]))
    upper, lower = rng.uniform(2.1, 2.8), rng.uniform(1.9, 2.5)
    down = [rng.uniform(*span) for span in _DOWN]
    bend = [rng.uniform(*span) for span in _BEND]
    first, second = down[pose], down[pose] + bend[pose]
    elbow = shoulder + upper * np.array([side * np.sin(first), np.cos(first)])
    wrist = elbow + lower * np.array([side * np.sin(second), np.cos(second)])
    girth = rng.uniform(0.36, 0.6)
    base = neck_base(figure)
    whole = limb(np.stack([shoulder, elbow, wrist]), [girth, girth * 0.85, girth * 0.5])
    _cover_arm(rng, sheet, figure, surface, (whole, np.stack([shoulder, elbow, wrist]), girth))
    hand = place(wrist, base, figure.unit, figure.lean)
    ahead = place(wrist, base, figure.unit, figure.lean) - place(elbow, base, figure.unit, figure.lean)
    draw_hand(rng, sheet, figure, hand, float(np.arctan2(ahead[1], ahead[0])))
    return place(shoulder, base, figure.unit, figure.lean)


def _cover_arm(rng: np.random.Generator, sheet: F32, figure: Figure, surface: F32, arm: tuple[F64, F64, float]) -> None:
    """Draw an arm, given as outline, joints (3, 2) and half-width in units: bare, in a short or in a long sleeve."""
    (whole, (shoulder, elbow, wrist), girth), base = arm, neck_base(figure)
    bare = rng.random()
    if bare < 0.5:
        fill(sheet, [place(whole, base, figure.unit, figure.lean)], figure, figure.tone, 0.25)
    if bare >= 0.15:
        end = wrist if bare >= 0.5 else shoulder + (elbow - shoulder) * rng.uniform(0.5, 1.0)
        middle = elbow if bare >= 0.5 else (shoulder + end) / 2
        sleeve = limb(
            np.stack([shoulder, middle, end]), [girth * 1.2, girth * rng.uniform(1, 1.4), girth * rng.uniform(0.7, 1.3)]
        )
        fill(sheet, [place(sleeve, base, figure.unit, figure.lean)], figure, surface, 0.25)


def draw_hand(rng: np.random.Generator, sheet: F32, figure: Figure, at: F64, heading: float) -> None:
    """Draw a hand at a wrist (2,) in pixels, pointing along `heading` (radians): open, bent or a fist, in place."""
    size = figure.unit * rng.uniform(0.75, 1.0)
    spread, mirror = rng.uniform(0.05, 0.42), rng.choice([-1, 1])
    openness = rng.choice([1.0, rng.uniform(0.3, 1), 0.25])
    palm = limb(np.array([[-0.15, 0.0], [0.3, 0.0], [0.62, 0.0]]), [0.24, 0.36, 0.36])
    outlines = [palm]
    for index, (offset, length) in enumerate([(-0.27, 0.62), (-0.09, 0.72), (0.09, 0.68), (0.27, 0.52)]):
        angle = (index - 1.5) * spread + rng.normal(0, 0.06)
        reach = length * np.clip(openness + rng.normal(0, 0.15), 0.2, 1.05)
        tip = np.array([0.72 + reach * np.cos(angle), offset + reach * np.sin(angle)])
        outlines.append(limb(np.array([[0.6, offset], (np.array([0.66, offset]) + tip) / 2, tip]), [0.105, 0.1, 0.075]))
    thumb = rng.uniform(0.2, 1.1)
    tip = np.array([0.2 + 0.62 * np.cos(thumb), -0.25 - 0.6 * np.sin(thumb)])
    outlines.append(limb(np.array([[0.1, -0.18], (np.array([0.2, -0.25]) + tip) / 2, tip]), [0.14, 0.12, 0.09]))
    turned = [place(outline * (1, mirror), at, size, heading) for outline in outlines]
    fill(sheet, turned, figure, figure.tone * rng.uniform(0.9, 1.05), 0.08)
