"""cleanplate synth: a synthetic capture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

FAULTS = (
    "missing, unreadable, size, swapped, shifted, relit, contaminated (plates); frame_set, truncated, zero, gray, "
    "cmyk (frames)"
)


@app.command(
    epilog="[bold]Example[/bold]\n\ncleanplate synth /tmp/capture --frames 10 --size 1024 --fault missing:222200038"
)
def synth(
    out: Annotated[Path, typer.Argument(help="The folder to make the capture in.")],
    subjects: Annotated[int, typer.Option(help="Subjects: 031, 032, ...", min=1)] = 1,
    cameras: Annotated[int, typer.Option(help="Cameras, with the front one 222200037.", min=1, max=16)] = 16,
    frames: Annotated[int, typer.Option(help="Frames of each camera: 0, 1, 2, ...", min=1)] = 3,
    size: Annotated[int, typer.Option(help="Width and height of a frame, pixels.", min=32)] = 512,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    fault: Annotated[list[str] | None, typer.Option(help=f"NAME:CAMERA, may be given again. {FAULTS}.")] = None,
) -> None:
    """Make a synthetic multi-view capture in the gha layout, with plates, calibration and the true alphas.

    A head-like subject with fine hair moves before 16 calibrated cameras; alpha_CAMERA.png lies beside each frame.
    """
    from flows.making import run_synth

    run_synth(out, (subjects, cameras, frames, size, seed), fault or [])
