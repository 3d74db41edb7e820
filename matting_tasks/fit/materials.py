"""What a network was made from, for its card: weights to begin from, people, plates, pictures, and their licences."""

from __future__ import annotations

import csv
from pathlib import Path

from matting_tasks.fit.card import Material, Picture
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan
from models.imagenet import IMAGENET as IMAGENET_FILE
from models.weights import WEIGHTS

LICENCES = "LICENCES.tsv"


def licence_of(plan: FitPlan) -> str:
    """Say whose terms the weights are under: of all that is not cleanplate's own."""
    parts = {
        "the weights it began from": plan.start != SCRATCH,
        "the plates": bool(plan.plates),
        "the pictures": bool(plan.pictures),
        "the foregrounds": bool(plan.foregrounds),
    }
    others = [name for name, is_used in parts.items() if is_used]
    return f"Apache-2.0, as far as the licences of {' and '.join(others)} allow" if others else "Apache-2.0"


def _start(plan: FitPlan) -> list[Material]:
    """Return the weights that it began from, with their licence where they are known ones."""
    if plan.start == SCRATCH:
        return []
    file = IMAGENET_FILE.file_name if plan.start == IMAGENET else Path(plan.start).name
    known = {weights.file_name: weights.licence for weights in (*WEIGHTS.values(), IMAGENET_FILE)}
    return [Material("weights", 1, known.get(file, "that of their own card or source"), f"{file}, to begin from")]


def materials_of(plan: FitPlan) -> tuple[Material, ...]:
    """Return what a network saw, and under which licences."""
    found = [
        *_start(plan),
        Material("people", 0, "Apache-2.0", "drawn by cleanplate itself, others every four steps"),
    ]
    if plan.plates:
        found.append(Material("plates", len(plan.plates), "the user's own", "of the captures that were named"))
    if plan.foregrounds:
        found.append(
            Material("foregrounds", len(plan.foregrounds), "the user's own", "places with foregrounds and alpha")
        )
    if plan.pictures:
        licence = "see below" if pictures_of(plan) else "the user's own"
        found.append(Material("pictures", len(plan.pictures), licence, "backgrounds and cloth"))
        found.append(Material("held-out pictures", len(plan.held_pictures), licence, "only to judge by"))
    else:
        found.append(Material("patterns", 0, "Apache-2.0", "backgrounds and cloth drawn by cleanplate itself"))
    return tuple(found)


def pictures_of(plan: FitPlan) -> tuple[Picture, ...]:
    """Return the pictures that a LICENCES.tsv beside them, or one folder up, names: file, title, author and so on."""
    found: dict[Path, dict[str, dict[str, str]]] = {}
    pictures = []
    for path in map(Path, (*plan.pictures, *plan.held_pictures)):
        for folder in path.parents[:2]:
            if folder not in found:
                found[folder] = _table(folder / LICENCES)
            row = found[folder].get(path.relative_to(folder).as_posix())
            if row is not None:
                by = f"{row.get('title', '')}, by {row.get('author', 'unknown')}"
                pictures.append(Picture(f"{path.name}: {by}", row.get("licence", ""), row.get("source", "")))
                break
    return tuple(pictures)


def _table(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, delimiter="\t") if row.get("file")}
