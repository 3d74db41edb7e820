"""Fitted weights: the entry that a fit leaves beside the file it wrote, and what a path to weights stands for."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from models.errors import EntryUnreadable, HashMismatch, WeightsUnreadable
from models.parameters import Parameter, checked
from models.safetensors_file import is_safetensors, read_metadata
from models.weights import file_sha256

ENTRY = "weights.json"
PARAMETERS = "parameters"  # of what a file of safetensors says of itself: as of FittedWeights, a JSON object


@dataclass(frozen=True, slots=True)
class FittedWeights:
    """Describe a file with weights that was fitted here; `model` is the architecture, `file` lies beside the entry.

    parameters: of the model, those with which it was fitted and judged where they are not the usual ones.
    """

    name: str
    model: str
    file: str
    sha256: str
    licence: str
    size_bytes: int
    parameters: dict[str, Parameter] = field(default_factory=dict)


def write_entry(folder: Path, fitted: FittedWeights) -> Path:
    """Write the entry into the folder of its file and return its path; whole or not at all."""
    path = folder / ENTRY
    temporary = folder / f".{ENTRY}.{uuid.uuid4().hex}"
    try:
        with temporary.open("w") as file:
            file.write(json.dumps(asdict(fitted), indent=1, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_entry(path: Path) -> FittedWeights:
    """Read an entry, or that of a folder. Raises EntryUnreadable, with what is wrong with it."""
    path = path / ENTRY if path.is_dir() else path
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as err:
        raise EntryUnreadable.at(path, "there is no such file") from err
    except (OSError, ValueError) as err:
        raise EntryUnreadable.at(path, str(err)) from err
    if not isinstance(found, dict):
        raise EntryUnreadable.at(path, "it is no table of names")
    found.setdefault("parameters", {})  # entries of the first fits have none
    kinds = {"size_bytes": int, "parameters": dict}
    for one in fields(FittedWeights):
        if type(found.get(one.name)) is not kinds.get(one.name, str):
            raise EntryUnreadable.at(path, f"{one.name!r} is {found.get(one.name)!r}")
    if Path(found["file"]).name != found["file"]:
        raise EntryUnreadable.at(path, f"'file' is {found['file']!r}, which does not lie beside it")
    return FittedWeights(**{one.name: found[one.name] for one in fields(FittedWeights)})


def weights_of(path: Path) -> Path:
    """Return the file with weights that a path stands for: itself, or what the entry of a fit names, verified.

    path: a file with weights, a folder that a fit wrote, or its entry. Raises EntryUnreadable and HashMismatch.
    """
    if not _is_of_fit(path):
        return path
    fitted = read_entry(path)
    folder = path if path.is_dir() else path.parent
    file = folder / fitted.file
    if not file.is_file():
        raise EntryUnreadable.at(folder / ENTRY, f"it names {fitted.file}, which is not there")
    found = file_sha256(file)
    if found != fitted.sha256:
        raise HashMismatch.at(file, fitted.sha256, found, f"of {ENTRY} beside it")
    return file


def parameters_of(path: Path) -> dict[str, Parameter]:
    """Return the parameters with which weights were fitted, as their entry says or else the file itself, or none.

    path: as for `weights_of`. Raises EntryUnreadable and WeightsUnreadable.
    """
    is_of_fit = _is_of_fit(path)
    if is_of_fit:
        found = read_entry(path).parameters
    elif path.is_file() and is_safetensors(path):
        found = _table(read_metadata(path).get(PARAMETERS, "{}"))
    else:
        return {}
    try:
        return {name: checked(name, value) for name, value in found.items()}
    except (KeyError, TypeError, ValueError) as err:
        kind = EntryUnreadable if is_of_fit else WeightsUnreadable
        raise kind.at(path, f"its parameters are {found!r}, which no model has: {err}") from err


def _table(text: str) -> dict[str, Parameter]:
    """Read a JSON object; what is none becomes a parameter that no model has."""
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {str(found): ""}


def _is_of_fit(path: Path) -> bool:
    return path.is_dir() or path.name == ENTRY
