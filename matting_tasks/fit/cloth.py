"""What surfaces of a person look like: cloth, patterns, pictures, folds, skin tones and hair colours."""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.shapes import F32
from matting_tasks.fit.sheets import lit, noise

_SKIN = np.array(
    [[250, 226, 212], [240, 200, 176], [224, 172, 138], [198, 140, 104], [156, 104, 72], [110, 70, 48], [68, 42, 32]],
    np.float32,
)
_HAIR = np.array(
    [[22, 18, 18], [44, 30, 24], [72, 48, 32], [112, 76, 46], [150, 82, 44], [196, 160, 104], [226, 206, 160],
     [140, 138, 136], [224, 222, 218]],
    np.float32,
)  # fmt: skip


def skin_tone(rng: np.random.Generator) -> F32:
    """Draw a skin tone (3,) RGB 0..255, from very pale to very dark."""
    at = rng.uniform(0, len(_SKIN) - 1)
    low = int(at)
    tone = _SKIN[low] + (at - low) * (_SKIN[min(low + 1, len(_SKIN) - 1)] - _SKIN[low])
    return np.asarray(np.clip(tone * rng.normal(1, 0.04, 3) * rng.uniform(0.8, 1.06), 8, 255), np.float32)


def hair_colour(rng: np.random.Generator) -> F32:
    """Draw a hair colour (3,) RGB 0..255, now and then a dyed one."""
    if rng.random() < 0.08:
        return rng.uniform(10, 240, 3).astype(np.float32)
    weights = rng.dirichlet(np.full(len(_HAIR), 0.25))
    return np.asarray(np.clip(weights @ _HAIR * rng.uniform(0.7, 1.2), 5, 250), np.float32)


def any_colour(rng: np.random.Generator) -> F32:
    """Draw a colour of cloth (3,) RGB 0..255: black, white, grey, dull or bright."""
    level = rng.choice([rng.uniform(8, 45), rng.uniform(60, 190), rng.uniform(200, 250)])
    return np.asarray(np.clip(level + rng.normal(0, rng.choice([4.0, 25.0, 70.0]), 3), 3, 252), np.float32)


def _pattern(rng: np.random.Generator, size: tuple[int, int], unit: float) -> F32:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), unit * rng.uniform(0.08, 0.8)
    bend = noise(rng, size, (5, 5)) * period * rng.uniform(0, 0.5)
    along = (x * np.cos(turn) + y * np.sin(turn) + bend) * (2 * np.pi / period)
    across = (y * np.cos(turn) - x * np.sin(turn) + bend) * (2 * np.pi / period)
    waves = np.sin(along) if rng.random() < 0.5 else np.sin(along) * np.sin(across)
    share = np.clip((waves - rng.uniform(-0.5, 0.5)) * rng.uniform(2, 8) + 0.5, 0, 1)[..., None]
    return np.asarray(any_colour(rng) * share + any_colour(rng) * (1 - share), np.float32)


def cloth(rng: np.random.Generator, textures: Pictures, size: tuple[int, int], unit: float) -> F32:
    """Make cloth (h, w, 3) RGB 0..255 without light: plain, a pattern, or a piece of a picture, with folds."""
    pick = rng.random()
    if pick < 0.4:
        surface = any_colour(rng)
    elif pick < 0.62:
        surface = _pattern(rng, size, unit)
    else:
        piece = textures.crop(rng, size[0], size[1], zoom=(0.1, 0.9))
        surface = cv2.convertScaleAbs(piece, alpha=rng.uniform(0.5, 1.1), beta=rng.uniform(0, 20)).astype(np.float32)
    folds = noise(rng, size, (int(rng.integers(3, 9)), int(rng.integers(3, 14)))) * rng.uniform(0.02, 0.16)
    weave = noise(rng, size, (size[0] // 3, size[1] // 3)) * rng.uniform(0, 0.05)
    return lit(surface, 1 + folds + weave)


def skin(rng: np.random.Generator, textures: Pictures, size: tuple[int, int], tone: F32) -> F32:
    """Make skin (h, w, 3) RGB 0..255 without light: the tone, blotches, and the fine structure of a picture."""
    shade = 1 + 0.05 * noise(rng, size, (4, 4)) + rng.uniform(0, 0.03) * noise(rng, size, (size[0] // 2, size[1] // 2))
    if rng.random() < 0.6:
        grey = cv2.cvtColor(textures.crop(rng, size[0], size[1], zoom=(0.1, 0.5)), cv2.COLOR_RGB2GRAY).astype(
            np.float32
        )
        shade += rng.uniform(0.05, 0.5) / 255 * (grey - cv2.mean(grey)[0])
    return lit(tone, shade.astype(np.float32))
