"""cleanplate verify: is all that an output root says of itself true?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings
from flows.show_traffic import HELP as TRAFFIC_HELP

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate verify /data/mattes

cleanplate verify s3://lab/mattes --subjects 031,036 --deep

cleanplate verify /data/mattes --deep --repair

Then matte as before: only the shards that were damaged are done again, with the same bytes.
"""


@app.command(epilog=EXAMPLES)
@with_settings(
    EnumerateSettings, without=("sequences", "cameras", "frames", "fingerprint", "layout", "plate", "geometry")
)
def verify(
    out: Annotated[str, typer.Argument(help="The output root.")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every mask and compare its SHA-256, not only its size.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Withdraw the receipts of damaged shards, so that they are matted again."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=TRAFFIC_HELP)] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Check that every mask is there as its receipt says, and that the receipts are those of the plan.

    Exit code 0 if all is well, 1 if nothing is damaged but frames are pending, 3 if something is damaged, also after
    --repair: it is whole again when matte has run. Stale receipts, masks of ours that no receipt names, foreign masks
    and leftovers are counted, and no damage. Without --repair nothing is written.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.checking import run_verify

    raise typer.Exit(run_verify(out, settings, deep, repair, as_json, verbose))
