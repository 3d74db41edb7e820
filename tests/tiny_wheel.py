"""Wheels of a few bytes, and a pip that knows no other place than the folder they lie in."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

REQUIREMENT = "tiny-weights==1.0"


def write_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """Write a wheel of the package tiny-weights 1.0 with these files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    about = "tiny_weights-1.0.dist-info"
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def pip_knows_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip look into this folder, and nowhere else."""
    _forget_settings(monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def pip_asks_only(index_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip ask this index, and no other."""
    _forget_settings(monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", index_url)


def _forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
