"""The command line in this process, as `cleanplate ...` would run it."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from flows.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str


def cleanplate(*words: object) -> Ended:
    """Run `cleanplate` with the given words."""
    out, err = io.StringIO(), io.StringIO()
    argv, on_term = sys.argv, signal.getsignal(signal.SIGTERM)
    sys.argv = ["cleanplate", *map(str, words)]
    code: object = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, on_term)
    return Ended(int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]


def matte(capture: object, out: object, *words: object) -> Ended:
    """Run the main job in this process with the model that needs no weights."""
    return cleanplate("matte", capture, "--out", out, "--model", "plate-difference", "--executor", "local", *words)


def matte_by_rvm(capture: object, out: object, weights: Path, *words: object) -> Ended:
    """Run the main job in this process with RobustVideoMatting and a short warm-up, unless the words say otherwise."""
    known = ["--model", "rvm-mobilenetv3", "--weights", weights, "--executor", "local"]
    if "--warmup" not in words:
        known += ["--warmup", 2]
    return cleanplate("matte", capture, "--out", out, *known, *words)
