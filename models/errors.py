"""Errors of the models package.

ModelError
├── UnknownModel          no registry entry of this name
└── WeightsError
    ├── WeightsMissing    a file with weights is not at hand
    ├── WeightsMismatch   a file holds the weights of another network
    ├── WeightsUnreadable a file is damaged, or not a checkpoint
    ├── EntryUnreadable   what a fit left beside its weights is not there, or no entry
    ├── HashMismatch      a file is not the one that was expected
    └── DownloadFailed    no source could be read

A message says what was expected, what was found and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

N_NAMED = 4


class ModelError(Exception):
    """Be the base of all errors that this package raises on purpose."""


class UnknownModel(ModelError):
    """Say that no model has this name, with the nearest names and all names."""

    @classmethod
    def named(cls, name: str, names: Sequence[str]) -> UnknownModel:
        """Make the error for `name`, which is not among `names`."""
        near = difflib.get_close_matches(name, names, n=2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return cls(f"no model is named {name!r}.{hint} Known models: {', '.join(names)}")


class WeightsError(ModelError):
    """Be the base of all errors about files with weights."""


class WeightsMissing(WeightsError):
    """Say that a model needs a file with weights which is not there."""

    @classmethod
    def of(cls, name: str, file_name: str, source: object, folder: Path | str, usable: Iterable[str]) -> WeightsMissing:
        """Make the error for model `name`; `source` prints as the place, `usable` are the models that work now."""
        return cls(
            f"model {name} needs the weights {file_name}, which are not at hand. Get them from {source} and put the "
            f"file into {folder}. {_without_download(usable)}"
        )


class WeightsMismatch(WeightsError):
    """Say which keys and shapes of a checkpoint differ from the network's."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()

    @classmethod
    def between(
        cls,
        subject: str,
        missing: Sequence[str],
        unexpected: Sequence[str],
        shapes: Sequence[str],
        fits: Sequence[str],
    ) -> WeightsMismatch:
        """Make the error; `subject` is "weights.pth for model x", `fits` the models that the file does fit."""
        parts = [f"{subject} do not fit"]
        for keys, word in ((missing, "missing"), (unexpected, "unexpected"), (shapes, "of another shape")):
            if keys:
                parts.append(f"{len(keys)} keys {word}: {_few(keys)}")
        if fits:
            parts.append(f"this file fits {' and '.join(fits)}: use that model, or this model's own file")
        else:
            parts.append("this file fits no known model: check where it comes from")
        error = cls("; ".join(parts))
        error.missing, error.unexpected = tuple(missing), tuple(unexpected)
        error.shapes, error.fits = tuple(shapes), tuple(fits)
        return error


class WeightsUnreadable(WeightsError):
    """Say that a file cannot be read as a checkpoint."""

    @classmethod
    def at(cls, path: Path, reason: str) -> WeightsUnreadable:
        """Make the error for the file at `path`."""
        return cls(
            f"{path} cannot be read as weights: {reason}. Expected a PyTorch state dict (.pth), safetensors, a "
            f"TorchScript archive, or the float32 ONNX file of RobustVideoMatting; delete the file and fetch it again"
        )

    @classmethod
    def without(cls, path: Path, package: str) -> WeightsUnreadable:
        """Make the error for a file that only an optional package reads."""
        return cls(f"{path} is read with the package {package}, which is not installed: pip install {package}")


class EntryUnreadable(WeightsError):
    """Say that the entry of fitted weights cannot be used."""

    @classmethod
    def at(cls, path: Path, reason: str) -> EntryUnreadable:
        """Make the error for the entry at `path`."""
        return cls(
            f"{path} cannot be read as the entry of fitted weights: {reason}. Name the folder that cleanplate fit "
            f"wrote, or the file with weights itself"
        )


class HashMismatch(WeightsError):
    """Say that the sha256 of a file is not the expected one."""

    expected: str = ""
    found: str = ""

    @classmethod
    def at(cls, path: Path, expected: str, found: str, origin: str) -> HashMismatch:
        """Make the error for the file at `path`; `origin` says where the expected hash comes from."""
        error = cls(
            f"{path} is not the file that was expected: sha256 {expected} ({origin}), found {found}. Delete it and "
            f"fetch it again; if the change is wanted, delete the recorded hash beside it too"
        )
        error.expected, error.found = expected, found
        return error


class DownloadFailed(WeightsError):
    """Say that no source of a file could be read, and what can be done without it."""

    @classmethod
    def of(cls, file_name: str, tried: Sequence[str], folder: Path | str, usable: Iterable[str]) -> DownloadFailed:
        """Make the error; `tried` has one "source: reason" an attempt."""
        return cls(
            f"{file_name} could not be fetched. Tried {'; '.join(tried)}. Get the file by other means and put it "
            f"into {folder}. {_without_download(usable)}"
        )


def _without_download(names: Iterable[str]) -> str:
    """Say which models can be asked for at once; nobody gets another one without asking."""
    said = [f"--model {name}" for name in names]
    return f"{' or '.join(said)} works without any download"


def _few(keys: Sequence[str]) -> str:
    rest = len(keys) - N_NAMED
    return ", ".join(keys[:N_NAMED]) + (f" and {rest} more" if rest > 0 else "")
