"""Choice: which frames of a subject a report shows: the worst ones of bad cameras, one of each good camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manifests.measures import VERDICTS
from manifests.qc import CameraMeasure, CameraVerdict, QcFrames, SubjectQc
from manifests.verdicts import streams

OF_A_CAMERA = {"fail": 3, "review": 2, "pass": 1}
"""Pictures of a camera, by its verdict."""
LISTED_OF_A_CAMERA, LISTED = 12, 120
"""Bad frames in the table of a sequence: of each camera, and in all."""


def chosen_rows(qc: SubjectQc, frames: QcFrames, most: int) -> list[int]:
    """Return at most `most` rows of frames to show as pictures, the most telling first.

    First one of each failing camera, then of each under review, then of each that passes, then more of the bad ones.
    """
    by_stream = _by_stream(qc.cameras)
    offered: list[tuple[int, int, int]] = []
    seen: set[str] = set()
    rows_of = streams(frames)
    for said in sorted(qc.verdicts, key=_severity, reverse=True):
        key = said.sequence, said.camera
        if key not in rows_of or (said.verdict == "pass" and said.camera in seen):
            continue
        seen.add(said.camera)
        lost = rows_of[key][frames.status[rows_of[key]] != "ok"] if said.measure == "not_ok" else rows_of[key][:0]
        telling = _telling(lost[:1].tolist(), by_stream.get(key, []), frames, rows_of[key])
        for turn, row in zip(range(OF_A_CAMERA.get(said.verdict, 1)), telling, strict=False):
            offered.append((turn, len(offered), row))
    return [row for _, _, row in sorted(offered)[:most]]


def listed_rows(qc: SubjectQc, frames: QcFrames, sequence: str) -> list[int]:
    """Return the rows of the worst frames of a sequence, for its table: bad cameras first, the worst frame first."""
    by_stream, rows_of = _by_stream(qc.cameras), streams(frames)
    found: list[int] = []
    for said in sorted(qc.verdicts, key=_severity, reverse=True):
        key = said.sequence, said.camera
        if said.sequence == sequence and key in rows_of:
            rows = rows_of[key]
            absent = rows[frames.status[rows] != "ok"]
            ranked = sorted(_ranked(by_stream.get(key, []), frames, rows), key=lambda found: (found[1], found[0]))
            bad = [row for _, _, row in ranked if frames.verdict[row] != "pass"]
            of_camera = list(dict.fromkeys([*absent.tolist(), *bad]))
            found += of_camera[:LISTED_OF_A_CAMERA]
    return found[:LISTED]


def even_rows(frames: QcFrames, n_of_a_camera: int) -> list[int]:
    """Return rows spread evenly over the frames of each camera, those with a mask only."""
    found: list[int] = []
    for rows in streams(frames).values():
        known = rows[frames.mask_path[rows] != ""]
        places = np.linspace(0, len(known) - 1, min(n_of_a_camera, len(known))).round().astype(np.int64)
        found += known[places].tolist()
    return found


def _telling(
    first: Sequence[int], measures: Sequence[CameraMeasure], frames: QcFrames, rows: np.ndarray
) -> Iterator[int]:
    """Yield rows of a camera, the most telling first, none beside another; the middle one where nothing is known."""
    apart = max(1, len(rows) // 20)
    taken: list[int] = []
    middle = int(rows[len(rows) // 2])
    for row in [*first, *(row for _, _, row in sorted(_ranked(measures, frames, rows))), middle]:
        if all(abs(row - other) >= apart for other in taken):
            taken.append(row)
            yield row


def _ranked(measures: Sequence[CameraMeasure], frames: QcFrames, rows: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (rank in its measure, rank of the measure, row) of a camera's worst frames; sorted, the telling first."""
    numbers = frames.frame[rows]
    ranked: list[tuple[int, int, int]] = []
    judged = [one for one in measures if one.limit is not None]
    for place, one in enumerate(sorted(judged, key=_nearness, reverse=True)):
        for turn, number in enumerate(one.worst_frames):
            at = int(np.searchsorted(numbers, number))
            if at < len(numbers) and numbers[at] == number:
                ranked.append((turn, place, int(rows[at])))
    return ranked


def _nearness(one: CameraMeasure) -> tuple[int, float]:
    """Rank measures by their verdict, then by how far they are beyond their limit, or how near to it."""
    level = VERDICTS.index(one.verdict) if one.verdict in VERDICTS else 0
    if one.value is None or one.limit is None:
        return level, -np.inf
    distance = abs(one.value - one.limit) / max(abs(one.limit), 1e-9)
    return level, distance if level else -distance


def _severity(said: CameraVerdict) -> int:
    return VERDICTS.index(said.verdict) if said.verdict in VERDICTS else 0


def _by_stream(measures: Sequence[CameraMeasure]) -> dict[tuple[str, str], list[CameraMeasure]]:
    found: dict[tuple[str, str], list[CameraMeasure]] = {}
    for one in measures:
        found.setdefault((one.sequence, one.camera), []).append(one)
    return found
