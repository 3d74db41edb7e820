"""cleanplate unpack: files of what lies in packs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.options import with_settings
from flows.settings import EnumerateSettings, load_settings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate unpack s3://lab/mattes --to /data/mattes

cleanplate unpack /data/mattes --to /data/vhap --output-layout vhap --subjects 031

cleanplate unpack s3://lab/mattes --to /scratch/gha --cameras 222200037 --frames 0:100

Run it again at any time: what is there with the right bytes is kept.
"""


@app.command(epilog=EXAMPLES)
@with_settings(EnumerateSettings, without=("fingerprint", "layout", "plate", "geometry"))
def unpack(
    out: Annotated[str, typer.Argument(help="The output root.")],
    to: Annotated[str, typer.Option("--to", help="The folder or s3:// URL that gets the files.")],
    output_layout: Annotated[
        str | None,
        typer.Option(
            "--output-layout",
            help="Where masks lie: gha, beside, vhap, or a pattern such as {subject}/masks/{camera}/{frame:05d}.jpg. "
            "If not given: as the run was told.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Make mask files, in any layout, of an output root that was made with --pack; of any other one, too.

    The masks are those that the receipts name, to the byte: each is compared with its SHA-256 before it is written.
    Exit code 3 if selected frames have no mask, or a mask is damaged.
    """
    settings = load_settings(EnumerateSettings, None, given)
    from flows.unpack import run_unpack

    raise typer.Exit(run_unpack(out, to, output_layout, settings, as_json))
