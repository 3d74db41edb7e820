"""cleanplate evaluate: mattes against ground truth."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate evaluate /data/mattes /data/synthetic

An output root against a capture of cleanplate synth: each mask_CAMERA beside its alpha_CAMERA, dtSSD for each camera.

cleanplate evaluate results/ PPM-100/val --unknown 10 --csv ppm.csv

Pictures against PPM-100 (alpha/ or matte/, and its lists), in the band around the edges, made of the truth.

cleanplate evaluate results/ videomatte/test --json > scores.json

Clips of numbered frames (CLIP/FRAME.png) against pha/CLIP/FRAME.jpg; dtSSD within each clip.

cleanplate evaluate out/alpha.mkv truth/ --parquet s3://lab/scores.parquet

A video against another one, or against a folder of its frames in order.

Exit codes: 0 all compared; 2 no names in common; 3 some files have no counterpart, or could not be read.
"""


@app.command(epilog=EXAMPLES)
def evaluate(
    pred: Annotated[str, typer.Argument(help="Mattes: a file, folder, output root or video; local or s3://.")],
    true: Annotated[str, typer.Argument(help="True mattes: the same, or a dataset, or a list (.txt) in one.")],
    trimap: Annotated[
        str | None, typer.Option(help="Trimaps (0, 128, 255) by the same names: measure their unknown region.")
    ] = None,
    unknown: Annotated[
        int | None,
        typer.Option(help="Make the unknown region of the truth: dilated and eroded by so many pixels.", min=0),
    ] = None,
    still: Annotated[
        bool, typer.Option("--still", help="Numbered pictures do not follow each other: no dtSSD.")
    ] = False,
    stretch: Annotated[
        bool, typer.Option("--stretch", help="Grad: bring each matte to 0..1 first (min-max), as some scripts do.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, unrounded, and nothing else.")
    ] = False,
    csv: Annotated[str | None, typer.Option(help="Write all rows to this file, local or s3://.")] = None,
    parquet: Annotated[str | None, typer.Option(help="Write all rows to this file, local or s3://.")] = None,
    storage_option: Annotated[
        list[str] | None, typer.Option(help="key=value for the S3 client. May be given again.")
    ] = None,
) -> None:
    """Compare mattes with true ones: MAD, MSE, SAD, Grad, Conn and dtSSD, by file and in the mean.

    Files are matched by their paths below the two folders, without ending. Masks may have 8 or 16 bits, three equal
    channels, or be the alpha channel of an RGBA PNG. With --trimap or --unknown the metrics are of the unknown region,
    those of the known one and of the whole picture stand beside. The variant of each metric is part of every output:
    numbers of other programs compare only where theirs is the same.
    """
    from flows.evaluate import EvaluateAsk
    from flows.settings import EnumerateSettings, load_settings
    from flows.show_evaluate import run_evaluate
    from manifests.errors import UsageError
    from matting_tasks.evaluating import Rules

    if trimap is not None and unknown is not None:
        raise UsageError("--trimap or --unknown: both say what the unknown region is; give one.")
    options = load_settings(EnumerateSettings, None, {"storage_option": storage_option}).store_options
    ask = EvaluateAsk(pred, true, trimap, Rules(unknown, stretch), still, options)
    raise typer.Exit(run_evaluate(ask, as_json, csv, parquet))
