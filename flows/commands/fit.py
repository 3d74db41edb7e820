"""cleanplate fit: train a network for the plates of a rig."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.engines import prepare_engines
from flows.fit_settings import FitSettings
from flows.options import with_settings
from flows.settings import load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate fit --capture /data/nersemble --subjects 031 --minutes 60 --out fits/rig

cleanplate fit --capture /data/nersemble --model mattingrefine-resnet101 --device cuda --workers 4 --examples 8 \
--minutes 600 --pictures /data/places --foregrounds /data/ppm100 --out fits/resnet101

cleanplate fit --model rvm-mobilenetv3 --from scratch --stages "short clips,long clips" --steps 20000 --out fits/rvm

cleanplate fit --config infra/fit/default.toml --pictures pictures/train --held-out-pictures pictures/heldout \
--out fits/default

cleanplate matte /data/nersemble --out mattes --model mattingrefine-mobilenetv2 --weights fits/rig

It learns from people that it draws itself, put before the plates of the capture with all that happens to plates: \
light that drifts, cameras that move a little, noise, shadows, compression. Truth is exact there. Held-out pairs, with \
people it never sees, say how good it is.

Under OUT lie the weights (NAME.safetensors) with their entry weights.json, card.md with the scores before and after, \
curves.png, held-out.png, pictures of held-out pairs as it learned, and events for TensorBoard. Ctrl-C loses nothing, \
and a machine that goes down a minute at most: the same command goes on.
"""


@app.command(epilog=EXAMPLES)
@with_settings(FitSettings, without=("start",))
def fit(
    out: Annotated[str, typer.Option("--out", help="The folder to work in and to write to; local.")],
    capture: Annotated[
        str | None, typer.Option("--capture", help="The capture whose plates it is fitted to; none: no plates at all.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"{FitSettings.model_fields['start'].description} (default: default)",
            rich_help_panel="Model and recipe",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of these options; what is said on the command line wins.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Fit a network to a rig: train it on drawn people before its own plates, and write weights for `matte`.

    Works without a GPU, and is much faster with one: on two CPU cores give a mattingrefine-mobilenetv2 an hour or more.
    """
    settings = load_settings(FitSettings, config, {**given, "start": start})
    prepare_engines()
    from flows.fit import run_fit

    raise typer.Exit(run_fit(capture, out, settings, quiet))
