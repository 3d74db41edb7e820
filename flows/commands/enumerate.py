"""cleanplate enumerate: a capture into the manifest."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)


@app.command(epilog="[bold]Example[/bold]\n\ncleanplate enumerate /data/capture --out /data/mattes --subjects 031")
@with_settings(EnumerateSettings, without=("sequences", "cameras", "frames"))
def enumerate_(
    capture: Annotated[str, typer.Argument(help="The capture: a folder or s3:// URL in the gha layout.")],
    out: Annotated[str, typer.Option("--out", help="The output root; the manifest lies under OUT/_cleanplate.")],
    *,
    given: dict[str, Any],
) -> None:
    """List a capture into the manifest, and say what was added, changed or vanished since the last time.

    One listing a subject; only headers of plates and of one frame a camera are read. Matte does this by itself.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.running import run_enumerate

    raise typer.Exit(run_enumerate(capture, out, settings))
