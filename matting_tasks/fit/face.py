"""The head without its hair: outline, ears, and a simple face."""

from __future__ import annotations

import cv2
import numpy as np

from matting_tasks.fit.cloth import skin
from matting_tasks.fit.figure import Figure
from matting_tasks.fit.pictures import Pictures
from matting_tasks.fit.records import U8
from matting_tasks.fit.shapes import F32, F64, bounds, cover, lumpy, place
from matting_tasks.fit.sheets import lay, lit, relief


def head_outline(rng: np.random.Generator, figure: Figure) -> F64:
    """Draw the outline (96, 2) of a head in units around its centre: narrower towards the chin, turned a little."""
    outline = lumpy(rng, (1.0, figure.longness), 0.012, rng.uniform(1.95, 2.5))
    below = np.clip(outline[:, 1] / figure.longness, 0, 1)
    outline[:, 0] *= 1 - rng.uniform(0.12, 0.38) * below**1.6
    outline[:, 0] += figure.turn * 0.12 * below
    if abs(figure.turn) > 0.7:
        _profile(rng, outline, figure)
    return outline


def _profile(rng: np.random.Generator, outline: F64, figure: Figure) -> None:
    """Push out nose, lips and chin on the side to which a face is turned, in place."""
    side = np.sign(figure.turn)
    height, there = outline[:, 1] / figure.longness, outline[:, 0] * side > 0
    for middle, spread, most in ((0.22, 0.09, 0.3), (0.55, 0.07, 0.1), (0.85, 0.1, 0.16), (-0.15, 0.1, -0.1)):
        bump = most * rng.uniform(0.3, 1) * np.exp(-(((height - middle) / spread) ** 2))
        outline[:, 0] += side * bump * there


def draw_head(rng: np.random.Generator, sheet: F32, figure: Figure, textures: Pictures) -> None:
    """Draw head, ears and face, lit, in place."""
    outlines = [place(head_outline(rng, figure), figure.head, figure.unit, figure.tilt)]
    ears = rng.uniform(0.1, 0.28), rng.uniform(0.22, 0.36)
    for side in (-1, 1):
        ear = lumpy(rng, ears, 0.05) + (side * (0.98 - max(0.0, side * figure.turn) * 0.25), rng.uniform(0, 0.12))
        outlines.append(place(ear, figure.head, figure.unit, figure.tilt))
    box = bounds(np.concatenate(outlines), sheet.shape[:2])
    if box is None:
        return
    mask = cover(outlines, box)
    surface = skin(rng, textures, mask.shape, figure.tone)
    shade = 1 + rng.uniform(0.5, 1.0) * relief(mask, figure.light, 0.4 * figure.unit)
    colour = lit(surface, np.clip(shade, 0.2, 1.5))
    face = _Face(rng, cv2.convertScaleAbs(colour), figure, (box[2], box[0]))
    lay(sheet, box, face.drawn(), mask)


class _Face:
    """Draw the features of a face on a picture of a head; places in units from the head's centre."""

    def __init__(self, rng: np.random.Generator, picture: U8, figure: Figure, corner: tuple[int, int]) -> None:
        self._rng, self._picture, self._figure, self._corner = rng, picture, figure, np.array(corner, float)
        self._mix = rng.uniform(0.5, 1.0)

    def drawn(self) -> F32:
        """Return the picture (h, w, 3) RGB 0..255 with cheeks, eyes, brows, nose and mouth, a little soft."""
        plain = self._picture.astype(np.float32)
        if self._rng.random() < 0.06:
            return plain
        rng, long = self._rng, self._figure.longness
        eye_y, apart = rng.uniform(-0.12, 0.08) * long, rng.uniform(0.36, 0.5)
        mouth_y = rng.uniform(0.46, 0.58) * long
        self._cheeks(eye_y, mouth_y)
        for side in (-1, 1):
            self._eye(side * apart, eye_y)
            self._brow(side * apart, eye_y - rng.uniform(0.22, 0.34), side)
        self._nose(eye_y, mouth_y)
        self._mouth(mouth_y)
        soft = cv2.GaussianBlur(self._picture, (0, 0), max(0.4, 0.02 * self._figure.unit)).astype(np.float32)
        return np.asarray(soft * self._mix + plain * (1 - self._mix), np.float32)

    def _at(self, points: F64) -> F64:
        figure = self._figure
        shifted = points + np.array([figure.turn * 0.35, 0.0])
        return np.asarray(place(shifted, figure.head, figure.unit, figure.tilt) - self._corner)

    def _shape(self, points: F64, colour: F32 | F64 | tuple[float, ...]) -> None:
        fixed = np.round(self._at(points) * 16).astype(np.int32)
        cv2.fillPoly(self._picture, [fixed], tuple(float(c) for c in np.clip(colour, 0, 255)), cv2.LINE_AA, 4)

    def _eye(self, x: float, y: float) -> None:
        rng = self._rng
        theta = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(theta), np.sin(theta)], 1)
        open_by = rng.uniform(0.02, 0.1)
        self._shape(ring * (0.26, open_by + 0.06) + (x, y), self._figure.tone * 0.72)
        self._shape(ring * (0.19, open_by) + (x, y), (225, 220, 215))
        gaze = rng.uniform(-0.06, 0.06)
        self._shape(ring * (0.09, min(0.09, open_by)) + (x + gaze, y), rng.uniform(20, 110, 3))
        self._shape(ring * (0.04, min(0.04, open_by)) + (x + gaze, y), (10, 10, 10))

    def _brow(self, x: float, y: float, side: int) -> None:
        rng, thick = self._rng, self._rng.uniform(0.02, 0.08)
        lift = rng.uniform(-0.06, 0.1)
        upper = np.array([[-0.26, 0.04 + lift * -side], [0, -0.05 - thick], [0.26, 0.04 + lift * side]])
        lower = np.array([[0.24, 0.07 + lift * side], [0, thick], [-0.24, 0.07 + lift * -side]])
        self._shape(np.concatenate([upper, lower]) + (x, y), self._figure.hair * rng.uniform(0.5, 1.0))

    def _nose(self, eye_y: float, mouth_y: float) -> None:
        tip = eye_y + (mouth_y - eye_y) * self._rng.uniform(0.6, 0.72)
        tone, lit = self._figure.tone, self._figure.light[0]
        wide = self._rng.uniform(0.13, 0.24)
        bridge = np.array([[0.0, eye_y], [0.05, eye_y], [wide, tip], [0.0, tip + 0.05]])
        self._shape(bridge, tone * (1 + 0.12 * lit))
        self._shape(bridge * (-1, 1), tone * (1 - 0.12 * lit))
        self._shape(np.array([[-wide, tip], [0, tip + 0.02], [wide, tip], [0.0, tip + 0.08]]), tone * 0.55)

    def _mouth(self, y: float) -> None:
        rng = self._rng
        wide, up, curve = rng.uniform(0.28, 0.45), rng.uniform(0.04, 0.1), rng.uniform(-0.06, 0.1)
        lips = self._figure.tone * np.array([0.95, 0.62, 0.62]) * rng.uniform(0.7, 1.05)
        x = np.linspace(-1, 1, 9)
        upper = np.stack([x * wide, y - up * (1 - x**2) - curve * (1 - x**2)], 1)
        lower = np.stack([x * wide, y + up * 1.3 * (1 - x**2)], 1)
        self._shape(np.concatenate([upper, lower[::-1]]), lips)
        if rng.random() < 0.3:
            self._shape(
                np.concatenate([upper * (0.8, 1), lower[::-1] * (0.8, 1)]) * (1, 0.6) + (0, y * 0.4), (60, 20, 20)
            )
        else:
            self._shape(np.stack([np.r_[x, x[::-1]] * wide, y + np.r_[0 * x - 0.012, 0 * x + 0.012]], 1), lips * 0.5)

    def _cheeks(self, eye_y: float, mouth_y: float) -> None:
        middle = (eye_y + mouth_y) / 2
        theta = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(theta), np.sin(theta)], 1) * 0.28
        over = self._picture.copy()
        own, self._picture = self._picture, over
        for side in (-1, 1):
            self._shape(ring + (side * 0.55, middle), self._figure.tone * np.array([1.05, 0.85, 0.85]))
        self._picture = own
        blurred = cv2.GaussianBlur(over, (0, 0), max(0.5, 0.12 * self._figure.unit))
        mixed = cv2.addWeighted(own, 1 - 0.4 * self._mix, blurred, 0.4 * self._mix, 0)
        self._picture[:] = mixed
