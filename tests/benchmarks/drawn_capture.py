"""A capture for benchmarks, in the gha layout: drawn in a moment at any size, with files as large as a camera's.

    <root>/<subject>/background/image_<camera>.jpg
    <root>/<subject>/images/<frame:04d>/image_<camera>.jpg, visible_<camera>.jpg

A head with a soft edge before a textured wall, and a sensor's noise: about 1 MB a frame of 2048 x 2048.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

MARKER = "drawn.json"
SUBJECT = "031"
N_PICTURES = 2
"""Pictures that are drawn for each camera; its frames take them in turns."""
PAD = 157 / 2048
"""Share of the width that is black on either side, as in the crop of Gaussian-Head-Avatar."""


@dataclass(frozen=True)
class Drawn:
    """How many cameras and frames of which size."""

    n_cameras: int
    n_frames: int
    width: int
    height: int
    pads: bool = True

    @property
    def name(self) -> str:
        """Return the name of the capture's folder."""
        return f"{self.n_cameras}x{self.n_frames}-{self.width}x{self.height}{'' if self.pads else '-native'}"


def cached_capture(work: Path, drawn: Drawn) -> Path:
    """Return the folder of a capture, drawn once for all that use `work`."""
    root = work / "captures" / drawn.name
    wanted = json.dumps(asdict(drawn))
    if not (root / MARKER).is_file() or (root / MARKER).read_text() != wanted:
        shutil.rmtree(root, ignore_errors=True)
        draw_capture(root, drawn)
        (root / MARKER).write_text(wanted)
    return root


def draw_capture(root: Path, drawn: Drawn) -> None:
    """Draw a capture under `root`."""
    visible = _jpeg(np.where(_inside(drawn), np.uint8(255), np.uint8(0)))
    for number in range(drawn.n_cameras):
        camera = f"2222000{number:02d}"
        rng = np.random.default_rng(number)
        wall = draw_wall(drawn.width, drawn.height, rng)
        _write(root / SUBJECT / "background" / f"image_{camera}.jpg", _jpeg(_exposed(wall, drawn, rng)))
        pictures = []
        for turn in range(min(N_PICTURES, drawn.n_frames)):
            alpha = draw_alpha(drawn.width, drawn.height, turn, rng)[..., None]
            pictures.append(_jpeg(_exposed(wall * (1 - alpha) + _skin(drawn, rng) * alpha, drawn, rng)))
        for frame in range(drawn.n_frames):
            folder = root / SUBJECT / "images" / f"{frame:04d}"
            _write(folder / f"image_{camera}.jpg", pictures[frame % len(pictures)])
            if drawn.pads:
                _write(folder / f"visible_{camera}.jpg", visible)


def draw_alpha(width: int, height: int, turn: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the alpha of a head and shoulders with strands of hair: (H, W) float32, 0..1."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5 - 0.02 * turn, y / height
    head = ((x / 0.2) ** 2 + ((y - 0.42) / 0.27) ** 2) ** 0.5
    shoulders = ((x / 0.45) ** 2 + ((y - 1.05) / 0.35) ** 2) ** 0.5
    hair = _texture(width, height, 160, rng) * 0.10 * np.clip(0.75 - y, 0, 0.5)
    softness = np.float32(0.03)
    alpha = np.maximum((1 - head + hair) / softness, (1 - shoulders) / (softness / 4))
    return np.asarray(np.clip(alpha + 0.5, 0, 1), np.float32)


def draw_wall(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a wall: (H, W, 3) float32, 0..255."""
    wall = rng.uniform(90, 150, 3).astype(np.float32) + 25 * _texture(width, height, 6, rng)[..., None]
    return np.asarray(wall + 6 * _texture(width, height, width // 8, rng)[..., None], np.float32)


def _skin(drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
    tone = np.array([190, 150, 130], np.float32) + 12 * _texture(drawn.width, drawn.height, 30, rng)[..., None]
    return np.asarray(tone + 8 * _texture(drawn.width, drawn.height, drawn.width // 4, rng)[..., None], np.float32)


def _exposed(scene: np.ndarray, drawn: Drawn, rng: np.random.Generator) -> np.ndarray:
    """Add a sensor's noise and the black pads: (H, W, 3) uint8 RGB."""
    noisy = scene + rng.standard_normal(scene.shape, dtype=np.float32) * 4
    return np.where(_inside(drawn)[..., None], np.clip(noisy, 0, 255), 0).astype(np.uint8)


def _inside(drawn: Drawn) -> np.ndarray:
    """Return the pixels that the sensor sees: (H, W) bool."""
    inside = np.ones((drawn.height, drawn.width), dtype=bool)
    if drawn.pads:
        pad = round(drawn.width * PAD)
        inside[:, :pad] = inside[:, drawn.width - pad :] = False
    return inside


def _texture(width: int, height: int, n_cells: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise of about n_cells bumps across: (H, W) float32."""
    shape = max(2, n_cells * height // width), max(2, n_cells)
    coarse = rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _jpeg(pixels: np.ndarray) -> bytes:
    """Encode (H, W) or (H, W, 3) RGB at quality 94."""
    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 94])
    return data.tobytes()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
