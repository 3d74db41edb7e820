"""Checkpoints: files read safely into state dicts, state dicts loaded strictly. Importing this never imports torch."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import WeightsMismatch, WeightsUnreadable
from models.onnx_weights import read_folded
from models.registry import architectures, entry
from models.safetensors_file import is_safetensors, read_safetensors

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model")
# the release has no MattingBase files: its MattingRefine files hold the same base network, and these keys besides
REFINER_PREFIX = "refiner."
# the entries whose ONNX files can be read
ONNX_PREFIX = "rvm-"
# a protobuf message of ONNX starts with its field 1, the format's version; neither a pickle nor an archive does
ONNX_START = b"\x08"


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint onto the CPU: a state dict, wrapped or not, safetensors, TorchScript, ONNX.

    The content says what a file is, not its name. Half precision becomes float32. Never runs code from a pickle; a
    TorchScript archive is read by torch.jit, which is for trusted files only. For what an ONNX file must be, see
    `models.onnx_weights`: the segmentation head of its state dict is zeros.
    Raises WeightsUnreadable, and FileNotFoundError.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with warnings.catch_warnings():
            # of formats that are old, as the published files are
            warnings.simplefilter("ignore")
            found = _read(path)
    except (
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        LookupError,
        TypeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as err:
        raise WeightsUnreadable.at(path, f"damaged or not a checkpoint ({_first_line(err)})") from err
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    return _checked(found, path)


def load_strict(model: nn.Module, state: Mapping[str, Tensor], name: str, path: Path | str) -> None:
    """Give a network (which may be on the meta device) exactly these weights, for the registry entry `name`.

    A MattingBase entry takes a MattingRefine file: the known keys under "refiner." are dropped, nothing else. Raises
    WeightsMismatch with the missing and unexpected keys, other shapes, and the entries that the file does fit.
    """
    shapes = _shapes(model.state_dict())
    state = _without_refiner(state, name)
    found = _shapes(state)
    if found != shapes:
        raise WeightsMismatch.between(
            f"the weights {Path(path).name} for model {name}",
            missing=[key for key in shapes if key not in found],
            unexpected=[key for key in found if key not in shapes],
            shapes=[
                f"{key} (expected {list(shapes[key])}, found {list(found[key])})"
                for key in shapes
                if key in found and shapes[key] != found[key]
            ],
            fits=[other for other in identify(state) if other != name],
        )
    model.load_state_dict(state, strict=True, assign=True)


def check_fits(name: str, path: Path) -> None:
    """Read a file and raise what `load_strict` would raise for the registry entry `name`; nothing is kept."""
    load_strict(_skeleton(name), load_state_dict(path), name, path)


def identify(state: Mapping[str, Tensor]) -> list[str]:
    """List the architectures of the registry that a state dict fits, by keys and shapes."""
    return [name for name in architectures() if entry(name).weights is not None and _fits(state, name)]


def _fits(state: Mapping[str, Tensor], name: str) -> bool:
    return _shapes(_without_refiner(state, name)) == _network_shapes(name)


def _network_shapes(name: str) -> dict[str, tuple[int, ...]]:
    return _shapes(_skeleton(name).state_dict())


def _skeleton(name: str) -> nn.Module:
    """Build a network without memory for its weights."""
    import torch

    with torch.device("meta"):
        network: nn.Module = entry(name).build({})
    return network


def _without_refiner(state: Mapping[str, Tensor], name: str) -> Mapping[str, Tensor]:
    """Drop the refiner's known keys for an entry of the base network."""
    kind, _, backbone = entry(name).architecture.partition("-")
    if kind != "mattingbase":
        return state
    known = {key for key in _network_shapes(f"mattingrefine-{backbone}") if key.startswith(REFINER_PREFIX)}
    return {key: tensor for key, tensor in state.items() if key not in known}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def _read(path: Path) -> Any:
    if is_safetensors(path):  # first: the length of its header may begin as an ONNX file does
        return read_safetensors(path)
    if _is_onnx(path):
        return read_folded(path, {name: _skeleton(name) for name in architectures() if name.startswith(ONNX_PREFIX)})
    return _read_torchscript(path) if _is_torchscript(path) else _read_pickle(path)


def _is_onnx(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() == ".onnx" or file.read(len(ONNX_START)) == ONNX_START


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        # <archive>/constants.pkl and <archive>/code/ make a TorchScript archive; torch.save writes neither
        inside = {member.partition("/")[2] for member in archive.namelist()}
    return "constants.pkl" in inside and any(member.startswith("code/") for member in inside)


def _read_torchscript(path: Path) -> Any:
    import torch

    return dict(torch.jit.load(str(path), map_location="cpu").state_dict())  # type: ignore[no-untyped-call]


def _read_pickle(path: Path) -> Any:
    import torch

    with path.open("rb") as file:  # of a path, torch.load lets the name say what the file is
        return torch.load(file, map_location="cpu", weights_only=True)


def _checked(found: Any, path: Path) -> dict[str, Tensor]:
    import torch

    if not isinstance(found, Mapping) or not found:
        raise WeightsUnreadable.at(path, f"it holds a {type(found).__name__} and no named tensors")
    others = [str(key) for key, value in found.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise WeightsUnreadable.at(path, f"{len(others)} of its values are no tensors, such as {others[0]!r}")
    return {key: _full(value) for key, value in found.items()}


def _full(tensor: Tensor) -> Tensor:
    """Bring half precision to float32, in which networks are put together before their precision is chosen."""
    import torch

    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _first_line(err: BaseException) -> str:
    return str(err).strip().split("\n")[0][:160] or type(err).__name__
