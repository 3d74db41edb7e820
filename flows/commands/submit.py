"""cleanplate submit: a command on a Ray cluster, from outside."""

from __future__ import annotations

from typing import Annotated

import typer

from manifests.errors import UsageError

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate submit --ray-address http://head:8265 -- matte s3://lab/capture --out s3://lab/mattes --pack

cleanplate submit --ray-address http://head:8265 --no-wait -- reprocess s3://lab/mattes --subject 031

cleanplate submit --ray-address http://head:8265 --list

cleanplate submit --ray-address http://head:8265 --follow raysubmit_8Kq1Jm2ZrY

cleanplate submit --ray-address http://head:8265 --stop raysubmit_8Kq1Jm2ZrY
"""


@app.command(epilog=EXAMPLES)
def submit(
    ray_address: Annotated[
        str, typer.Option("--ray-address", envvar="RAY_API_SERVER_ADDRESS", help="The dashboard: http://HEAD:8265.")
    ],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND ...", help="A command of cleanplate, behind --.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Print what the command prints, and end with its exit code.")
    ] = True,
    follow: Annotated[str | None, typer.Option("--follow", metavar="JOB", help="Follow one that was sent.")] = None,
    stop: Annotated[str | None, typer.Option("--stop", metavar="JOB", help="Stop one; nothing is lost.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List those that were sent.")] = False,
) -> None:
    """Run a command of cleanplate on a Ray cluster as a job, and follow or stop it.

    The command runs on the head of the cluster and goes on when this one ends: paths are those of the cluster's
    machines, credentials those of their environment. matte and reprocess get --ray-address auto by themselves.
    """
    if sum((bool(words), follow is not None, stop is not None, list_all)) != 1:
        raise UsageError("Say one thing: a command behind --, or --follow JOB, --stop JOB, or --list.")
    from flows import submitting

    if follow is not None:
        raise typer.Exit(submitting.run_follow(ray_address, follow))
    if stop is not None:
        raise typer.Exit(submitting.run_stop(ray_address, stop))
    if list_all:
        raise typer.Exit(submitting.run_list(ray_address))
    raise typer.Exit(submitting.run_submit(ray_address, words or [], wait))
