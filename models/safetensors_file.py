"""Files of safetensors: named tensors and a few words about them, without any code inside. Torch is imported late."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import WeightsUnreadable

if TYPE_CHECKING:
    from torch import Tensor

# a file starts with the length of its header, 8 bytes little-endian, and the header is a JSON object
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
METADATA = "__metadata__"
# of fewer dimensions are biases and what BatchNorm counts: a variance of 1e-9 would be 0 in half precision
HALVED_FROM_DIMS = 2


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file is one of safetensors, whole or not."""
    with path.open("rb") as file:
        start = file.read(LENGTH_BYTES + 1)
    n_header = int.from_bytes(start[:LENGTH_BYTES], "little")
    return start[LENGTH_BYTES:] == b"{" and 0 < n_header <= MAX_HEADER_BYTES


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors onto the CPU, as they are stored. Raises WeightsUnreadable."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        # from memory and not mapped: a file that is replaced meanwhile changes no network
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as err:
        raise WeightsUnreadable.at(path, f"a damaged safetensors file ({err})") from err


def read_metadata(path: Path) -> dict[str, str]:
    """Read what a file says of itself: text by name, empty where it says nothing. Raises WeightsUnreadable."""
    try:
        with path.open("rb") as file:
            n_header = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = json.loads(file.read(min(n_header, MAX_HEADER_BYTES)))
    except (OSError, ValueError) as err:
        raise WeightsUnreadable.at(path, f"not a safetensors file ({err})") from err
    found = header.get(METADATA, {}) if isinstance(header, dict) else {}
    return {str(name): str(text) for name, text in found.items()}


def write_safetensors(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, half: bool = False
) -> None:
    """Write a state dict and text about it, by name; whole or not at all, and the same bytes for the same input.

    half: convolutions in half precision; biases and all of BatchNorm stay float32. Raises ValueError for numbers that
    are not finite, or not in half precision, by the tensor's name.
    """
    from safetensors.torch import save

    body = _with_sorted_metadata(
        save({key: _stored(key, state[key], half) for key in sorted(state)}, dict(metadata or {}))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _stored(key: str, tensor: Tensor, half: bool) -> Tensor:
    """Return a tensor's own copy on the CPU, in the type it is stored in."""
    import torch

    halved = half and tensor.is_floating_point() and tensor.ndim >= HALVED_FROM_DIMS
    found = tensor.detach().to("cpu", torch.float16 if halved else tensor.dtype, copy=True).contiguous()
    if found.is_floating_point() and not found.isfinite().all():
        where = " in half precision" if halved else ""
        raise ValueError(f"{key} holds numbers that are not finite{where}: the network cannot be stored")
    return found


def _with_sorted_metadata(body: bytes) -> bytes:
    """Bring the metadata of a file into order: the package writes them in another one each time."""
    n_header = int.from_bytes(body[:LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(body[LENGTH_BYTES : LENGTH_BYTES + n_header])
    if METADATA in header:
        header[METADATA] = dict(sorted(header[METADATA].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(LENGTH_BYTES, "little") + text + body[LENGTH_BYTES + n_header :]
