"""cleanplate status: how far an output root is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)


@app.command(epilog="[bold]Example[/bold]\n\ncleanplate status /data/mattes --subjects 031")
@with_settings(EnumerateSettings, without=("fingerprint", "layout", "plate", "geometry"))
def status(
    out: Annotated[str, typer.Argument(help="The output root.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Show what is done, pending and failed per subject and camera, the recipes and decisions, and past runs.

    Exit code 0 if all selected frames are ok, 1 if some are pending, 3 if some are not ok. Nothing is written.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.inspecting import print_status

    raise typer.Exit(print_status(out, settings, as_json))
