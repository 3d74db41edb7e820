"""Telling: what a listing found, in a few lines, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from manifests.capture import Stream
from manifests.faults import VideoFault
from manifests.manifest import Changes

MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True)
class Enumerated:
    """One subject of the manifest: what it holds and what changed since it was last listed.

    `unread` are the files that are there and that the store did not give, with the reason.
    """

    subject: str
    n_frames: int
    n_cameras: int
    changes: Changes
    holes: dict[Stream, list[int]] = field(default_factory=dict)
    plate_faults: dict[str, str] = field(default_factory=dict)
    video_faults: dict[Stream, VideoFault] = field(default_factory=dict)
    n_doubles: int = 0
    absent: tuple[str, ...] = ()
    layout: str = ""
    is_forgotten: bool = False
    unread: dict[str, str] = field(default_factory=dict)


def tell(enumerated: Sequence[Enumerated], say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Say what a listing found, and warn of missing plates, faulty videos and frames that only some cameras have."""
    changes = sum((one.changes for one in enumerated), Changes())
    n_subjects = sum(not one.is_forgotten for one in enumerated)
    text = f"Manifest: {count(n_subjects, 'subject')}, {count(sum(one.n_frames for one in enumerated), 'frame')}"
    layout = next((one.layout for one in enumerated if one.layout), "")
    text += f", layout {layout}" if layout else ""
    if changes:
        text += f" ({changes.added:,} files added, {changes.changed:,} changed, {changes.vanished:,} vanished)"
    say(text)
    for one in enumerated:
        if one.is_forgotten:
            warn(
                f"subject {one.subject} was forgotten here and is left out; to matte it again: --subjects {one.subject}"
            )
    troubles = [trouble for one in enumerated if not one.is_forgotten for trouble in _troubles(one)]
    for trouble in troubles[:MOST_TROUBLES]:
        warn(trouble)
    if len(troubles) > MOST_TROUBLES:
        warn(f"... and {len(troubles) - MOST_TROUBLES:,} more like these: cleanplate manifest lists them all.")


def count(number: int, word: str) -> str:
    """Return a number with its word, in the plural but for one."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as text, runs joined, cut after eight: 1-3, 7."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in parts]
    return ", ".join(texts[:8]) + (", ..." if len(texts) > 8 else "")


def _troubles(one: Enumerated) -> Iterator[str]:
    who = f"subject {one.subject}" if one.subject else "the capture"
    if not one.n_frames:
        gone = f"{one.changes.vanished} frames" if one.changes.vanished else "and has no frame"
        what = "is no longer in the capture, and left the manifest with its" if one.changes.vanished else "is empty"
        yield f"{who} {what} {gone}"
    yield from _file_troubles(who, one)
    for camera, fault in one.plate_faults.items():
        yield f"{_where(who, '', [camera])}: plate {fault}"
    yield from _video_troubles(who, one)
    for (sequence, camera), frames in one.holes.items():
        if (sequence, camera) not in one.video_faults:
            yield (
                f"{_where(who, sequence, [camera])}: lacks frames that other cameras have "
                f"({len(frames)}): {ranges(frames)}"
            )


def _file_troubles(who: str, one: Enumerated) -> Iterator[str]:
    """Yield a line for what is not there, what is there twice, and each file that the store did not give."""
    if one.absent:
        yield f"{who}: nothing of camera {', '.join(one.absent)}, which the rig has"
    if one.n_doubles:
        yield f"{who}: {count(one.n_doubles, 'file')} left out, another one is the same frame or plate"
    for path, reason in one.unread.items():
        yield f"{who}: {path} could not be read ({reason}); the next listing tries again"


def _video_troubles(who: str, one: Enumerated) -> Iterator[str]:
    """Yield a line for each different fault of a sequence, with all cameras that have it."""
    alike: dict[tuple[str, VideoFault], list[str]] = {}
    for (sequence, camera), fault in one.video_faults.items():
        alike.setdefault((sequence, fault), []).append(camera)
    for (sequence, fault), cameras in alike.items():
        where = _where(who, sequence, cameras)
        if fault.kind == "short":
            yield f"{where}: {count(fault.n_frames, 'frame')}, others have {fault.longest:,}"
        else:
            yield f"{where}: video {fault}"


def _where(who: str, sequence: str, cameras: Sequence[str]) -> str:
    take = f", sequence {sequence}" if sequence else ""
    named = f", camera{'' if len(cameras) == 1 else 's'} {', '.join(cameras)}" if any(cameras) else ""
    return f"{who}{take}{named}"
