"""cleanplate contact-sheet: many frames with their masks on one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate contact-sheet /data/mattes --to worst.png

cleanplate contact-sheet /data/mattes --subjects 031 --frames 0:100 --pick even --most 48 --to look.jpg
"""


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=("fingerprint", "layout", "plate", "geometry"))
def contact_sheet(
    out: Annotated[str, typer.Argument(help="The output root.")],
    to: Annotated[Path, typer.Option("--to", help="The picture to write: .png, .jpg or .webp.")],
    pick: Annotated[
        Literal["worst", "even"],
        typer.Option(help="worst: the worst frames of the worst cameras. even: spread over all cameras and frames."),
    ] = "worst",
    most: Annotated[int, typer.Option(help="Frames on the sheet.", min=1, max=400)] = 24,
    tile: Annotated[int, typer.Option(help="Longer side of each picture, pixels.", min=32, max=1024)] = 256,
    *,
    given: dict[str, Any],
) -> None:
    """Put frames, their masks and their composites on one picture, to be looked over or sent around.

    Without QC, worst is even, too: nothing is known of any frame.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.contact_sheet import SheetSettings, write_contact_sheet

    raise typer.Exit(write_contact_sheet(out, settings, SheetSettings(to, pick, most, tile)))
