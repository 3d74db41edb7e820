"""cleanplate enumerate: a capture into the manifest."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings
from flows.show_traffic import HELP as TRAFFIC_HELP

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate enumerate /data/capture --out /data/mattes --subjects 031

cleanplate enumerate /data/rig --out /data/mattes --layout "{subject}/{sequence}/cam_{camera}/{frame:06d}.png"
    --plate "{subject}/plates/{camera}.png"
"""


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=("sequences", "cameras", "frames"))
def enumerate_(
    capture: Annotated[str, typer.Argument(help="The capture: a folder or s3:// URL, see --layout.")],
    out: Annotated[str, typer.Option("--out", help="The output root; the manifest lies under OUT/_cleanplate.")],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=TRAFFIC_HELP)] = False,
    *,
    given: dict[str, Any],
) -> None:
    """List a capture into the manifest, and say what was added, changed or vanished since the last time.

    One listing a subject; only headers of plates, of one frame a camera and of new videos are read. Matte does this
    by itself. Captures in the gha layout and raw NeRSemble downloads, v1 and v2, are recognised; others take a pattern.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.running import run_enumerate

    raise typer.Exit(run_enumerate(capture, out, settings, verbose))
