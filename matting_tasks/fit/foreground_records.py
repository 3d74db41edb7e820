"""What foregrounds of a user are: pictures and clips with their alphas, and the names of the folders that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manifests.errors import InputFault
from matting_tasks.decode import HEAD_BYTES, Header, read_header
from matting_tasks.pairs import ALPHA_FOLDERS

ALPHAS = ALPHA_FOLDERS | {"mask", "masks"}
PURE_FOLDERS = frozenset({"fg", "fgr", "foreground", "foregrounds"})
"""Folders of foregrounds; what lies in other folders is taken for whole photographs."""
PHOTO_FOLDERS = frozenset({"image", "images", "img", "imgs", "rgb", "original", "input", "frames"})
BACKGROUND_FOLDERS = frozenset({"bg", "bgs", "bgr", "background", "backgrounds"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its alpha; they are one file where the picture has an alpha channel."""

    name: str
    foreground: Path
    alpha: Path


@dataclass(frozen=True, slots=True)
class Clip:
    """A moving foreground: a video or the pictures of its frames in order, and its alphas likewise."""

    name: str
    foreground: Path | tuple[Path, ...]
    alpha: Path | tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Foregrounds:
    """All foregrounds of a place, the backgrounds that its list names, and by name what cannot be used, with why."""

    pictures: tuple[Pair, ...] = ()
    clips: tuple[Clip, ...] = ()
    backgrounds: tuple[Path, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


def checked(pairs: Sequence[Pair], clips: tuple[Clip, ...], faults: Mapping[str, str]) -> Foregrounds:
    """Put apart the pairs whose headers say that they do not fit."""
    kept, said = [], dict(faults)
    for pair in pairs:
        fault = _misfit(pair)
        if fault is None:
            kept.append(pair)
        else:
            said[pair.name] = fault
    return Foregrounds(tuple(kept), clips, (), said)


def _misfit(pair: Pair) -> str | None:
    if pair.foreground == pair.alpha:
        return None if has_alpha(pair.alpha) else "no alpha for this picture, and no alpha channel"
    headers = [header_of(path) for path in (pair.foreground, pair.alpha)]
    for header, path in zip(headers, (pair.foreground, pair.alpha), strict=True):
        if header is None:
            return f"{path.name} cannot be read as a JPEG or PNG"
    sizes = [f"{header.width}x{header.height}" for header in headers if header is not None]
    return None if sizes[0] == sizes[1] else f"the picture is {sizes[0]} pixels, its alpha {sizes[1]}"


def folders_of(path: str) -> set[str]:
    """Return the names of the folders of a path, in small letters."""
    return {part.lower() for part in path.split("/")[:-1]}


def has_alpha(path: Path) -> bool:
    """Tell whether a picture has an alpha channel."""
    header = header_of(path)
    return header is not None and header.kind == "PNG" and header.n_channels in (2, 4)


def header_of(path: Path) -> Header | None:
    """Read the header of a picture, None where it has none that can be read."""
    for size_bytes in (HEAD_BYTES, -1):  # profiles and previews can push the header far back
        try:
            with path.open("rb") as file:
                return read_header(file.read(size_bytes))
        except InputFault:
            continue
        except OSError:
            return None
    return None
