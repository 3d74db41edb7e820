"""cleanplate reprocess: some frames again, as a decision of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.knobs import RUNNING, SELECTION
from flows.options import with_settings
from flows.reprocess_settings import ReprocessSettings
from flows.settings import load_settings
from flows.show_traffic import HELP as TRAFFIC_HELP
from manifests.errors import UsageError

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate reprocess /data/mattes --subject 031

cleanplate reprocess /data/mattes --subject 031 --cameras 222200037 --frames 100:200 --refine-mode full

cleanplate reprocess /data/mattes --flagged fail --model rvm-mobilenetv3

The frames that QC fails, of all subjects, by another model; then their numbers from before and after.
"""

NOT_HERE = ("subjects", "layout", "plate", "geometry", "fingerprint", "write_frames", "replace", "retry_failed")
"""Settings of the main job that an output root has made up its mind about."""


@app.command(epilog=EXAMPLES)
@with_settings(ReprocessSettings, without=NOT_HERE)
def reprocess(
    out: Annotated[str, typer.Argument(help="The output root.")],
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", "--subjects", help="Subjects, by commas; all with --flagged.", rich_help_panel=SELECTION
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with any of these settings.", rich_help_panel=RUNNING)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list and plan.", rich_help_panel=RUNNING)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help=TRAFFIC_HELP)] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Print events as JSON, one a line.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Matte the selected frames again, as they were made last but for the settings that you give.

    It is a new decision in the books: the masks are written over, their old receipts stay as history.
    """
    settings = load_settings(ReprocessSettings, config, given | {"subjects": subject})
    if settings.subjects is None and settings.flagged is None:
        raise UsageError("--subject: which frames? Name subjects, or give --flagged fail for those that QC fails.")
    from flows.running import run_reprocess

    mode = "json" if json_lines else "quiet" if quiet else "verbose" if verbose else "text"
    raise typer.Exit(run_reprocess(out, settings, mode, dry_run))
