"""Files with weights: where they come from, where they lie, and that they are the right ones.

Importing this never imports torch, reads no environment and touches no network.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models.checkpoints import identify, load_state_dict, load_strict
from models.download import download
from models.errors import DownloadFailed, HashMismatch, UnknownModel
from models.registry import ENTRIES, names_without_weights

__all__ = [
    "WEIGHTS",
    "Fetched",
    "Weights",
    "fetch",
    "fetch_file",
    "file_sha256",
    "identify",
    "load_state_dict",
    "load_strict",
    "locate",
    "verify_hash",
]

BGMV2_RELEASE = "https://github.com/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0"
READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Weights:
    """Describe a file: `sources` in the order to try; sha256 and size_bytes None where nobody published them.

    All sources hold the same network; a later one may be another format, which `load_state_dict` reads as well. Each
    is kept under its own file name, the last part of the source.
    """

    name: str
    file_name: str
    sources: tuple[str, ...]
    sha256: str | None
    licence: str
    size_bytes: int | None


class Fetched(NamedTuple):
    """Hold a verified file; first_use says that its hash was recorded now, for want of a published one."""

    path: Path
    sha256: str
    first_use: bool


def _bgmv2(name: str) -> Weights:
    backbone = name.split("-")[1]
    file_name = f"pytorch_{backbone}.pth"
    sources = (f"{BGMV2_RELEASE}/{file_name}", f"{BGMV2_RELEASE}/torchscript_{backbone}_fp32.pth")
    return Weights(name, file_name, sources, sha256=None, licence="MIT", size_bytes=None)


WEIGHTS: dict[str, Weights] = {name: _bgmv2(name) for name, known in ENTRIES.items() if known.weights is not None}


def locate(name: str, cache: Path) -> Path | None:
    """Return the file with a model's weights in the cache folder, None where there is none. Raises UnknownModel."""
    return _locate_file(_weights(name), cache)


def fetch(name: str, cache: Path, progress: Callable[[int, int | None], None] | None = None) -> Fetched:
    """Bring a model's weights into the cache folder and verify them; see `fetch_file`. Raises UnknownModel besides."""
    return fetch_file(_weights(name), cache, progress)


def fetch_file(weights: Weights, cache: Path, progress: Callable[[int, int | None], None] | None = None) -> Fetched:
    """Bring a file into the cache folder and verify it; one that is there is only verified.

    progress is called with the bytes at hand and the bytes of the whole file (None where unknown). May be repeated:
    a download that was cut goes on where it ended. Raises DownloadFailed and HashMismatch.
    """
    at_hand = _locate_file(weights, cache)
    if at_hand is not None:
        return _verify(at_hand, weights.sha256 if at_hand.name == weights.file_name else None)
    cache.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    for source in weights.sources:
        path = cache / _file_name(source)
        try:
            part = download(source, path, progress)
        except OSError as err:
            tried.append(f"{source}: {err}")
            continue
        published = weights.sha256 if path.name == weights.file_name else None
        fetched = _verify(part, published, path)
        os.replace(part, path)
        return fetched
    raise DownloadFailed.of(weights.file_name, tried, cache, names_without_weights())


def verify_hash(path: Path) -> Fetched:
    """Check a file against its published hash, else against the hash recorded beside it, which is made on first use.

    Raises HashMismatch, and FileNotFoundError where the file is not there.
    """
    published = {weights.file_name: weights.sha256 for weights in WEIGHTS.values()}
    return _verify(path, published.get(path.name))


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _weights(name: str) -> Weights:
    if name not in WEIGHTS:
        raise UnknownModel.named(name, tuple(WEIGHTS))
    return WEIGHTS[name]


def _file_name(source: str) -> str:
    return source.rsplit("/", 1)[-1]


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _locate_file(weights: Weights, cache: Path) -> Path | None:
    candidates = (cache / _file_name(source) for source in weights.sources)
    return next((path for path in candidates if path.is_file()), None)


def _verify(file: Path, published: str | None, path: Path | None = None) -> Fetched:
    """Verify a file that is or will be at `path`; a `.part` that is wrong is deleted, a file of that name never."""
    path = path or file
    found = file_sha256(file)
    expected, origin = published, "published"
    if expected is None:
        expected, origin = _recorded(path), f"recorded on first use in {_record(path).name}"
    if expected is not None and expected != found:
        if file != path:
            file.unlink()
        raise HashMismatch.at(path, expected, found, origin)
    if expected is None:
        temporary = _record(path).with_name(f"{_record(path).name}.part")
        temporary.write_text(f"{found}  {path.name}\n")
        os.replace(temporary, _record(path))
    return Fetched(path, found, first_use=expected is None)


def _recorded(path: Path) -> str | None:
    record = _record(path)
    words = record.read_text().split() if record.is_file() else []
    return words[0] if words else None
