"""Fits of a few steps on small pictures: what they are asked, and what they leave."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from command_line import Ended, cleanplate

from matting_tasks.fit.plan import SCRATCH, FitPlan

MODEL = "mattingbase-mobilenetv2"
FEW = ("--examples", 2, "--held-out", 1, "--processes", 0, "--validate-every", 0, "--compare", "plate-difference")
TINY = ("--from", SCRATCH, "--size", "64:64", "--device", "cpu", "--precision", "fp32", *FEW)
"""What makes a fit short; how many steps or minutes it has is left to say."""


def fit_tiny(out: object, *words: object, model: str = MODEL) -> Ended:
    """Run `cleanplate fit` on small pictures, for four steps unless the words say how long."""
    long = () if "--steps" in words or "--minutes" in words else ("--steps", 4)
    start = tuple(word for word in TINY if "--from" not in words or word not in ("--from", SCRATCH))
    return cleanplate("fit", "--out", out, "--model", model, *start, *long, *words)


def tiny_plan(**changes: Any) -> FitPlan:
    """Return the plan of a fit of four steps on small pictures."""
    known: dict[str, Any] = {
        "model": MODEL,
        "start": SCRATCH,
        "steps": 4,
        "size_px": (64, 64),
        "n_examples": 2,
        "n_held_out": 1,
        "validate_every": 0,
        "n_processes": 0,
    }
    return FitPlan(**(known | changes))


def sha256s(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
