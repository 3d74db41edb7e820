"""The `cleanplate` command: finds a subcommand, runs it, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from manifests.errors import CleanplateError

COMMANDS = {
    "matte": "Matte a capture: frames and plates in, masks and receipts out. The main job.",
    "status": "Show what is done, pending and failed under an output root.",
    "report": "Make pages that show how the mattes are: verdicts, time series, worst frames.",
    "contact-sheet": "Put frames, masks and composites on one picture.",
    "reprocess": "Matte some frames again, with other settings if you like.",
    "plan": "Say what a run would take: requests, GPU-hours, time, and what would be slowest.",
    "enumerate": "List a capture into the manifest of an output root.",
    "check": "Check the plates of a capture before anything is matted.",
    "manifest": "Print the manifest: frames, holes and missing plates by camera.",
    "verify": "Check that every mask is there as its receipt says; queue what is damaged again.",
    "qc": "Judge the mattes against each other: a verdict for each camera, and why.",
    "gc": "Show, or delete, what no run will ever need: leftovers, stale receipts, orphaned masks.",
    "forget": "Delete all that was made of a subject who withdraws.",
    "submit": "Run a command on a Ray cluster as a job, and follow or stop it.",
    "unpack": "Make mask files, in any layout, of what a run with --pack wrote.",
    "video": "Matte one video or folder of pictures: alpha, foreground and composite.",
    "serve": "Serve forms, schedules and runs on Prefect's pages, on this machine alone.",
    "flagged": "Print the frames that QC flags, and export them as an exclusion list.",
    "evaluate": "Compare mattes with true ones: MAD, MSE, SAD, Grad, Conn, dtSSD.",
    "fit": "Train a network for the plates of a rig, with exact truth made on the fly.",
    "weights": "List, fetch and verify the weights of the models.",
    "synth": "Make a synthetic multi-view capture with known alpha, to try things on.",
    "demo": "Make a small capture, matte it, and show the result.",
}

EXIT_CODES = """\
Exit codes: 0 all selected frames ok; 1 a fault of ours or of the infrastructure; 2 usage, or not a capture;
3 finished, some frames not ok; 4 refused, because it would harm what is there; 130 and 143 interrupted."""


class LazyGroup(TyperGroup):
    """A group that imports a subcommand's module when it is asked for, so that help answers at once."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a subcommand; for the list of all, one that only knows its line."""
        if cmd_name not in COMMANDS:
            return None
        if _asks_for_overview():
            return TyperCommand(cmd_name, short_help=COMMANDS[cmd_name], help=COMMANDS[cmd_name])
        module = importlib.import_module(f"flows.commands.{cmd_name.replace('-', '_')}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    epilog=EXIT_CODES,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"cleanplate {importlib.metadata.version('cleanplate')}")
        raise typer.Exit


@app.callback()
def cleanplate(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Alpha mattes for multi-view captures with clean plates, at dataset scale.

    [bold]cleanplate matte CAPTURE --out OUT[/bold] does the whole job, and goes on where it was stopped.
    """


def main() -> NoReturn:
    """Run the command line; the one place where errors become exit codes."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code = app(standalone_mode=False)
        if code == 130:  # typer's own word for Ctrl-C
            code = _interrupted()
    except CleanplateError as err:
        _complain(str(err))
        code = err.exit_code
    except typer.Exit as err:
        code = err.exit_code
    except typer.TyperException as err:
        show = getattr(err, "show", None)
        show() if show is not None else _complain(str(err))
        code = 2
    except (KeyboardInterrupt, typer.Abort, InterruptedError):
        code = _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as err:
        said = str(err).rstrip(".")
        _complain(f"A store or file failed: {said}. Run the same command again when it is mended; nothing is lost.")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def run() -> NoReturn:
    """Run the command line as a program, and leave at once when it was stopped.

    A thread may still be inside a library then, and the end of the interpreter would abort it with a message of C++.
    """
    try:
        main()
    except SystemExit as end:
        if end.code in (130, 143):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise


class _Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C but with its own exit code."""

    seen = False


def _interrupted() -> int:
    _complain("Stopped; run the same command again to go on. What a run has finished is kept.")
    return 143 if _Terminated.seen else 130


def _on_sigterm(signal_number: int, frame: FrameType | None) -> None:
    _Terminated.seen = True
    raise _Terminated


def _asks_for_overview() -> bool:
    words = sys.argv[1:]
    return not words or words[0] in ("-h", "--help")


def _complain(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text.assemble(("cleanplate: ", "bold red"), text), soft_wrap=True)


if __name__ == "__main__":
    run()
