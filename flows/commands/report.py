"""cleanplate report: pages that show a person how the mattes are."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate report /data/mattes

cleanplate report s3://lab/mattes --subjects 031,036 --pictures 40

The pages lie under OUT/_cleanplate/report and open from a disk, from any static server and from S3.
"""


@app.command(epilog=EXAMPLES)
@with_settings(
    EnumerateSettings, without=("sequences", "cameras", "frames", "fingerprint", "layout", "plate", "geometry")
)
def report(
    out: Annotated[str, typer.Argument(help="The output root.")],
    pictures: Annotated[int, typer.Option(help="Frames of each subject that are shown as pictures.", min=0)] = 24,
    frame_tables: Annotated[
        bool, typer.Option("--frame-tables", help="Write the measures of all frames as CSV, too.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Make all pages again, also those that are up to date.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Bring the report up to date: verdicts of all subjects and cameras, time series, worst frames as pictures, tables.

    A subject's page is made again only where its measures, its limits or the pages' own form changed.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.reporting import run_report

    raise typer.Exit(run_report(out, settings, (pictures, frame_tables, force), as_json))
