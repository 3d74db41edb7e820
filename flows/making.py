"""Making: synthetic captures, and the demo that mattes one and compares it with the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from flows.running import run_matte
from flows.settings import MatteSettings
from flows.show import plain_console
from flows.telling import count
from manifests.errors import UsageError
from matting_tasks.contact_sheet import SheetRow, contact_sheet
from matting_tasks.decode import decode_gray, decode_image
from matting_tasks.metrics import mad
from matting_tasks.synth import SynthSettings, make_capture, parse_fault
from models.registry import ALIAS, DEFAULT

MARKER = "capture.json"


def run_synth(out: Path, numbers: tuple[int, int, int, int, int], faults: Sequence[str]) -> None:
    """Make a capture from (subjects, cameras, frames, size in pixels, seed); raises UsageError."""
    console = plain_console()
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: a capture is made in a folder of its own. Name a new one.")
    try:
        settings = SynthSettings(*numbers, faults=tuple(parse_fault(text) for text in faults))
        _make(out, settings, console)
    except ValueError as err:
        raise UsageError(str(err)) from err
    console.print(f"Capture: {out}", soft_wrap=True)
    console.print(f"Matte it with: cleanplate matte {out} --out {out} --model {ALIAS}", soft_wrap=True)


def run_demo(out: Path, n_cameras: int, n_frames: int, size_px: int) -> int:
    """Make a capture once, matte it by the main job, compare with the truth, and say where to look."""
    console = plain_console()
    settings = SynthSettings(n_cameras=n_cameras, n_frames=n_frames, size_px=size_px)
    capture, mattes = out / "capture", out / "mattes"
    marker = out / MARKER
    wanted = json.dumps([n_cameras, n_frames, size_px])
    if not marker.is_file() or marker.read_text() != wanted:
        for old in (capture, mattes) if marker.is_file() else ():
            shutil.rmtree(old, ignore_errors=True)  # made by an earlier demo, of other numbers
        _make(capture, settings, console)
        marker.write_text(wanted)
    pictures = f"1 subject, {count(n_cameras, 'camera')}, {count(n_frames, 'frame')} each of {size_px}x{size_px} pixels"
    console.print(f"A synthetic capture: {pictures}.")
    console.print(
        f"Matting it by the main job with {DEFAULT}, a small network that is part of the package: nothing is fetched. "
        "It was trained on other people and other places.",
    )
    code = run_matte(str(capture), str(mattes), MatteSettings(model=DEFAULT), "text", False)
    if code == 0:
        compare(console, capture, mattes)
        sheet = write_sheet(capture, mattes, out / "contact_sheet.png")
        console.print(f"Look at {sheet}: frame, mask and composite of every camera.", soft_wrap=True)
        console.print(f"See also: cleanplate status {mattes}", soft_wrap=True)
    return code


def _make(root: Path, settings: SynthSettings, console: Console) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Making a synthetic capture", total=None)
        make_capture(root, settings, lambda done, total: progress.update(bar, completed=done, total=total))


def compare(console: Console, capture: Path, mattes: Path) -> None:
    """Print the error against the known alpha: mean absolute difference over whole pictures, times 1000 (MAD)."""
    errors = {
        path: mad(_gray(mattes, capture, path), _gray_file(path))
        for path in sorted(capture.glob("*/images/*/alpha_*.png"))
    }
    worst = max(errors, key=lambda path: errors[path])
    mean = sum(errors.values()) / len(errors)
    console.print(
        f"Error against the known alpha: MAD {mean:.2f} x 1e-3 over {len(errors)} masks "
        f"(worst {errors[worst]:.2f}: camera {worst.stem.removeprefix('alpha_')}, frame {worst.parent.name}).",
    )


def write_sheet(capture: Path, mattes: Path, path: Path) -> Path:
    """Write the contact sheet of the first frame of every camera of the first subject."""
    folder = min(capture.glob("*/images/*"))
    rows = []
    for picture in sorted(folder.glob("image_[0-9]*.jpg")):
        camera = picture.stem.removeprefix("image_")
        mask = decode_gray((mattes / folder.relative_to(capture) / f"mask_{camera}.jpg").read_bytes())
        rows.append(SheetRow(f"camera {camera}", decode_image(picture.read_bytes()).pixels, mask))
    title = f"subject {folder.parent.parent.name}, frame {folder.name}, by {DEFAULT}"
    sheet = contact_sheet(rows, title=title)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return path


def _gray(mattes: Path, capture: Path, alpha: Path) -> np.ndarray:
    mask = alpha.with_name(f"mask_{alpha.stem.removeprefix('alpha_')}.jpg").relative_to(capture)
    return _gray_file(mattes / mask)


def _gray_file(path: Path) -> np.ndarray:
    return decode_gray(path.read_bytes())
