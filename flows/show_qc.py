"""Showing QC: which cameras fail and which are for review, in a few lines or as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.report_words import why_camera
from flows.telling import count
from manifests.measures import VERDICTS
from manifests.qc import CameraVerdict, SubjectQc

MOST_LINES = 12


def qc_lines(judged: Sequence[SubjectQc], out_url: str) -> list[tuple[str, str]]:
    """Return (verdict, line) of the cameras that do not pass, the worst first and some dozen at most."""
    bad = sorted(_bad(judged), key=lambda said: -VERDICTS.index(said.verdict))
    lines = [(said.verdict, f"QC: {where(said)}: {said.verdict}: {why_camera(said)}") for said in bad[:MOST_LINES]]
    if len(bad) > MOST_LINES:
        lines.append(("review", f"QC: and {count(len(bad) - MOST_LINES, 'camera')} more"))
    if bad:
        lines.append(("review", f"QC: see cleanplate report {out_url}"))
    return lines


def where(said: CameraVerdict) -> str:
    """Name a camera: subject 031, sequence EMO-1, camera 222200037."""
    parts = [f"subject {said.subject}" if said.subject else "", f"sequence {said.sequence}" if said.sequence else ""]
    return ", ".join(filter(None, [*parts, f"camera {said.camera}"]))


def show_qc(console: Console, judged: Sequence[SubjectQc]) -> None:
    """Print a table of all cameras with their verdicts and why, and what was found besides."""
    table = Table()
    has_sequences = any(said.sequence for one in judged for said in one.verdicts)
    for name in ("subject", *(["sequence"] if has_sequences else []), "camera"):
        table.add_column(name, overflow="fold")
    for name in ("frames", "review", "fail"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    table.add_column("why", overflow="fold")
    for one in judged:
        for said in one.verdicts:
            counts = f"{said.n_frames:,}", f"{said.n_review:,}", f"{said.n_fail:,}"
            take = [said.sequence] if has_sequences else []
            table.add_row(said.subject, *take, said.camera, *counts, said.verdict, why_camera(said))
    console.print(table)
    for one in judged:
        for text in _besides(one):
            console.print(f"! subject {one.subject}: {text}", soft_wrap=True)


def qc_record(out_url: str, judged: Sequence[SubjectQc]) -> dict[str, Any]:
    """Return verdicts for JSON."""
    return {"out": out_url, "subjects": [_record(one) for one in judged]}


def _record(one: SubjectQc) -> dict[str, Any]:
    cameras = [{name: getattr(said, name) for name in CameraVerdict.__slots__} for said in one.verdicts]
    known = {name: one.meta.get(name) for name in ("is_complete", "limits", "notes", "unread", "n_unread")}
    return {"subject": one.subject, "cameras": cameras, **known}


def _bad(judged: Sequence[SubjectQc]) -> Iterator[CameraVerdict]:
    return (said for one in judged for said in one.verdicts if said.verdict != "pass")


def _besides(one: SubjectQc) -> Iterator[str]:
    if not one.meta.get("is_complete", True):
        yield "frames are pending, and it is judged by those that are done"
    yield from one.meta.get("notes", ())
    unread = one.meta.get("unread") or ()
    yield from (f"{text} (run cleanplate verify)" for text in unread[:3])
    if one.meta.get("n_unread", 0) > 3:
        yield f"and {count(one.meta['n_unread'] - 3, 'mask')} more that cannot be read"
