"""cleanplate qc: can the mattes be trusted?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate qc /data/mattes

cleanplate qc s3://lab/mattes --subjects 031,036 --limits limits.toml

cleanplate qc /data/mattes --json

A file of limits names measures: \\[holes] review = 0.01, fail = false; docs/qc.md has all of them.
"""


@app.command(epilog=EXAMPLES)
@with_settings(
    EnumerateSettings, without=("sequences", "cameras", "frames", "fingerprint", "layout", "plate", "geometry")
)
def qc(
    out: Annotated[str, typer.Argument(help="The output root.")],
    limits: Annotated[
        Path | None,
        typer.Option(help="A TOML file with limits; those that a subject was last judged by if not given."),
    ] = None,
    hull_every: Annotated[
        int | None,
        typer.Option(min=1, help="Compare the cameras at every so many instants; about 512 a sequence if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Judge what is matted, against neighbouring frames and the other cameras, and print a verdict for each camera.

    matte does the same when a subject is complete; here subjects are judged as they are. What was judged before by the
    same receipts and limits is not measured again. Exit code 0 whatever the verdicts are.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.qc import run_qc

    raise typer.Exit(run_qc(out, settings, limits, hull_every, as_json))
