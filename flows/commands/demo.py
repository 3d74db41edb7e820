"""cleanplate demo: the main job on a capture that it makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder to work in.")] = Path("demo"),
    cameras: Annotated[int, typer.Option(help="Cameras of the capture.", min=1, max=16)] = 16,
    frames: Annotated[int, typer.Option(help="Frames of each camera.", min=1)] = 3,
    size: Annotated[int, typer.Option(help="Width and height of a frame, pixels.", min=64)] = 512,
) -> None:
    """Make a small synthetic capture, matte it through Prefect and Ray, and compare with the known alpha.

    It works offline: the mattes are made by cleanplate's own small network, which is part of the package. Run it again:
    it finds nothing to do and says so.
    """
    from flows.making import run_demo

    raise typer.Exit(run_demo(out, cameras, frames, size))
