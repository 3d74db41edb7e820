"""cleanplate weights: the files with the parameters of the networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def weights() -> None:
    """List, fetch and verify weights, kept in the folder that CLEANPLATE_WEIGHTS names or the user's cache."""


@app.command("list")
def list_() -> None:
    """List all models: their weights, licence, and whether the file is at hand."""
    from flows.inspecting import print_weights

    print_weights()


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="A model, such as mattingrefine-resnet101, or default.")]) -> None:
    """Fetch a model's weights once, from the first source that has them; a cut download goes on where it ended.

    The hash is checked, and the licence of the weights, which is not that of cleanplate, is printed.
    """
    from flows.inspecting import fetch_weights

    fetch_weights(name)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A file with weights, or the folder that a fit wrote.")],
    model: Annotated[str | None, typer.Option(help="Say whether it fits this model, and if not, why.")] = None,
) -> None:
    """Say which models a file with weights fits, and its SHA-256. Exit code 4 if it fits none."""
    from flows.inspecting import verify_weights

    verify_weights(file, model)
