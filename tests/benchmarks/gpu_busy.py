"""How busy the GPU is while something runs: the share of time in which any kernel ran, as the driver samples it."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_MS = 100
COMMAND = ("nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"-lms={EVERY_MS}")


@contextmanager
def gpu_busy(device: str) -> Iterator[dict[str, float]]:
    """Fill in `gpu_busy` (0..1), the mean over the time inside; nothing on a CPU, or where the driver does not tell."""
    found: dict[str, float] = {}
    if device == "cpu":
        yield found
        return
    try:
        sampler = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield found
        return
    try:
        yield found
    finally:
        sampler.terminate()
        said = sampler.communicate()[0].split()
    samples = [float(word) for word in said if word.isdecimal()]
    if samples:
        found["gpu_busy"] = statistics.fmean(samples) / 100
