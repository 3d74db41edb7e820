"""cleanplate check: is a capture fit to be matted?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings
from flows.show_traffic import HELP as TRAFFIC_HELP

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate check /data/capture

cleanplate check s3://lab/capture --subjects 031,036 --json

cleanplate check /data/rig --layout "{subject}/{camera}/{frame:06d}.png" --plate "{subject}/plates/{camera}.png"
"""


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=("sequences", "frames", "geometry", "fingerprint"))
def check(
    capture: Annotated[str, typer.Argument(help="The capture: a folder or s3:// URL, see --layout.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as a JSON list.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=TRAFFIC_HELP)] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Check the plates of a capture on a sample of its frames, before any GPU time is spent; nothing is written.

    Plates that are missing, unreadable, of another size, another camera's (swapped), shifted, relit, or with a person
    in them (contaminated); and, as warnings only, unequal frame sets and short videos. Exit code 3 if a plate fails.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.check_capture import run_check

    raise typer.Exit(run_check(capture, settings, as_json, verbose))
