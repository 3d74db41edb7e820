"""Situations: how an output root can stand when a command is disturbed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from chaos.stage import Situation, Stage, age
from nersemble_tree import SEQUENCES, RawTree, make_v2

MODEL = ("--model", "plate-difference", "--executor", "local", "--quiet")
MATTE = ("matte", "{capture}", "--out", "{out}", *MODEL)
OLDER_QUALITY = 80
OLDER = (*MATTE, "--quality", str(OLDER_QUALITY))
DATASET = (*MATTE, "--geometry", "gha", "--write-frames")
ENUMERATE = ("enumerate", "{capture}", "--out", "{out}", "--geometry", "gha")
BY_SIZE = (*MATTE, "--fingerprint", "size")


def _nothing(stage: Stage, capture: Path, out: Path) -> None:
    """Leave the root empty."""


def _matted_otherwise(stage: Stage, capture: Path, out: Path) -> None:
    """Matte by another recipe."""
    _run(stage, OLDER, capture, out)


def _matted_half(stage: Stage, capture: Path, out: Path) -> None:
    """Matte one of two subjects by another recipe."""
    _run(stage, (*OLDER, "--subjects", "031"), capture, out)


def _changed(stage: Stage, capture: Path, out: Path) -> None:
    """Matte, then change a plate and some frames of the capture."""
    _run(stage, MATTE, capture, out)
    rng = np.random.default_rng(5)
    plate = capture / "031/background/image_cam0.jpg"
    frames = [capture / f"032/images/{number:04d}/image_cam1.jpg" for number in (1, 4)]
    for path in (plate, *frames):
        cv2.imwrite(str(path), rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))


def _failed(stage: Stage, capture: Path, out: Path) -> None:
    """Matte while some frames are spoiled, and mend them without a change of their size."""
    spoiled = [capture / f"031/images/{number:04d}/image_cam{camera}.jpg" for number in (0, 3) for camera in (0, 2)]
    whole = {path: path.read_bytes() for path in spoiled}
    for path, data in whole.items():
        path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    _run(stage, BY_SIZE, capture, out, 3)
    for path, data in whole.items():
        path.write_bytes(data)


def _damaged(stage: Stage, capture: Path, out: Path) -> None:
    """Matte, then delete one mask, cut one off and spoil a third."""
    _run(stage, MATTE, capture, out)
    (out / "031/images/0002/mask_cam1.jpg").unlink()
    os.truncate(out / "032/images/0001/mask_cam0.jpg", 100)
    spoiled = out / "032/images/0005/mask_lowres_cam2.jpg"
    spoiled.write_bytes(spoiled.read_bytes()[::-1])


def _camera_gone(stage: Stage, capture: Path, out: Path) -> None:
    """Matte, then take a camera out of the capture, and let a day pass."""
    _run(stage, MATTE, capture, out)
    for path in sorted(capture.rglob("image_cam2.jpg")):
        path.unlink()
    _run(stage, MATTE, capture, out)
    age(out, 86400)


def _matted(stage: Stage, capture: Path, out: Path) -> None:
    """Matte."""
    _run(stage, MATTE, capture, out)


def _one_sequence(stage: Stage, capture: Path, out: Path) -> None:
    """List the videos of one sequence; the other one, which sorts before it, comes later."""
    later = capture / "031/sequences" / SEQUENCES[0]
    aside = later.rename(capture.with_name("aside"))
    _run(stage, ENUMERATE, capture, out)
    aside.rename(later)


def _failing(stage: Stage, capture: Path, out: Path) -> None:
    """Matte by a model that fails at every frame."""
    _run(stage, MATTE, capture, out, 1, raise_from=1)


def _videos(root: Path) -> Path:
    """Make a raw capture of videos."""
    return make_v2(root, RawTree(("031",), n_cameras=3, n_frames=10, size=(96, 66), distinct=True))


def _run(stage: Stage, words: tuple[str, ...], capture: Path, out: Path, code: int = 0, **disturbed: object) -> None:
    found = stage.undisturbed(words, capture, out, **disturbed)
    if found != code:
        raise RuntimeError(f"{' '.join(words)} ends with {found}, not {code}, undisturbed")


FRESH = Situation("fresh", _nothing, MATTE)
FRESH_OLDER = Situation("fresh-older", _nothing, OLDER)
REPLACED = Situation("replaced", _matted_otherwise, (*MATTE, "--replace"))
HALF_REPLACED = Situation("half-replaced", _matted_half, (*MATTE, "--replace"))
CHANGED = Situation("changed", _changed, MATTE)
RETRIED = Situation("retried", _failed, (*BY_SIZE, "--retry-failed"))
REPAIRED = Situation("repaired", _damaged, ("verify", "{out}", "--deep", "--repair"), MATTE, 3, 1)
FORGOTTEN = Situation("forgotten", _matted, ("forget", "{out}", "--subject", "031", "--yes"))
CLEANED = Situation("cleaned", _camera_gone, ("gc", "{out}", "--older-than", "2h", "--delete"))
FAILING = Situation("failing", _nothing, MATTE, MATTE, 1, disturbed=(("raise_from", 1),))
RECOVERED = Situation("recovered", _failing, MATTE)
NUMBERED = Situation("numbered", _one_sequence, DATASET, make=_videos)

ALL = (FRESH, REPLACED, HALF_REPLACED, CHANGED, RETRIED, REPAIRED, FORGOTTEN, CLEANED, FAILING, RECOVERED, NUMBERED)


class _Packing(Stage):
    """A stage whose runs make packs."""

    def undisturbed(self, words: tuple[str, ...], capture: Path, out: Path, **disturbed: Any) -> int:
        """Run a command to its end, with packs, and return its exit code."""
        return super().undisturbed(with_packs(words), capture, out, **disturbed)


def with_packs(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a command that makes packs, if it makes masks at all."""
    return (*words, "--pack") if words[0] == "matte" else words


def _packed(known: Situation, prepare: Callable[[Stage, Path, Path], None] | None = None) -> Situation:
    """Return the same situation of a root with packs, which grow on the disk."""

    def prepared(stage: Stage, capture: Path, out: Path) -> None:
        (prepare or known.prepare)(_Packing(stage.home), capture, out)

    return replace(
        known,
        name=f"packed {known.name}",
        prepare=prepared,
        command=with_packs(known.command),
        settle=with_packs(known.settle) if known.settle else (),
        disturbed=(*known.disturbed, ("pack_memory", 5000)),
        has_packs=True,
    )


def _damaged_packs(stage: Stage, capture: Path, out: Path) -> None:
    """Matte, then delete one pack, cut one off and spoil a third."""
    _run(stage, MATTE, capture, out)
    gone, cut, spoiled, *_ = sorted((out / "_cleanplate/packs").rglob("*.tar"))
    gone.unlink()
    os.truncate(cut, 2000)
    data = bytearray(spoiled.read_bytes())
    data[1000] ^= 255
    spoiled.write_bytes(data)


PACKED_REPAIRED = _packed(REPAIRED, _damaged_packs)
REPACKED = replace(REPLACED, name="repacked", command=with_packs(REPLACED.command), has_packs=True)
PACKED = tuple(PACKED_REPAIRED if one is REPAIRED else _packed(one) for one in ALL) + (REPACKED,)
"""The same with packs, and one whose files are replaced by packs."""
PACKED_BY_NAME = {one.name: one for one in PACKED}
