"""Foregrounds with alpha for tests: a coloured disc, written in the layouts of datasets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

ORANGE = (230, 120, 20)


def disc(height: int = 80, width: int = 60, centre: tuple[int, int] = (40, 30), radius: int = 20) -> np.ndarray:
    """Draw an alpha, (height, width) uint8: a disc with a soft edge about centre (y, x)."""
    y, x = np.indices((height, width))
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.asarray(np.clip((radius + 1 - distance) / 3, 0, 1) * 255, np.uint8)


def pure(alpha: np.ndarray, colour: tuple[int, int, int] = ORANGE) -> np.ndarray:
    """Draw a foreground in one colour, black where alpha is 0: (H, W, 3) uint8, RGB."""
    return np.where(alpha[..., None] > 0, np.asarray(colour, np.uint8), np.uint8(0))


def photograph(alpha: np.ndarray, seed: int = 0) -> np.ndarray:
    """Compose a foreground over a noisy blue wall: (H, W, 3) uint8, RGB."""
    wall = np.random.default_rng(seed).integers(0, 90, (*alpha.shape, 3)) + np.array((0, 0, 150))
    share = alpha[..., None] / 255
    return np.asarray(np.asarray(ORANGE) * share + wall * (1 - share), np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    """Write RGB, RGBA or gray pixels, by the ending of the path; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    cv2.imwrite(str(path), cv2.cvtColor(pixels, order[pixels.shape[2]]) if pixels.ndim == 3 else pixels)
    return path


def write_pair(root: Path, name: str, alpha: np.ndarray, folders: tuple[str, str] = ("fg", "alpha")) -> None:
    """Write a foreground and its alpha in two folders: NAME.png in both."""
    write(root / folders[0] / f"{name}.png", pure(alpha))
    write(root / folders[1] / f"{name}.png", alpha)
