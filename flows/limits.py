"""Limits: which values of QC's measures are bad, as a TOML file changes them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.errors import UsageError
from manifests.measures import Limits, change_limits, default_limits


def load_limits(path: Path | str | None) -> Limits | None:
    """Return the limits of a file such as `[holes]\\nreview = 0.01\\nfail = false`, None where none is named.

    What the file does not speak of is as in the table of measures. Raises UsageError.
    """
    if path is None:
        return None
    try:
        said = tomllib.loads(Path(path).expanduser().read_text())
    except FileNotFoundError as err:
        raise UsageError(f"--limits {path}: there is no such file.") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise UsageError(f"--limits {path} is not TOML: {err}.") from err
    except OSError as err:
        raise UsageError(f"--limits {path} cannot be read: {err}.") from err
    return change_limits(default_limits(), said)


def changes_of(limits: Limits) -> dict[str, list[float | None]]:
    """Return those limits that are not the table's, for JSON."""
    usual = default_limits().of
    return {name: list(pair) for name, pair in sorted(limits.of.items()) if usual.get(name) != pair}


def changed_by(changes: Mapping[str, Any]) -> Limits:
    """Return the limits of the table with these changes; a measure that there no longer is is left out."""
    usual = default_limits().of
    kept = {name: (pair[0], pair[1]) for name, pair in changes.items() if name in usual}
    return Limits({**usual, **kept})
