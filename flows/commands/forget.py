"""cleanplate forget: a subject withdraws."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.knobs import SELECTION
from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate forget /data/mattes --subject 031

cleanplate forget s3://lab/mattes --subject 031 --yes

Stop all runs first. Killed in the middle, run the same command again: it finishes.
"""


@app.command(epilog=EXAMPLES)
@with_settings(
    EnumerateSettings,
    without=("subjects", "sequences", "cameras", "frames", "fingerprint", "layout", "plate", "geometry"),
)
def forget(
    out: Annotated[str, typer.Argument(help="The output root.")],
    subject: Annotated[str, typer.Option("--subject", help="The subject, such as 031.", rich_help_panel=SELECTION)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; needs --yes.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Delete all that was made of a subject: masks, frame files, manifest, receipts, failures, QC and report pages.

    Its name goes out of run records, logs and decisions, too. A record under a hash of the name says when it was done,
    and by whom. The capture is never touched, also where it is the output root; matte then leaves the subject out
    unless --subjects names it.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.checking import run_forget

    raise typer.Exit(run_forget(out, settings, subject, yes, as_json))
