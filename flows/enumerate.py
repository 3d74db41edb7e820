"""Enumerate: bring the manifest of a capture up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flows.listing import Listing, any_manifest, old_manifest, resolve_listing
from flows.probing import probe_pictures, probe_plates, probe_videos
from flows.settings import EnumerateSettings
from flows.telling import Enumerated, count
from manifests.capture import Scanned, scan_subject
from manifests.errors import CaptureDiffers, NotACapture, NothingSelected, UsageError
from manifests.faults import holes, missing_plates, video_faults
from manifests.forget import forgotten_among
from manifests.layouts.rig import absent_from_rig
from manifests.layouts.template import Template
from manifests.manifest import (
    Changes,
    Manifest,
    compare,
    drop_all,
    drop_manifest,
    is_same,
    keep_probed,
    read_manifest,
    write_manifest,
)
from manifests.numbering import GHA, Span, settle_numbering
from manifests.rows import rows_of, taken_lengths
from manifests.storage import Folder, unwritable


def enumerate_capture(
    capture: Folder, out: Folder, settings: EnumerateSettings, replace_capture: bool = False
) -> Iterator[Enumerated]:
    """List the capture subject by subject and write what changed; nothing is written where nothing changed.

    With selected subjects only those are listed. A subject that is no longer in the capture leaves the manifest; its
    masks and receipts stay. One that was forgotten is left out unless it is selected by name.

    Raises NotACapture, NothingSelected, CaptureDiffers, StoreFault.
    """
    listing, found = resolve_listing(capture, out, settings, replace_capture)
    _check_selected(capture, settings.subjects, found)
    if listing.anew:
        drop_all(out, listing.listed)
    vanished = [] if listing.anew else [subject for subject in listing.listed if subject not in found]
    _check_same_capture(capture, out, listing, vanished)
    n_frames, plates_seen = 0, False
    known = {*listing.listed, *(settings.subjects or ())}
    forgotten = set(forgotten_among(out, found)) - known
    for subject in settings.subjects or found:
        if subject in forgotten:
            yield Enumerated(subject, 0, 0, Changes(), is_forgotten=True)
            continue
        enumerated = enumerate_subject(capture, out, subject, listing)
        if listing.recipes and subject not in known and not enumerated.changes:
            continue  # a folder with nothing but masks of ours
        n_frames += enumerated.n_frames
        plates_seen |= list(enumerated.plate_faults.values()).count("missing") < enumerated.n_cameras
        yield enumerated
    if not n_frames and not forgotten:
        raise _no_frame(capture, listing, len(settings.subjects or found))
    if settings.plate and settings.subjects is None and not plates_seen:
        raise _no_plate(capture, listing)
    yield from _left(out, vanished if settings.subjects is None else ())


def _left(out: Folder, vanished: Sequence[str]) -> Iterator[Enumerated]:
    """Let subjects that are no longer in the capture leave the manifest."""
    for subject in vanished:
        before = read_manifest(out, subject)
        drop_manifest(out, subject)
        yield Enumerated(subject, 0, 0, Changes(vanished=0 if before is None else len(before.frames)))


def enumerate_subject(capture: Folder, out: Folder, subject: str, listing: Listing) -> Enumerated:
    """List one subject, probe what is not known yet, number its frames, and write its manifest if anything changed."""
    old = old_manifest(out, subject)
    unread: dict[str, str] = {}
    scanned = scan_subject(capture, subject, listing.fingerprint_rule, listing.layout, listing.recipes)
    scanned = probe_videos(capture, keep_probed(scanned, old), unread)
    manifest = _manifest(capture, out, scanned, listing, unread)
    changes = compare(old, manifest)
    if old is not None and old.capture_url != capture.url and not listing.replace_capture:
        _check_moved(capture, out, old, changes)
    if old is not None or not scanned.is_empty:
        manifest = _written(out, scanned, old, manifest)
    return Enumerated(
        subject=subject,
        n_frames=len(manifest.frames),
        n_cameras=len(set(manifest.frames.camera)),
        changes=changes,
        holes=holes(manifest.frames, manifest.plates),
        plate_faults=missing_plates(manifest),
        video_faults=video_faults(manifest.frames, manifest.plates),
        n_doubles=scanned.n_doubles,
        absent=absent_from_rig({*manifest.frames.camera, *manifest.plates}),
        layout=manifest.layout,
        unread=unread,
    )


def _manifest(capture: Folder, out: Folder, scanned: Scanned, listing: Listing, unread: dict[str, str]) -> Manifest:
    """Number the frames of a subject and join them with what is known of its plates."""
    spans = _spans(out, scanned) if listing.numbering == GHA else None
    return Manifest(
        frames=probe_pictures(capture, rows_of(scanned, spans), unread),
        plates=probe_plates(capture, scanned.plates.values(), unread),
        capture_url=capture.url,
        fingerprint_rule=listing.fingerprint_rule,
        layout=listing.layout.name,
        plate_pattern=listing.layout.plate,
        numbering=listing.numbering,
        calibration=scanned.calibration,
    )


def _spans(out: Folder, scanned: Scanned, may_change: bool = True) -> tuple[Span, ...]:
    try:
        return settle_numbering(out, scanned.frames.subject, taken_lengths(scanned), may_change)
    except OSError as err:
        raise unwritable(out, err) from err


def _written(out: Folder, scanned: Scanned, old: Manifest | None, manifest: Manifest) -> Manifest:
    """Write a manifest unless it is there, and again while another listing has numbered the frames otherwise since."""
    try:
        while not is_same(old, manifest):
            write_manifest(out, manifest)
            old, manifest = manifest, _renumbered(out, scanned, manifest)
    except OSError as err:
        raise unwritable(out, err) from err
    return manifest


def _renumbered(out: Folder, scanned: Scanned, manifest: Manifest) -> Manifest:
    """Return a manifest with the numbers that hold now."""
    if manifest.numbering != GHA:
        return manifest
    frames = rows_of(scanned, _spans(out, scanned, may_change=False))
    return replace(manifest, frames=replace(frames, width=manifest.frames.width, height=manifest.frames.height))


def _check_selected(capture: Folder, asked: Sequence[str] | None, found: Sequence[str]) -> None:
    unknown = [subject for subject in asked or () if subject not in found]
    if unknown:
        raise NothingSelected(
            f"--subjects {','.join(unknown)}: not in {capture.url}, which has {count(len(found), 'subject')}: "
            f"{', '.join(found[:8])}{', ...' if len(found) > 8 else ''}."
        )


def _no_frame(capture: Folder, listing: Listing, n_subjects: int) -> NotACapture:
    return NotACapture(
        f"{capture.url} has no frame in {count(n_subjects, 'subject')}.\nExpected: {listing.layout.describe()}.\n"
        f"Found: {listing.layout.found_instead(capture)}."
    )


def _no_plate(capture: Folder, listing: Listing) -> UsageError:
    where = listing.layout.plates_instead(capture) if isinstance(listing.layout, Template) else ""
    return UsageError(f"--plate {listing.layout.plate} finds no plate: {where}.")


def _check_same_capture(capture: Folder, out: Folder, listing: Listing, vanished: Sequence[str]) -> None:
    """Refuse a capture at another place that lacks subjects of the one that the root knows."""
    if not vanished or listing.replace_capture:
        return
    before = any_manifest(out, listing.listed)
    if before is not None and before.capture_url != capture.url:
        raise CaptureDiffers(
            f"{out.url} belongs to the capture {before.capture_url}; {capture.url} lacks its "
            f"{count(len(vanished), 'subject')} {', '.join(vanished[:8])}. Check the path, or name another --out; "
            "to put this capture in its place, matte with --replace."
        )


def _check_moved(capture: Folder, out: Folder, old: Manifest, changes: Changes) -> None:
    """Refuse a capture at another place whose files are not those that were listed."""
    if changes.changed or changes.vanished:
        raise CaptureDiffers(
            f"The manifest of subject {old.subject} under {out.url} was listed from {old.capture_url}; {capture.url} "
            f"has {changes.changed} of its files changed and lacks {changes.vanished}. If it is the same capture, move "
            "it with its file times (rsync -a, cp -a); to put this one in its place, matte with --replace; "
            "else name another --out."
        )
