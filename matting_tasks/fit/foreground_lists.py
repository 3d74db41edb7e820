"""Lists of foregrounds in the layouts of matting datasets: PPM-100 and Composition-1k."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from manifests.layouts.pattern import PICTURES
from matting_tasks.fit.foreground_records import (
    ALPHAS,
    BACKGROUND_FOLDERS,
    PHOTO_FOLDERS,
    PURE_FOLDERS,
    Foregrounds,
    Pair,
    checked,
    folders_of,
    has_alpha,
)
from matting_tasks.pairs import TRIMAP_FOLDERS


def read_list(path: Path) -> Foregrounds:
    """Read a list of stills, a line each: `fg alpha`, `fg bg` or `fg bg trimap`; files that lines repeat count once.

    Names are relative to the folder of the list or the one above, parted by blanks, commas or semicolons. The alpha is
    the file in a folder of alphas, that of the same name in one beside the foreground's, or the second of two.
    """
    pairs: dict[tuple[Path, Path], Pair] = {}
    backgrounds: dict[Path, None] = {}
    faults: dict[str, str] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        files, missing = _files_of(line.strip(), (path.parent, path.parent.parent))
        if missing:
            faults[f"line {number}"] = f"{missing} is not there"
            continue
        alpha = _alpha_of(files)
        if alpha is None:
            faults[f"line {number}"] = (
                f"no alpha for {files[0].name}: neither in the line nor in a folder beside its own"
            )
            continue
        pairs.setdefault((files[0], alpha), Pair(os.path.relpath(files[0], path.parent), files[0], alpha))
        others = [file for file in files[1:] if file != alpha and not folders_of(str(file)) & TRIMAP_FOLDERS]
        backgrounds.update(dict.fromkeys(others[:1]))
    found = checked(list(pairs.values()), (), faults)
    return Foregrounds(found.pictures, (), tuple(backgrounds), found.faults)


def _files_of(line: str, roots: Sequence[Path]) -> tuple[list[Path], str]:
    """Return the files that a line names, and the first name that is no file."""
    whole = _resolved(line, roots)
    if whole is not None:
        return [whole], ""
    files = []
    for name in filter(None, re.split(r"[\s,;]+", line)):
        file = _resolved(name, roots)
        if file is None:
            return [], name
        files.append(file)
    return files, ""


def _resolved(name: str, roots: Sequence[Path]) -> Path | None:
    return next((root / name for root in roots if (root / name).is_file()), None)


def _alpha_of(files: Sequence[Path]) -> Path | None:
    """Return the alpha among the files of a line, or that in a folder beside the foreground's."""
    first = files[0]
    named = next((file for file in files[1:] if file.parent.name.lower() in ALPHAS), None)
    beside = named or _beside(first)
    if beside is not None:
        return beside
    if len(files) == 2 and not folders_of(str(files[1])) & BACKGROUND_FOLDERS:
        return files[1]
    return first if has_alpha(first) else None


def _beside(path: Path) -> Path | None:
    """Return the alpha of that name where a folder of the path is replaced by one of alphas."""
    for place in range(len(path.parts) - 2, -1, -1):
        if path.parts[place].lower() not in PURE_FOLDERS | PHOTO_FOLDERS:
            continue
        above, below = Path(*path.parts[:place]), path.parts[place + 1 : -1]
        for folder in sorted(ALPHAS):
            for ending in (path.suffix, *PICTURES):
                file = above.joinpath(folder, *below, path.stem + ending)
                if file.is_file():
                    return file
    return None
