"""The device of this process: which one, by which name, and set so that equal inputs give equal bits."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

import cv2
import torch

from manifests.errors import DeviceFault
from manifests.recipe import Numerics

MALLOC_OPTIONS = {
    -4: 0,  # M_MMAP_MAX: no mapping of its own for a large tensor
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: what was freed stays with the process
    -2: 64 << 20,  # M_TOP_PAD, bytes: grow in large steps
    -8: 1,  # M_ARENA_MAX: threads share what was kept
}
"""Options of mallopt(3), by the numbers of glibc's malloc.h."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device_class(device: str) -> str:
    """Return `cpu` or `cuda:<name of the GPU>` for auto | cpu | cuda | cuda:N; raises DeviceFault if it is not there.

    `auto` is the first GPU where there is one.
    """
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    number = int(device.partition(":")[2] or 0)
    n_gpus = count_gpus()
    if number >= n_gpus:
        raise DeviceFault(
            f"--device {device} was asked for, and this machine shows {n_gpus} GPUs to torch {torch.__version__}. "
            "Check nvidia-smi and that this torch was built for CUDA, or use --device cpu."
        )
    return f"cuda:{torch.cuda.get_device_name(number)}"


def set_up_device(device: str, numerics: Numerics) -> torch.device:
    """Prepare this process for a recipe's numerics and return the device; raises DeviceFault if it cannot follow."""
    wanted = "cpu" if numerics.device_class == "cpu" else device if device.startswith("cuda") else "cuda"
    found = device_class(wanted)
    if found != numerics.device_class:
        raise DeviceFault(
            f"this worker has the device {found}, the recipe is pinned to {numerics.device_class}: masks would differ "
            "in their last bits. Run on that device, or go on with this one by --device and --replace."
        )
    if numerics.decoder == "simplejpeg" and find_spec("simplejpeg") is None:
        raise DeviceFault(
            "The recipe has its JPEGs decoded and encoded by simplejpeg, and this machine has none: install it with "
            "pip install simplejpeg."
        )
    if found == "cpu":
        keep_memory()
    cv2.setNumThreads(1)  # the threads of a shard are ours
    torch.set_num_threads(numerics.intra_op_threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device(wanted)


def keep_memory() -> None:
    """Have glibc keep the memory of this process's tensors instead of giving it back and asking for it again.

    A network on a CPU frees and takes hundreds of megabytes a frame. Left alone, half of RobustVideoMatting's time goes
    into fresh pages. Nothing happens where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in MALLOC_OPTIONS.items():
        mallopt(option, value)


def gpu_has_bf16(device: str) -> bool:
    """Tell whether a GPU multiplies in bf16 itself: those before Ampere only emulate it, slowly."""
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def count_gpus() -> int:
    """Count the GPUs that this process may use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
