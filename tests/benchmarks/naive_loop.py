"""The naive loop: what the usual per-frame script of this field does, written plainly, timed by phase.

A batch of one in float32; frame and plate are decoded for every frame, turned to float on the CPU, and sent through the
whole published network; alpha * 255 is cut off to uint8, repeated to three channels, shrunk by plain bilinear
interpolation, and both are saved as JPEGs of the library's usual quality. Prints one line of JSON.
Run by naive.py; alone: python tests/benchmarks/naive_loop.py CAPTURE OUT MODEL WEIGHTS DEVICE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
import torch
from benchmarks.published_order import PublishedOrder
from torch import Tensor, nn

from models import registry
from models.checkpoints import load_state_dict

LOWRES_PX = 256
PHASES = ("decode frame", "decode plate", "to float and device", "network", "to masks", "encode and write")

Read = Callable[[Path], np.ndarray]
Write = Callable[[Path, np.ndarray], None]


def picture_files() -> tuple[str, Read, Write]:
    """Return imageio's way to read and write pictures, or Pillow's, which it goes by, where imageio is not there."""
    try:
        import imageio.v2 as imageio
    except ImportError:
        from PIL import Image

        return "pillow", lambda path: np.asarray(Image.open(path)), lambda path, data: Image.fromarray(data).save(path)
    return "imageio", lambda path: np.asarray(imageio.imread(path)), lambda path, data: imageio.imwrite(path, data)


def build_network(model: str, weights: Path, device: str) -> nn.Module:
    """Build the published network with the published defaults, computed in the published order, in float32."""
    parameters = registry.parameters_read(model, {})
    kind, _, backbone = model.partition("-")
    network: nn.Module = registry.entry(model).build(parameters)
    if kind == "mattingrefine":
        network = PublishedOrder(backbone, **parameters)  # type: ignore[arg-type]
    network.load_state_dict(load_state_dict(weights))
    return network.eval().to(device)


def to_float(pixels: np.ndarray, device: str) -> Tensor:
    """Turn (H, W, 3) uint8 into (1, 3, H, W) float on the CPU, and send it to the device."""
    return (torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255)[None].to(device)


def to_masks(pha: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Cut alpha (1, 1, H, W) off to uint8: the mask (H, W, 3), and the bilinear one of 256 x 256."""
    mask = (pha[0, 0].cpu().numpy() * 255).astype(np.uint8)
    mask = np.repeat(mask[..., None], 3, axis=2)
    return mask, cv2.resize(mask, (LOWRES_PX, LOWRES_PX))


@torch.no_grad()
def matte_capture(capture: Path, out: Path, network: nn.Module, device: str) -> list[list[float]]:
    """Matte every frame of every camera; return the seconds of each frame by phase."""
    _, read, write = picture_files()
    took = []
    for plate_path in sorted(capture.glob("*/background/image_*.jpg")):
        subject, camera = plate_path.parts[-3], plate_path.stem.removeprefix("image_")
        for frame_path in sorted((capture / subject / "images").glob(f"*/image_{camera}.jpg")):
            marks = [time.perf_counter()]
            frame = read(frame_path)
            marks.append(time.perf_counter())
            plate = read(plate_path)
            marks.append(time.perf_counter())
            src, bgr = to_float(frame, device), to_float(plate, device)
            marks.append(time.perf_counter())
            pha = network(src, bgr).pha
            if device != "cpu":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())
            mask, lowres = to_masks(pha)
            marks.append(time.perf_counter())
            folder = out / frame_path.relative_to(capture).parent
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / f"mask_{camera}.jpg", mask)
            write(folder / f"mask_lowres_{camera}.jpg", lowres)
            marks.append(time.perf_counter())
            took.append(np.diff(marks).tolist())
    return took


def main() -> None:
    started = time.perf_counter()
    capture, out, model, weights, device = sys.argv[1:6]
    torch.backends.cudnn.benchmark = False
    network = build_network(model, Path(weights), device)
    built_s = time.perf_counter() - started
    took = matte_capture(Path(capture), Path(out), network, device)
    rest = np.array(took[1:] or took)
    print(
        json.dumps(
            {
                "n_frames": len(took),
                "frames_per_s": len(rest) / rest.sum(),
                "build_s": built_s,
                "first_frame_s": sum(took[0]),
                "phases_s": dict(zip(PHASES, rest.mean(axis=0).tolist(), strict=True)),
                "pictures_by": picture_files()[0],
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
