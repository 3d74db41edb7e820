"""The error tree.

    CleanplateError
    ├── UsageError          exit 2   what was asked cannot be understood, or is not a capture
    │   ├── NotACapture
    │   └── NothingSelected
    ├── Refused             exit 4   understood, and not done: it would harm what is there
    │   ├── RecipeDiffers
    │   ├── ForeignMasks
    │   ├── CaptureDiffers
    │   ├── SchemaUnknown
    │   │   └── SchemaNewer
    │   └── WeightsRefused
    ├── Fault               exit 1   ours, or the infrastructure's
    │   ├── StoreFault
    │   ├── NoRoom
    │   ├── DeviceFault
    │   ├── InputChanged
    │   ├── NodesUnfit
    │   └── WorkersDied
    └── InputFault          never leaves matte_shard: it becomes the status of a row

A message says what was expected, what was found and what to do.
"""

from __future__ import annotations


class CleanplateError(Exception):
    """Base of all errors that cleanplate raises on purpose."""

    exit_code = 1


class UsageError(CleanplateError):
    """Say that a setting or an argument cannot be used."""

    exit_code = 2


class NotACapture(UsageError):
    """Say that a folder is not a capture in a known layout."""


class NothingSelected(UsageError):
    """Say that a selection matches no frame."""


class Refused(CleanplateError):
    """Say that cleanplate will not go on, because it would harm what is there."""

    exit_code = 4


class RecipeDiffers(Refused):
    """Say that an output root was made by another recipe."""


class ForeignMasks(Refused):
    """Say that masks lie in the output root that no receipt names."""


class CaptureDiffers(Refused):
    """Say that an output root belongs to another capture."""


class SchemaUnknown(Refused):
    """Say that a file of ours has a schema that this version cannot read."""


class SchemaNewer(SchemaUnknown):
    """Say that a newer version of cleanplate wrote a file."""


class WeightsRefused(Refused):
    """Say that weights are not at hand or do not fit."""


class Fault(CleanplateError):
    """Say that something broke which is neither the user's nor the input's fault."""

    exit_code = 1


class StoreFault(Fault):
    """Say that a store cannot be read or written."""


class NoRoom(Fault):
    """Say that a store is full, or has too little room for what is planned."""


class DeviceFault(Fault):
    """Say that the demanded device is not there or failed."""


class InputChanged(Fault):
    """Say that a file is not the one that the manifest names; the shard stays uncommitted."""


class NodesUnfit(Fault):
    """Say that no node of a cluster has what a worker needs."""


class WorkersDied(Fault):
    """Say that workers cannot be started."""


class InputFault(CleanplateError):
    """Carry why one frame cannot be matted; `status` is the status of its row."""

    def __init__(self, status: str, message: str) -> None:
        """Name the status of the row and the reason."""
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        """Return the reason."""
        return self.message
