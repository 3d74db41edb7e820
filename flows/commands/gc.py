"""cleanplate gc: what no run will ever need."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate gc /data/mattes

cleanplate gc /data/mattes --older-than 2w --delete
"""


@app.command(epilog=EXAMPLES)
@with_settings(
    EnumerateSettings,
    without=("subjects", "sequences", "cameras", "frames", "fingerprint", "layout", "plate", "geometry"),
)
def gc(
    out: Annotated[str, typer.Argument(help="The output root.")],
    older_than: Annotated[
        str, typer.Option("--older-than", help="Only what was written so long ago: 90m, 12h, 7d, 2w; an hour or more.")
    ] = "7d",
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; else it is only shown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Show what no run will ever need, and with --delete delete it.

    That is: temporary files of writes that were cut short, receipts of shards that are no longer planned, and masks of
    ours that no receipt names and no shard would write. Masks that cleanplate did not make are never deleted, nor
    anything of a subject with damage or without a manifest.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.checking import run_gc

    raise typer.Exit(run_gc(out, settings, older_than, delete, as_json))
