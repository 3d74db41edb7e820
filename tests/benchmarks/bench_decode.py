"""Print how long a JPEG of 2048 x 2048 and of 2200 x 3208 takes to decode, beside OpenCV, Pillow and imageio.

Run: python tests/benchmarks/bench_decode.py
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import imageio.v3
import numpy as np
from PIL import Image

from matting_tasks.decode import decode_image, read_header

SIZES = ((2048, 2048), (2200, 3208))
N_RUNS = 9
KINDS = {"baseline": (), "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)}

DECODERS: dict[str, Callable[[bytes], object]] = {
    "OpenCV": lambda jpeg: cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB),
    "decode_image": decode_image,
    "read_header": read_header,
    "Pillow": lambda jpeg: np.asarray(Image.open(io.BytesIO(jpeg))),
    "imageio": lambda jpeg: imageio.v3.imread(jpeg, extension=".jpg"),
}


def draw_jpeg(width: int, height: int, flags: tuple[int, ...]) -> bytes:
    """Draw soft shapes with a camera's noise, and encode them at quality 90."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = (soft + rng.normal(0, 4, soft.shape)).clip(0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90, *flags])
    return jpeg.tobytes()


def median_ms(jpeg: bytes) -> dict[str, float]:
    """Run the decoders in turns; return the median of each."""
    took: dict[str, list[float]] = {name: [] for name in DECODERS}
    for _ in range(N_RUNS):
        for name, decode in DECODERS.items():
            started = time.perf_counter()
            decode(jpeg)
            took[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in took.items()}


def main() -> None:
    cv2.setNumThreads(1)
    for width, height in SIZES:
        for kind, flags in KINDS.items():
            jpeg = draw_jpeg(width, height, flags)
            medians = median_ms(jpeg)
            print(f"{width} x {height} {kind}, {len(jpeg) / 1e6:.2f} MB")
            for name, ms in medians.items():
                print(f"  {name:14}{ms:8.1f} ms  x {ms / medians['OpenCV']:.2f}")


if __name__ == "__main__":
    main()
