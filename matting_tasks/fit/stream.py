"""The stream: example after example of people before backgrounds, each a pure function of the seed and its number.

A drawn person is costly, so it is used in `REUSE` batches that follow each other, each time placed anew before another
background: a *turn* is as many batches. Whatever process makes a turn, and whenever, it is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from matting_tasks.fit.backgrounds import make_background
from matting_tasks.fit.compose import Batch, collate
from matting_tasks.fit.disturb import BEYOND, draw
from matting_tasks.fit.people import draw_person
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import U8, Cutout, Layers
from matting_tasks.fit.shapes import F32

REUSE = 4
MARGIN = 1.25  # a person is drawn larger than the frame, to be placed in it
EMPTY, FULL = 0.04, 0.03  # shares of frames without a person, and of frames that a person covers
CAMOUFLAGE = 0.18  # share of people who wear what is behind them
PLAIN = 0.4  # share of those who are dressed from head to foot in one colour of it
_PERSON, _PLACE, _FOUND = 1, 2, 3  # the purposes that random numbers are drawn for

Find = Callable[[np.random.Generator, tuple[int, int], int], Cutout]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Say what a stream makes: batches of n examples of T frames.

    least_px and most_px: of the sides of frames, which are multiples of `multiple_px` and the same within a turn.
    plate_share: the share of backgrounds that are the user's own plates, found_share that of people who are the user's
    own foregrounds; both 0..1 and of no effect where there are none. beyond_share, strength: see `disturb.draw`.
    camouflage_share: of people who wear what is behind them. beside: what every other turn is made by instead.
    """

    seed: int
    n_examples: int
    n_frames: int = 1
    least_px: int = 192
    most_px: int = 320
    multiple_px: int = 32
    plate_share: float = 0.5
    found_share: float = 0.5
    beyond_share: float = BEYOND
    strength: float = 1.0
    camouflage_share: float = CAMOUFLAGE
    beside: StreamSettings | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Hold what examples are made from: pictures, the user's own plates, and a reader of the user's own foregrounds."""

    pictures: Pictures
    plates: Pictures
    find: Find | None = None


def make_turn(settings: StreamSettings, sources: Sources, turn: int, own: range, n_batches: int = REUSE) -> list[Batch]:
    """Make the first batches of a turn, of each only the examples of `own`, a part of range(n_examples)."""
    if settings.beside is not None and turn % 2:
        settings = settings.beside
    size = _size(settings, turn)
    people = {place: _person(settings, sources, turn, place, size) for place in own}
    batches = []
    for step in range(turn * REUSE, turn * REUSE + n_batches):
        layers, drawn = [], []
        for place in own:
            rng = np.random.default_rng([settings.seed, _PLACE, step, place])
            layers.append(_make_layers(rng, people[place], settings, sources, size))
            drawn.append(draw(rng, settings.beyond_share, settings.strength))
        batches.append(collate(layers, drawn))
    return batches


def _size(settings: StreamSettings, turn: int) -> tuple[int, int]:
    """Choose height and width, each for itself, or in half of the turns the same."""
    rng = np.random.default_rng([settings.seed, turn])
    least, most = (side // settings.multiple_px for side in (settings.least_px, settings.most_px))
    first, second = (int(rng.integers(least, most + 1)) for _ in range(2))
    if rng.random() < 0.5:
        second = first
    return first * settings.multiple_px, second * settings.multiple_px


def _person(settings: StreamSettings, sources: Sources, turn: int, place: int, size: tuple[int, int]) -> Cutout:
    rng = np.random.default_rng([settings.seed, _PERSON, turn, place])
    if sources.find is not None and rng.random() < settings.found_share:
        return sources.find(rng, size, settings.n_frames)
    larger = (round(size[0] * MARGIN), round(size[1] * MARGIN))
    return draw_person(rng, sources.pictures, larger, settings.n_frames)


def _make_layers(
    rng: np.random.Generator, person: Cutout, settings: StreamSettings, sources: Sources, size: tuple[int, int]
) -> Layers:
    background = make_background(rng, sources.pictures, sources.plates, size, settings.plate_share)
    kind = rng.random()
    if kind < EMPTY:
        shape = (settings.n_frames, *size)
        return Layers(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8), background)
    placed = _placed(rng, person, size, closer=kind > 1 - FULL)
    if rng.random() < settings.camouflage_share:
        placed = _camouflaged(rng, placed, background)
    return Layers(placed.foreground, placed.alpha, background)


def _placed(rng: np.random.Generator, person: Cutout, size: tuple[int, int], closer: bool) -> Cutout:
    """Place a person in a frame: moved, turned, scaled, mirrored, the same in all its frames."""
    height, width = person.alpha.shape[1:]
    scale = rng.uniform(2.5, 4) if closer else np.exp(rng.uniform(np.log(0.7), np.log(1.5)))
    angle = rng.normal(0, 6) if rng.random() < 0.8 else rng.uniform(-35, 35)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, float(scale))
    if rng.random() < 0.5:
        matrix[:, :2] = matrix[:, :2] @ np.diag([-1.0, 1.0])
        matrix[:, 2] += scale * np.array([np.cos(np.deg2rad(angle)), -np.sin(np.deg2rad(angle))]) * width
    wander = 0.05 if closer else 0.18
    # people leave the picture at the bottom: it is not to be lifted off
    sideways, down = rng.normal(0, wander), abs(rng.normal(0, wander)) * rng.choice([1, 1, -0.4])
    matrix[:, 2] += [size[1] / 2 - width / 2 + sideways * size[1], size[0] / 2 - height / 2 + down * size[0]]
    foreground = [_warped(one, matrix, size, cv2.BORDER_REPLICATE) for one in person.foreground]
    # bodies go on below the drawing; what is cut at its other sides ends there
    grown = [cv2.copyMakeBorder(one, 0, height, 0, 0, cv2.BORDER_REPLICATE) for one in person.alpha]
    alpha = [_warped(np.asarray(one, np.uint8), matrix, size, cv2.BORDER_CONSTANT) for one in grown]
    return Cutout(np.stack(foreground), np.stack(alpha))


def _warped(picture: U8, matrix: np.ndarray, size: tuple[int, int], border: int) -> U8:
    return np.asarray(cv2.warpAffine(picture, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)


def _camouflaged(rng: np.random.Generator, person: Cutout, background: U8) -> Cutout:
    """Dress a person, whole or in part, in the colours of the background beside or behind it."""
    if rng.random() < PLAIN:
        cloth, part = _one_colour(rng, background), np.ones((1, 1, 1), np.float32)
    else:
        cloth, part = _shifted(rng, background), _patches(rng, background.shape[:2])
    share = part * rng.uniform(0.6, 1)
    mixed = person.foreground * (1 - share) + cloth * share
    return Cutout(np.rint(mixed).astype(np.uint8), person.alpha)


def _one_colour(rng: np.random.Generator, background: U8) -> U8:
    """Return a colour (3,) that a background has somewhere, a little brighter or darker."""
    y, x = (int(rng.integers(side - 15)) for side in background.shape[:2])
    colour = background[y : y + 16, x : x + 16].mean(axis=(0, 1)) * np.exp(rng.normal(0, 0.08))
    return np.asarray(np.clip(colour, 0, 255), np.uint8)


def _patches(rng: np.random.Generator, size: tuple[int, int]) -> F32:
    """Draw soft ellipses, 0..1 (height, width, 1), that cover a part of a picture or all of it."""
    height, width = size
    part = np.zeros(size, np.float32)
    for _ in range(rng.integers(1, 4)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.uniform(0.1, 0.6) * width), int(rng.uniform(0.1, 0.6) * height))
        cv2.ellipse(part, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(part, (0, 0), 4)[..., None], np.float32)


def _shifted(rng: np.random.Generator, background: U8) -> U8:
    """Return a background shifted by up to a third of its width, in half of the cases blurred."""
    width = background.shape[1]
    cloth = np.roll(background, int(rng.integers(-width // 3, width // 3 + 1)), axis=1)
    if rng.random() < 0.5:
        cloth = cv2.GaussianBlur(cloth, (0, 0), float(rng.uniform(1, 8)))
    return np.asarray(cloth, np.uint8)
