"""How our masks differ from those of the naive loop, change by change: of a network's alphas, and of a drawn one.

Prints one line of JSON. Run by naive.py; alone:
python tests/benchmarks/mask_differences.py CAPTURE NAIVE_OUT OUR_OUT RECIPE.json WEIGHTS DEVICE N_FRAMES
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import torch
from benchmarks.drawn_capture import draw_alpha
from benchmarks.mask_columns import LEVELS
from benchmarks.naive_loop import LOWRES_PX, build_network, picture_files, to_float, to_masks

from manifests.recipe import Recipe
from models import registry
from models.base import takes_bytes

OLD_QUALITY, OUR_QUALITY = 75, 95
VISIBLE_FROM = 128

Stages = dict[str, np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]


def full_stages(pha: np.ndarray, ours: np.ndarray, visible: np.ndarray, files: Pair) -> Stages:
    """Return the visible pixels of full masks (n,) uint8 from the naive one to ours, a change at a time.

    pha, ours: (H, W) float32, 0..1, of the plain network and of ours; visible: (H, W) bool; files: the naive and our
    mask as they are read from their files.
    """
    stages = {
        "naive mask": files[0],
        "without its JPEG of quality 75": (pha * 255).astype(np.uint8),
        "rounded, not cut off": _rounded(pha),
        "by our network": _rounded(ours),
        "in our JPEG of quality 95": files[1],
    }
    return {name: mask[visible] for name, mask in stages.items()}


def lowres_stages(pha: np.ndarray, ours: np.ndarray, visible: np.ndarray, files: Pair) -> Stages:
    """Return the visible pixels of lowres masks (n,) uint8 likewise; see `full_stages`."""
    cut = (pha * 255).astype(np.uint8)
    stages = {
        "naive mask": files[0],
        "without its JPEG of quality 75": cv2.resize(cut, (LOWRES_PX, LOWRES_PX)),
        "averaged over areas, not bilinear": _shrunk(cut.astype(np.float32) / 255),
        "from alpha, rounded once": _shrunk(pha),
        "by our network": _shrunk(np.where(visible, ours, 0)),
        "in our JPEG of quality 95": files[1],
    }
    inside = _shrunk(visible.astype(np.float32)) == 255
    return {name: mask[inside] for name, mask in stages.items()}


def compare(several: Iterable[Stages]) -> list[dict[str, Any]]:
    """Return for each change how far masks move by it, and how far they are from the naive ones after it.

    Mean |difference| in levels of 255, and the share of pixels within some levels, over all pictures.
    """
    pictures = list(several)
    names = list(pictures[0])
    found = []
    for before, name in zip(names, names[1:], strict=False):
        step = np.concatenate([_distance(one[before], one[name]) for one in pictures])
        total = np.concatenate([_distance(one[names[0]], one[name]) for one in pictures])
        found.append({"change": name, "step": _figures(step), "from naive": _figures(total)})
    return found


def of_network(words: list[str]) -> dict[str, Any]:
    """Compare the files of two runs, with both networks run once more on some frames."""
    capture, naive_out, our_out = (Path(word) for word in words[:3])
    recipe, device = Recipe.from_record(json.loads(Path(words[3]).read_text())), words[5]
    plain = build_network(recipe.model, Path(words[4]), device)
    named = recipe.model, dict(recipe.parameters), Path(words[4]), device, recipe.numerics.precision
    ours = registry.build_for_masks(*named)
    full, lowres = [], []
    for frame_path in _sample(capture, int(words[6])):
        camera, folder = frame_path.stem.removeprefix("image_"), frame_path.parent.relative_to(capture)
        plate_path = capture / folder.parts[0] / "background" / frame_path.name
        alphas = _alphas(plain, ours, recipe, frame_path, plate_path, device)
        seen = frame_path.with_name(f"visible_{camera}.jpg")
        visible = _gray(seen) >= VISIBLE_FROM if seen.is_file() else np.ones(alphas[0].shape, dtype=bool)
        names = f"mask_{camera}.jpg", f"mask_lowres_{camera}.jpg"
        files = [(_gray(naive_out / folder / name), _gray(our_out / folder / name)) for name in names]
        full.append(full_stages(*alphas, visible, files[0]))
        lowres.append(lowres_stages(*alphas, visible, files[1]))
    return {"full": compare(full), "lowres": compare(lowres), "n_frames": len(full)}


def of_drawn(size_px: int) -> dict[str, Any]:
    """Compare the two ways on a drawn alpha of a head with hair, which no network has to find."""
    alpha = draw_alpha(size_px, size_px, 0, np.random.default_rng(0))
    visible = np.ones(alpha.shape, dtype=bool)
    old_full, old_lowres = (mask[..., 0] for mask in to_masks(torch.from_numpy(alpha)[None, None]))
    full = _coded(old_full, OLD_QUALITY), _coded(_rounded(alpha), OUR_QUALITY)
    lowres = _coded(old_lowres, OLD_QUALITY), _coded(_shrunk(alpha), OUR_QUALITY)
    return {
        "full": compare([full_stages(alpha, alpha, visible, full)]),
        "lowres": compare([lowres_stages(alpha, alpha, visible, lowres)]),
        "n_frames": 1,
    }


@torch.no_grad()
def _alphas(plain: Any, ours: Any, recipe: Recipe, frame_path: Path, plate_path: Path, device: str) -> Pair:
    _, read, _ = picture_files()
    src, bgr = to_float(read(frame_path), device), to_float(read(plate_path), device)
    pha = plain(src, bgr).pha[0, 0].float().cpu().numpy()
    if takes_bytes(ours):
        frames, plates = (src * 255).round().byte(), (bgr * 255).round().byte()
    else:
        dtype = getattr(torch, registry.PRECISIONS[recipe.numerics.precision])
        frames, plates = src.to(dtype), bgr.to(dtype)
    matte = ours.matte(frames[None], plates)
    return pha, matte.alpha[0, 0].float().clamp(0, 1).cpu().numpy()


def _sample(capture: Path, n_frames: int) -> list[Path]:
    """Return frames spread over all cameras."""
    paths = sorted(capture.glob("*/images/*/image_[0-9]*.jpg"), key=lambda path: (path.name, path.parent.name))
    step = max(1, len(paths) // n_frames)
    return paths[::step][:n_frames]


def _figures(distance: np.ndarray) -> dict[str, float]:
    within = {f"within {level}": float((distance <= level).mean()) for level in LEVELS}
    return {"mean": float(distance.mean())} | within


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).astype(np.uint8)


def _rounded(alpha: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor(np.clip(alpha, 0, 1) * 255 + 0.5), dtype=np.uint8)


def _shrunk(alpha: np.ndarray) -> np.ndarray:
    small = cv2.resize(alpha.astype(np.float32), (LOWRES_PX, LOWRES_PX), interpolation=cv2.INTER_AREA)
    return _rounded(small)


def _coded(mask: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.merge([mask, mask, mask]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., 0])


def _gray(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., 0])


def main() -> None:
    words = sys.argv[1:]
    first = next(iter(_sample(Path(words[0]), 1)))
    print(json.dumps({"network": of_network(words), "drawn": of_drawn(cv2.imread(str(first)).shape[0])}))


if __name__ == "__main__":
    main()
