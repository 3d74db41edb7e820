"""cleanplate plan: what a run would take."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate plan /data/capture --gpus 8 --rate 20 --cpu 0.15

cleanplate plan s3://lab/capture --gpus 64 --rate 20 --cpu 0.06 --pack --gpu-price 2.5

cleanplate matte /data/capture --out /tmp/try --frames 0:64 && cleanplate plan /data/capture --out /tmp/try --gpus 64
"""


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=("fingerprint",))
def plan(
    capture: Annotated[str, typer.Argument(help="The capture: a folder or s3:// URL, see --layout.")],
    out: Annotated[str | None, typer.Option("--out", help="An output root whose receipts tell the rates.")] = None,
    gpus: Annotated[int, typer.Option(help="GPUs, or workers on CPUs.", min=1)] = 8,
    rate: Annotated[float | None, typer.Option(help="Frames a second of one GPU's network.", min=1e-6)] = None,
    cpu: Annotated[float | None, typer.Option(help="Seconds of one core a frame: decoding, encoding.", min=0)] = None,
    cores: Annotated[int | None, typer.Option(help="Cores of all machines; 8 a GPU if not given.", min=1)] = None,
    store_gbit: Annotated[float, typer.Option(help="Gbit/s between all machines and the store.", min=1e-6)] = 25.0,
    pack: Annotated[bool, typer.Option("--pack", help="One tar a shard, as matte --pack writes it.")] = False,
    qc: Annotated[bool, typer.Option("--qc/--no-qc", help="Judge each subject while the run goes on.")] = True,
    gpu_price: Annotated[float, typer.Option(help="Dollars an hour of one GPU.", min=0)] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Say what a run would take: frames, shards, bytes, objects, requests, GPU-hours, time, and what is slowest.

    Lists the capture and writes nothing. What runs side by side is taken to be as slow as its slowest part: a run
    takes a little longer, for parts wait for each other. docs/scale.md simulates it.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.planning import Cluster, print_plan

    cluster = Cluster(gpus, rate, cpu, cores, store_gbit, gpu_price, pack, qc)
    print_plan(capture, out, settings, cluster, as_json)
