"""Enumerate: bring the manifest of a capture up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from manifests.capture import find_subjects, scan_subject
from manifests.errors import CaptureDiffers, InputFault, NotACapture, NothingSelected, SchemaNewer, SchemaUnknown
from manifests.layouts import gha
from manifests.manifest import (
    Changes,
    Manifest,
    compare,
    drop_manifest,
    holes,
    keep_probed,
    listed_subjects,
    missing_plates,
    read_manifest,
    write_manifest,
)
from manifests.records import Plate
from manifests.root import read_root
from manifests.storage import Folder, unwritable
from matting_tasks.decode import HEAD_BYTES, read_header

PROBE_THREADS = 8
MOST_TROUBLES = 20


@dataclass(frozen=True, slots=True)
class Enumerated:
    """One subject of the manifest: what it holds and what changed since it was last listed."""

    subject: str
    n_frames: int
    n_cameras: int
    changes: Changes
    holes: dict[tuple[str, str], list[int]]
    plate_faults: dict[str, str]
    n_doubles: int = 0
    absent: tuple[str, ...] = ()


def enumerate_capture(
    capture: Folder, out: Folder, subjects: Sequence[str] | None, rule: str | None, replace_capture: bool = False
) -> Iterator[Enumerated]:
    """List the capture subject by subject and write what changed; nothing is written where nothing changed.

    With `subjects` only those are listed. A subject that is no longer in the capture leaves the manifest; its masks
    and receipts stay. `rule` makes the fingerprints; None is the one that the root is pinned to. Raises NotACapture,
    NothingSelected, CaptureDiffers, StoreFault.
    """
    found = find_subjects(capture)
    listed = listed_subjects(out)
    unknown = [subject for subject in subjects or () if subject not in found]
    if unknown:
        raise NothingSelected(
            f"--subjects {','.join(unknown)}: not in {capture.url}, which has {count(len(found), 'subject')}: "
            f"{', '.join(found[:8])}{', ...' if len(found) > 8 else ''}."
        )
    vanished = [subject for subject in listed if subject not in found]
    _check_same_capture(capture, out, listed, vanished, replace_capture)
    rule = pinned_rule(out, rule)
    n_frames = 0
    for subject in found if subjects is None else subjects:
        enumerated = enumerate_subject(capture, out, subject, rule, replace_capture)
        n_frames += enumerated.n_frames
        yield enumerated
    if not n_frames:
        raise NotACapture(f"{capture.url} has no frame in {count(len(found), 'subject')}. Expected: {gha.describe()}.")
    for subject in vanished if subjects is None else ():
        before = read_manifest(out, subject)
        drop_manifest(out, subject)
        gone = 0 if before is None else len(before.frames)
        yield Enumerated(subject, 0, 0, Changes(vanished=gone), {}, {})


def pinned_rule(out: Folder, asked: str | None) -> str:
    """Return the fingerprint rule of an output root: the one it is pinned to, else the one asked for, else stat."""
    root = read_root(out)
    if root is None:
        return asked or "stat"
    if asked not in (None, root.fingerprint_rule):
        raise CaptureDiffers(
            f"{out.url} is pinned to --fingerprint {root.fingerprint_rule} by its first run; {asked} would make every "
            "frame a changed one. Leave the option out, or name another --out."
        )
    return root.fingerprint_rule


def enumerate_subject(
    capture: Folder, out: Folder, subject: str, rule: str, replace_capture: bool = False
) -> Enumerated:
    """List one subject, probe the sizes that are not known yet, and write its manifest if anything changed."""
    old = _old_manifest(out, subject)
    scanned = keep_probed(scan_subject(capture, subject, rule), old)
    manifest = _probe(capture, Manifest(scanned.frames, scanned.plates, capture.url, rule, gha.NAME))
    changes = compare(old, manifest)
    moved = old is not None and old.capture_url != capture.url
    if old is not None and moved and (changes.changed or changes.vanished) and not replace_capture:
        raise CaptureDiffers(
            f"The manifest of subject {subject} under {out.url} was listed from {old.capture_url}; {capture.url} has "
            f"{changes.changed} of its files changed and lacks {changes.vanished}. If it is the same capture, move it "
            "with its file times (rsync -a, cp -a); to put this one in its place, matte with --replace; "
            "else name another --out."
        )
    if old is None or changes or moved:
        try:
            write_manifest(out, manifest)
        except OSError as err:
            raise unwritable(out, err) from err
    return Enumerated(
        subject=subject,
        n_frames=len(manifest.frames),
        n_cameras=len(set(manifest.frames.camera)),
        changes=changes,
        holes=holes(manifest.frames, manifest.plates),
        n_doubles=scanned.n_doubles,
        absent=gha.absent_from_rig({*manifest.frames.camera, *manifest.plates}),
        plate_faults=missing_plates(manifest),
    )


def tell(enumerated: Sequence[Enumerated], say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Say what a listing found, and warn of missing plates and of frames that only some cameras have."""
    changes = sum((one.changes for one in enumerated), Changes())
    text = f"Manifest: {count(len(enumerated), 'subject')}, {count(sum(one.n_frames for one in enumerated), 'frame')}"
    if changes:
        text += f" ({changes.added:,} files added, {changes.changed:,} changed, {changes.vanished:,} vanished)"
    say(text)
    troubles = [trouble for one in enumerated for trouble in _troubles(one)]
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
    if not one.n_frames:
        gone = f"{one.changes.vanished} frames" if one.changes.vanished else "and has no frame"
        what = "is no longer in the capture, and left the manifest with its" if one.changes.vanished else "is empty"
        yield f"subject {one.subject} {what} {gone}"
    if one.absent:
        yield f"subject {one.subject}: nothing of camera {', '.join(one.absent)}, which the rig has"
    if one.n_doubles:
        yield f"subject {one.subject}: {count(one.n_doubles, 'file')} left out, another one is the same frame or plate"
    for camera, fault in one.plate_faults.items():
        yield f"subject {one.subject}, camera {camera}: plate {fault}"
    for (sequence, camera), frames in one.holes.items():
        take = f"sequence {sequence}, " if sequence else ""
        yield (
            f"subject {one.subject}, {take}camera {camera}: lacks frames that other cameras have "
            f"({len(frames)}): {ranges(frames)}"
        )


def _check_same_capture(
    capture: Folder, out: Folder, listed: Sequence[str], vanished: Sequence[str], replace_capture: bool
) -> None:
    """Refuse a capture at another place that lacks subjects of the one that the root knows."""
    if not vanished or replace_capture:
        return
    before = _old_manifest(out, listed[0])
    if before is not None and before.capture_url != capture.url:
        raise CaptureDiffers(
            f"{out.url} belongs to the capture {before.capture_url}; {capture.url} lacks its "
            f"{count(len(vanished), 'subject')} {', '.join(vanished[:8])}. Check the path, or name another --out; "
            "to put this capture in its place, matte with --replace."
        )


def _old_manifest(out: Folder, subject: str) -> Manifest | None:
    """Return the last manifest; one of an unknown older schema is made anew, it holds nothing of its own."""
    try:
        return read_manifest(out, subject)
    except SchemaNewer:
        raise
    except SchemaUnknown:
        return None


def _probe(capture: Folder, manifest: Manifest) -> Manifest:
    """Read the headers of the plates and of the first frame of each camera whose size is not known."""
    frames = manifest.frames
    cameras = np.stack([frames.sequence, frames.camera], axis=1) if len(frames) else np.empty((0, 2), dtype=object)
    changes = np.ones(len(frames), dtype=bool)
    changes[1:] = (cameras[1:] != cameras[:-1]).any(axis=1)
    firsts = [row for row in np.flatnonzero(changes) if not frames.width[row]]
    plates = [plate for plate in manifest.plates.values() if plate.path is not None and not plate.width]
    with ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe") as threads:
        sizes = list(threads.map(lambda row: _size(capture, str(frames.path[row])), firsts))
        probed = list(threads.map(lambda plate: _probe_plate(capture, plate), plates))
    width, height = frames.width.copy(), frames.height.copy()
    for row, size in zip(firsts, sizes, strict=True):
        width[row], height[row] = size or (0, 0)
    known = dict(manifest.plates) | {plate.camera: plate for plate in probed}
    return replace(manifest, frames=replace(frames, width=width, height=height), plates=known)


def _probe_plate(capture: Folder, plate: Plate) -> Plate:
    size = _size(capture, plate.path or "")
    if size is None:
        return replace(plate, status="unreadable")
    return replace(plate, status="ok", width=size[0], height=size[1])


def _size(capture: Folder, path: str) -> tuple[int, int] | None:
    """Return (width, height) from a picture's header, None where it has none that can be read."""
    for size_bytes in (HEAD_BYTES, 128 * HEAD_BYTES):  # profiles and previews can push the header far back
        head = capture.read_range(path, 0, size_bytes)
        try:
            header = read_header(head)
        except InputFault:
            if len(head) < size_bytes:
                break
        else:
            return header.width, header.height
    return None
