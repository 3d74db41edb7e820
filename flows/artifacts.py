"""Artifacts: what Prefect's pages show of a run: its cameras, the worst of them, and the report.

They are for people. Where the API cannot be reached they are left out, and the run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.exceptions import PrefectException

from flows.report_words import why_camera
from flows.summary import Summary
from flows.telling import count
from manifests.measures import VERDICTS
from manifests.pages import INDEX
from manifests.plan import CameraStatus
from manifests.qc import CameraVerdict
from manifests.storage import Folder

SUMMARY, WORST, REPORT, NIGHT = "matte-summary", "matte-worst", "matte-report", "matte-nightly"
"""Keys: lowercase letters, digits and dashes, as Prefect wants them."""

MOST_ROWS = 2000
"""Of the table: some hundred kilobytes, which the API and a browser still take."""
N_WORST = 10
MOST_WARNINGS = 100

_FINE = (0, False, 0.0)
UNREACHABLE = (httpx.HTTPError, PrefectException, OSError)

log = logging.getLogger("cleanplate")


def publish(summary: Summary, out: Folder, message: str) -> None:
    """Create the artifacts of a run that has ended, in its flow run."""
    publish_cameras(summary, message)
    publish_report(out)


def publish_cameras(summary: Summary, message: str) -> None:
    """Create the table of the cameras of a run, and the page of the worst of them."""
    rows = table_of(summary)
    with if_reachable():
        if rows:
            shown = "" if len(rows) <= MOST_ROWS else f" The worst {MOST_ROWS:,} of {len(rows):,} cameras."
            create_table_artifact(key=SUMMARY, table=rows[:MOST_ROWS], description=message + shown)
            create_markdown_artifact(key=WORST, markdown=markdown_of(summary, message), description="The worst cameras")


def publish_night(message: str, warnings: Sequence[str]) -> None:
    """Create the one message of a night: what it came to, and what it warned of."""
    with if_reachable():
        create_markdown_artifact(key=NIGHT, markdown=night_page(message, warnings), description=message)


def publish_report(out: Folder) -> None:
    """Create the link to the report of an output root, where there is one."""
    with if_reachable():
        url = report_url(out)
        if url is not None:
            create_link_artifact(key=REPORT, link=url, link_text="Report of the mattes", description=url)


def report_url(out: Folder) -> str | None:
    """Return where the report can be opened, as file:// or in the words of its store, None where there is none."""
    try:
        out.read_range(INDEX, 0, 1)
    except FileNotFoundError:
        return None
    local = out.local_path(INDEX)
    return f"{out.url}/{INDEX}" if local is None else f"file://{quote(str(local))}"


def table_of(summary: Summary) -> list[dict[str, Any]]:
    """Return a row a camera with its counts and its verdict; of more than the table holds the worst come first."""
    verdicts = _verdicts(summary)
    cameras = summary.cameras if len(summary.cameras) <= MOST_ROWS else _by_badness(summary)
    return [_row(camera, verdicts.get(_key(camera))) for camera in cameras]


def markdown_of(summary: Summary, message: str) -> str:
    """Return a page with the counts of a run and its worst cameras, as Markdown."""
    verdicts = _verdicts(summary)
    counts = [sum(one.verdict == verdict for one in verdicts.values()) for verdict in VERDICTS]
    judged = ", ".join(f"{number:,} {verdict}" for number, verdict in zip(counts, VERDICTS, strict=True))
    lines = ["# Mattes", "", _plain(message), ""]
    lines += [f"Judged by QC: {count(sum(counts), 'camera')}: {judged}." if verdicts else "Not judged by QC yet.", ""]
    bad = [camera for camera in _by_badness(summary) if _badness(camera, verdicts.get(_key(camera))) > _FINE][:N_WORST]
    if not bad:
        return "\n".join([*lines, "No camera is for review, and every frame has its mask.", ""])
    lines += [f"## The worst {len(bad)}" if len(bad) > 1 else "## The worst", ""]
    lines += [
        "| subject | sequence | camera | verdict | why | frames flagged | not ok |",
        "|---|---|---|---|---|--:|--:|",
    ]
    for camera in bad:
        one = verdicts.get(_key(camera))
        flagged = "" if one is None else f"{one.n_fail + one.n_review:,} of {one.n_frames:,}"
        said = ("", "") if one is None else (one.verdict, why_camera(one))
        cells = (*_key(camera), *said, flagged, f"{camera.n_failed:,}")
        lines.append("| " + " | ".join(_plain(cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])


def night_page(message: str, warnings: Sequence[str]) -> str:
    """Return the page of a night, as Markdown: the parts of its message, and the first warnings."""
    lines = ["# Last night", "", *(f"- {_plain(part)}" for part in message.split("; ")), ""]
    shown = [f"- {_plain(warning)}" for warning in warnings[:MOST_WARNINGS]]
    if len(warnings) > MOST_WARNINGS:
        shown.append(f"- and {len(warnings) - MOST_WARNINGS:,} more, in the log of the run")
    return "\n".join([*lines, "## Warnings", "", *shown, ""] if shown else lines)


@contextmanager
def if_reachable() -> Iterator[None]:
    """Let an API that does not answer cost an artifact and never the run."""
    try:
        yield
    except InterruptedError:
        raise
    except UNREACHABLE as err:
        log.info("Prefect did not take an artifact: %s: %s", type(err).__name__, err)


def _row(camera: CameraStatus, said: CameraVerdict | None) -> dict[str, Any]:
    return {
        "subject": camera.subject,
        "sequence": camera.sequence,
        "camera": camera.camera,
        "frames": camera.n_frames,
        "ok": camera.n_ok,
        "pending": camera.n_pending,
        "not ok": ", ".join(f"{number} {status}" for status, number in camera.failed.items()),
        "verdict": "" if said is None else said.verdict,
        "measure": "" if said is None else said.measure,
        "why": "" if said is None else why_camera(said),
    }


def _verdicts(summary: Summary) -> dict[tuple[str, str, str], CameraVerdict]:
    said = (one for judged in summary.qc.values() for one in judged.verdicts)
    return {(one.subject, one.sequence, one.camera): one for one in said}


def _by_badness(summary: Summary) -> Sequence[CameraStatus]:
    verdicts = _verdicts(summary)
    return sorted(summary.cameras, key=lambda camera: _badness(camera, verdicts.get(_key(camera))), reverse=True)


def _badness(camera: CameraStatus, said: CameraVerdict | None) -> tuple[int, bool, float]:
    """Return what cameras are ordered by: the verdict, frames that are not ok, the share of flagged frames."""
    level = 0 if said is None else VERDICTS.index(said.verdict)
    share = 0.0 if said is None or not said.n_frames else (said.n_fail + said.n_review / 1000) / said.n_frames
    return level, camera.n_failed > 0, share


def _key(camera: CameraStatus) -> tuple[str, str, str]:
    return camera.subject, camera.sequence, camera.camera


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in the cell of a table, too."""
    escaped = "".join(f"\\{letter}" if letter in "\\|*_`<>[]#" else letter for letter in text)
    return " ".join(escaped.split())
