"""cleanplate manifest: what the manifest says."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)


@app.command(epilog="[bold]Example[/bold]\n\ncleanplate manifest /data/mattes --subjects 031 --json")
@with_settings(EnumerateSettings, without=("fingerprint", "layout", "plate", "geometry"))
def manifest(
    out: Annotated[str, typer.Argument(help="The output root.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Print the frames, video lengths, holes and missing plates of every camera in the manifest.

    A hole is a frame that another camera of the same sequence has and this one lacks. A video that is shorter than
    the longest of its sequence has rows for its missing end: they are no holes.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.show_manifest import print_manifest

    print_manifest(out, settings, as_json)
