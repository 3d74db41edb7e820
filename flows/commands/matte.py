"""cleanplate matte: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.knobs import RUNNING
from flows.options import with_settings
from flows.settings import MatteSettings, load_settings
from flows.show_traffic import HELP as TRAFFIC_HELP

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate matte /data/capture --out /data/mattes

cleanplate matte /data/capture --out /data/capture --subjects 031,036 --workers 8

cleanplate matte /raw/nersemble --out /data/gha --geometry gha --write-frames --missing-plate rvm-mobilenetv3

cleanplate matte /data/rig --out /data/mattes --layout "{subject}/{camera}.mp4" --model rvm-mobilenetv3

cleanplate matte s3://lab/capture --out s3://lab/mattes --ray-address auto

cleanplate matte /data/capture --out /tmp/try --model plate-difference --executor local --dry-run

Run the same command again at any time: it goes on where it was stopped, and does nothing twice.
"""


@app.command(epilog=EXAMPLES)
@with_settings(MatteSettings)
def matte(
    capture: Annotated[str, typer.Argument(help="The capture: a folder or s3:// URL, see --layout.")],
    out: Annotated[str, typer.Option("--out", help="The output root; may be the capture itself.")],
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
    """Matte a capture: list it, plan, matte what is pending, and say how every selected frame is.

    Masks of a gha capture lie at OUT/SUBJECT/images/FRAME/mask_CAMERA.jpg, others beside the names of their frames (see
    --output-layout); the books of the run are under OUT/_cleanplate.
    """
    settings = load_settings(MatteSettings, config, given)
    from flows.running import run_matte

    mode = "json" if json_lines else "quiet" if quiet else "verbose" if verbose else "text"
    raise typer.Exit(run_matte(capture, out, settings, mode, dry_run))
