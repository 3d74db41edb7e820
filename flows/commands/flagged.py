"""cleanplate flagged: the frames that QC flags."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate flagged /data/mattes

cleanplate flagged /data/mattes --verdict review --measure flicker --subjects 031

cleanplate flagged /data/mattes --format csv > flagged.csv

cleanplate flagged /data/mattes --export exclude.txt

A list for training loaders: .txt has the paths of the masks, .csv subject, sequence, camera, frame and path, .json
{subject: {camera: [frames]}}, the camera being sequence/camera where a capture has sequences.

cleanplate reprocess /data/mattes --flagged fail --model rvm-mobilenetv3

cleanplate flagged /data/mattes --compare 3

What the frames that decision 3 redid because they were flagged were before, and are now.
"""

NOT_HERE = ("fingerprint", "layout", "plate", "geometry")


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=NOT_HERE)
def flagged(
    out: Annotated[str, typer.Argument(help="The output root.")],
    verdict: Annotated[
        Literal["review", "fail"], typer.Option(help="Flagged are frames of this verdict or worse.")
    ] = "fail",
    measure: Annotated[str | None, typer.Option(help="Only frames that this measure flags, such as holes.")] = None,
    style: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="What is printed; csv and json hold all rows.")
    ] = "table",
    export: Annotated[
        str | None, typer.Option(help="Write an exclusion list (.csv, .json or .txt), local or s3://.")
    ] = None,
    compare: Annotated[
        int | None, typer.Option(help="Show the frames that this decision redid, before and after.", min=1)
    ] = None,
    *,
    given: dict[str, Any],
) -> None:
    """Print the frames that QC flags: subject, camera, frame, and the measure that decided with its value and limit.

    Nothing under the output root is written. Exit code 0 whether or not frames are flagged.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.flagged import export_flagged, print_compared, print_flagged
    from manifests.storage import open_folder

    if compare is not None:
        print_compared(open_folder(out, settings.store_options), [compare], style)
    elif export is not None:
        n_frames = export_flagged(out, settings, verdict, measure, export)
        typer.echo(f"{n_frames} frames written to {export}")
    else:
        print_flagged(out, settings, verdict, measure, style)
