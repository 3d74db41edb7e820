"""cleanplate serve: Prefect's pages, schedules and runs on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate serve --capture-default /data/capture --out-default /data/mattes --cron "0 2 * * *"

Every night at two: list the capture, check plates, matte what is new, bring the report up to date.

cleanplate serve --out-default /data/mattes

Forms to fill in at http://127.0.0.1:4200, no schedule. Or at another terminal:

prefect deployment run reprocess-subject/reprocess-subject --param 'subject="031"' --param frames=100:200

PREFECT_API_URL=http://prefect.lab:4200/api cleanplate serve --out-default s3://lab/mattes

The same for a server that is there already. For several machines use work pools: see docs/schedule.md.
"""


@app.command(epilog=EXAMPLES)
def serve(
    capture_default: Annotated[
        str | None, typer.Option(help="The capture that forms and schedules are filled with: a folder or s3:// URL.")
    ] = None,
    out_default: Annotated[str | None, typer.Option(help="The output root that they are filled with.")] = None,
    cron: Annotated[
        str | None,
        typer.Option(help='When nightly runs: minute, hour, day, month, weekday, such as "0 2 * * *". Else never.'),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Of --cron, such as Europe/Berlin.")] = "UTC",
    at_once: Annotated[int, typer.Option(help="Runs at once, of all deployments; others wait.", min=1)] = 1,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file with settings of cleanplate matte, for nightly and matte-captures: its model, ..."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Of the pages, where PREFECT_API_URL names no server.", min=1, max=65535)
    ] = 4200,
) -> None:
    """Serve the deployments nightly, matte-captures, reprocess-subject and report from this process, until Ctrl-C.

    Each has a form on Prefect's pages, is started there, by prefect deployment run or by schedule, and is cancelled
    there. A run goes on where the last one was stopped, and one that is under way when this process ends is cancelled
    first. Without PREFECT_API_URL a server is started as well, with its history in PREFECT_HOME.
    """
    from flows.serving import ServeSettings, read_config, run_serve

    more = "" if config is None else read_config(config)
    raise typer.Exit(run_serve(ServeSettings(capture_default, out_default, cron, timezone, at_once, port, more)))
