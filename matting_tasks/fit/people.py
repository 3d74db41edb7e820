"""People made of nothing: cutouts with exact alpha, in stills and short sequences, for training.

Beauty is not the aim: outlines, textures and soft edges of all kinds are.
"""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.arms import draw_arm
from matting_tasks.fit.body import draw_hood, draw_legs, draw_neck, draw_torso
from matting_tasks.fit.cloth import any_colour, cloth, hair_colour, skin_tone
from matting_tasks.fit.extras import draw_earrings, draw_glasses, draw_hat, draw_headphones, draw_thing, draw_veil
from matting_tasks.fit.face import draw_head
from matting_tasks.fit.figure import Figure, neck_base
from matting_tasks.fit.finish import any_finish, finished
from matting_tasks.fit.hairdo import Hairdo, any_hairdo, draw_back, draw_beard, draw_flyaways, draw_front
from matting_tasks.fit.motion import Motion, Part, any_motion, moved
from matting_tasks.fit.oddities import draw_hands, draw_shape
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import U8, Cutout
from matting_tasks.fit.shapes import F32, F64
from matting_tasks.fit.sheets import blank, lay_sheet, straight


def draw_person(rng: np.random.Generator, textures: Pictures, size: tuple[int, int], n_frames: int = 1) -> Cutout:
    """Draw a person, now and then two, or a shape that is none, for a picture of `size` (height, width).

    Several frames show the same person moving smoothly. The drawing follows from `rng` and the textures alone.
    """
    moving = n_frames > 1 or rng.random() < 0.12
    margin = int(0.12 * max(size)) if moving else 0
    wide = (size[0] + 2 * margin, size[1] + 2 * margin)
    parts, neck = _parts(rng, textures, wide, size, margin)
    if moving:
        motion = any_motion(rng, size, rng.choice([0.1, 0.5, 1.0]) if n_frames > 1 else 1.5)
        inner = slice(margin, margin + size[0]), slice(margin, margin + size[1])
        frames = [_frame(parts, motion, neck, time)[inner] for time in range(n_frames)]
    else:
        frames = [_flat([part.sheet for part in parts])]
    finish = any_finish(rng, size)
    drawn = [straight(finished(frame, finish)) for frame in frames]
    return Cutout(np.stack([colour for colour, _ in drawn]), np.stack([alpha for _, alpha in drawn]))


def _parts(
    rng: np.random.Generator, textures: Pictures, wide: tuple[int, int], size: tuple[int, int], margin: int
) -> tuple[list[Part], F64]:
    pick = rng.random()
    figure = _figure(rng, size, margin)
    if pick < 0.06:
        return draw_shape(rng, textures, wide, figure), neck_base(figure)
    if pick < 0.09:
        return draw_hands(rng, wide, figure), neck_base(figure)
    parts = _person(rng, textures, wide, figure)
    if pick < 0.15:
        parts = _person(rng, textures, wide, _figure(rng, size, margin)) + parts
    return parts, neck_base(figure)


def _figure(rng: np.random.Generator, size: tuple[int, int], margin: int) -> Figure:
    height, width = size
    share = np.exp(rng.uniform(np.log(0.09), np.log(0.3))) if rng.random() < 0.3 else rng.uniform(0.25, 0.6)
    if rng.random() < 0.08:
        share = rng.uniform(0.6, 1.1)
    long = rng.uniform(1.2, 1.5)
    unit = max(3.0, share * height / 2 / long)
    top = rng.uniform(-0.1, 0.35) if share > 0.2 else rng.uniform(0.05, 0.7)
    angle, strength = rng.uniform(0, 6.28), rng.uniform(0.1, 1)
    lean = rng.normal(0, rng.choice([0.04, 0.1, 0.35], p=[0.5, 0.4, 0.1]))
    middle = width * np.clip(rng.normal(0.5, 0.16), 0, 1)
    return Figure(
        head=np.array([margin + middle, margin + top * height + long * unit]),
        unit=unit,
        lean=lean,
        tilt=lean * 0.6 + rng.normal(0, 0.12),
        turn=rng.uniform(-1, 1),
        light=(strength * np.cos(angle), strength * np.sin(angle)),
        tone=skin_tone(rng),
        hair=hair_colour(rng),
        longness=long,
        neck=rng.uniform(0.15, 0.6),
    )


def _person(rng: np.random.Generator, textures: Pictures, size: tuple[int, int], figure: Figure) -> list[Part]:
    neck, hair = neck_base(figure), any_hairdo(rng, figure)
    suit = cloth(rng, textures, size, figure.unit)
    body, joint = _body(rng, suit, figure)
    head, back, locks = blank(size), blank(size), blank(size)
    draw_head(rng, head, figure, textures)
    if hair is not None:
        _hair(rng, (back, head, locks), figure, hair)
    _on_head(rng, head, locks, figure, textures)
    parts = [Part(back, "hair", figure.head), Part(body, "body", neck)]
    if rng.random() < 0.5:
        parts.reverse()
    parts += [Part(head, "head", neck), Part(locks, "hair", figure.head)]
    parts += _arms(rng, textures, suit, figure, joint)
    if rng.random() < 0.08:
        veil = blank(size)
        draw_veil(rng, veil, figure, textures)
        parts.append(Part(veil, "veil", figure.head))
    if rng.random() < 0.08:
        _print_on(parts, textures.crop(rng, size[0], size[1], zoom=(0.2, 1.0)), rng.uniform(0.3, 0.95))
    return parts


def _print_on(parts: list[Part], picture: U8, share: float) -> None:
    for part in parts:
        alpha = cv2.merge([part.sheet[..., 3]] * 3)
        part.sheet[..., :3] = part.sheet[..., :3] * (1 - share) + alpha * picture * share


def _body(rng: np.random.Generator, suit: F32, figure: Figure) -> tuple[F32, tuple[float, float]]:
    body = blank((suit.shape[0], suit.shape[1]))
    if figure.unit * 8 < body.shape[0]:
        draw_legs(rng, body, figure, any_colour(rng) if rng.random() < 0.6 else suit)
    if rng.random() < 0.1:
        draw_hood(rng, body, figure, suit)
    draw_neck(rng, body, figure)
    return body, draw_torso(rng, body, figure, suit)


def _hair(rng: np.random.Generator, sheets: tuple[F32, F32, F32], figure: Figure, hair: Hairdo) -> None:
    back, head, locks = sheets
    draw_back(rng, back, figure, hair)
    if rng.random() < 0.2:
        draw_beard(rng, head, figure, hair)
    if rng.random() < 0.06:  # seen from behind
        draw_back(rng, locks, figure, hair)
    draw_front(rng, locks, figure, hair)
    draw_flyaways(rng, locks, figure, hair)


def _on_head(rng: np.random.Generator, head: F32, locks: F32, figure: Figure, textures: Pictures) -> None:
    if rng.random() < 0.22:
        draw_glasses(rng, head, figure)
    if rng.random() < 0.1:
        draw_earrings(rng, locks, figure)
    pick = rng.random()
    if pick < 0.1:
        draw_hat(rng, locks, figure, textures)
    elif pick < 0.16:
        draw_headphones(rng, locks, figure)


def _arms(
    rng: np.random.Generator, textures: Pictures, suit: F32, figure: Figure, joint: tuple[float, float]
) -> list[Part]:
    parts, size = [], (suit.shape[0], suit.shape[1])
    sleeves = suit if rng.random() < 0.85 else any_colour(rng)
    if rng.random() < 0.6:
        for side in (-1, 1):
            if rng.random() < 0.75:
                sheet = blank(size)
                pivot = draw_arm(rng, sheet, figure, sleeves, (side * joint[0], joint[1]))
                parts.append(Part(sheet, "arm", pivot))
    if rng.random() < 0.08:
        sheet = blank(size)
        draw_thing(rng, sheet, figure, textures)
        parts.append(Part(sheet, "arm", neck_base(figure)))
    return parts


def _flat(sheets: list[F32]) -> F32:
    total = sheets[0]
    for sheet in sheets[1:]:
        lay_sheet(total, sheet)
    return total


def _frame(parts: list[Part], motion: Motion, neck: F64, time: float) -> F32:
    return _flat([moved(part, motion, neck, time) for part in parts])
