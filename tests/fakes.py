"""Stand-ins for tests: pictures that anyone can make again, models of a few lines, folders that fail or remember."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from manifests.recipe import Numerics, Recipe
from manifests.records import FileStat, Frame, Plate, Shard
from manifests.storage_memory import MemoryFolder
from models.base import Matte

SUBJECT = "031"
CAMERA = "222200037"


class RedModel:
    """Call the red channel alpha and half-size blue the error; knows no plate, and each frame for itself."""

    uses_plate = False
    temporal = False

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        error = F.avg_pool2d(frames[0, :, 2:3], 2)[:, 0] if min(frames.shape[-2:]) > 1 else frames[0, :, 2]
        return Matte(frames[:, :, 0], error[None], None)


class DifferenceModel:
    """Call the largest difference of a channel from the plate alpha; no error map."""

    uses_plate = True
    temporal = False

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        assert plates is not None
        return Matte((frames - plates[:, None]).abs().amax(dim=2), None, None)


class FadingModel:
    """Call the fading mean of the red channel alpha: half is the frame's, half the frames' before; zeros first."""

    uses_plate = False
    temporal = True

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        self.shapes.append(tuple(frames.shape))
        mean = state if isinstance(state, Tensor) else torch.zeros_like(frames[:, 0, 0])
        alphas = []
        for number in range(frames.shape[1]):
            mean = (mean + frames[:, number, 0]) / 2
            alphas.append(mean)
        return Matte(torch.stack(alphas, dim=1), None, mean)


class RememberingFolder(MemoryFolder):
    """Remember the paths that were read and written, in order."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__(files)
        self.has_read: list[str] = []
        self.has_written: list[str] = []

    def read_with_stat(self, path: str) -> tuple[bytes, FileStat]:
        self.has_read.append(path)
        return super().read_with_stat(path)

    def write_atomic(self, path: str, data: bytes) -> None:
        super().write_atomic(path, data)
        self.has_written.append(path)


class FailingFolder(MemoryFolder):
    """Raise `error` at the write of this number, counted from 0, and at every later one."""

    def __init__(self, fails_at: int, error: OSError) -> None:
        super().__init__()
        self._fails_at = fails_at
        self._error = error
        self._n_writes = 0
        self._counter = threading.Lock()

    def write_atomic(self, path: str, data: bytes) -> None:
        with self._counter:
            number, self._n_writes = self._n_writes, self._n_writes + 1
        if number >= self._fails_at:
            raise self._error
        super().write_atomic(path, data)


def draw_picture(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Draw smooth waves and a little noise: (height, width, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(2 * np.pi * (rng.uniform(0.5, 2) * x / width + rng.uniform(0.5, 2) * y / height + rng.uniform()))
        for _ in range(3)
    ]
    values = 128 + 90 * np.stack(waves, axis=-1) + rng.normal(0, 6, (height, width, 3))
    return values.clip(0, 255).astype(np.uint8)


def to_jpeg(pixels: np.ndarray, *flags: int) -> bytes:
    """Encode (H, W, 3) uint8 RGB or (H, W) gray as a JPEG; flags are OpenCV's."""
    done, data = cv2.imencode(".jpg", pixels[:, :, ::-1] if pixels.ndim == 3 else pixels, list(flags))
    assert done
    return data.tobytes()


def to_png(pixels: np.ndarray) -> bytes:
    """Encode (H, W, 3 | 4) RGB(A) or (H, W) gray, 8 or 16 bit, as a PNG."""
    if pixels.ndim == 3:
        pixels = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(".png", pixels)
    assert done
    return data.tobytes()


def make_recipe(model: str = "red", uses_plate: bool = False, batch: int = 2, **changes: object) -> Recipe:
    """Return a recipe on the CPU in fp32."""
    known: dict[str, object] = {
        "temporal": False,
        "weights_sha256": None,
        "parameters": (),
        "missing_plate": "error",
        "numerics": Numerics("cpu", "fp32", batch, 1),
    }
    return Recipe(model=model, uses_plate=uses_plate, **(known | changes))  # type: ignore[arg-type]


def put_shard(
    capture: MemoryFolder,
    pictures: Iterable[bytes],
    plate: bytes | None = None,
    visible: Mapping[int, bytes] | None = None,
    camera: str = CAMERA,
    first_frame: int = 0,
) -> Shard:
    """Put frames, their plate and their visible masks into a folder in memory; return them as one shard."""
    frames = []
    for number, data in enumerate(pictures, first_frame):
        folder = f"{SUBJECT}/images/{number:04d}"
        path, visible_path = f"{folder}/image_{camera}.jpg", f"{folder}/visible_{camera}.jpg"
        capture.files[path] = data
        seen = (visible or {}).get(number)
        if seen is not None:
            capture.files[visible_path] = seen
        known = (None, None) if seen is None else (visible_path, _fingerprint(seen))
        frames.append(Frame(number, number, path, "image", len(data), _fingerprint(data), *known))
    plate_path = f"{SUBJECT}/background/image_{camera}.jpg"
    if plate is None:
        its_plate = Plate(SUBJECT, camera, None, "", "missing")
    else:
        capture.files[plate_path] = plate
        its_plate = Plate(SUBJECT, camera, plate_path, _fingerprint(plate), "ok", len(plate))
    return Shard(
        shard_id=f"_{camera}_{first_frame}-{first_frame + len(frames) - 1}_0123456789",
        subject=SUBJECT,
        sequence="",
        camera=camera,
        decision=0,
        recipe_id="0123456789abcdef",
        fingerprint_rule="stat",
        frames=tuple(frames),
        plate=its_plate,
    )


def with_sizes(shard: Shard) -> Shard:
    """Return a shard whose files are known by their size, which is the same in every store."""
    frames = tuple(replace(frame, fingerprint=f"{frame.size_bytes}") for frame in shard.frames)
    plate = shard.plate if shard.plate.path is None else replace(shard.plate, fingerprint=f"{shard.plate.size_bytes}")
    return replace(shard, frames=frames, plate=plate, fingerprint_rule="size")


def masks_in(out: MemoryFolder) -> dict[str, bytes]:
    """Return the masks in a folder in memory by their path."""
    return {path: data for path, data in sorted(out.files.items()) if "/mask_" in path}


def receipts_in(out: MemoryFolder) -> list[str]:
    """Return the paths of the receipts in a folder in memory."""
    return sorted(path for path in out.files if path.endswith(".parquet"))


def write_folder(folder: MemoryFolder, root: Path) -> None:
    """Copy a folder in memory to a disk."""
    for path, data in folder.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def on_cpu(pixels: np.ndarray) -> Tensor:
    """Bring (H, W, 3) uint8 to (3, H, W) float32, 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255


def _fingerprint(data: bytes) -> str:
    return f"{len(data)}-0"
