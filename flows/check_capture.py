"""Checking a capture before anything is matted: its plates, its frame sets, its videos; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from flows.enumerate import enumerate_capture
from flows.guards import check_names
from flows.settings import EnumerateSettings
from flows.show import MOST_REASONS, counting_bar, plain_console
from flows.show_traffic import show_traffic
from flows.telling import count
from manifests.faults import holes, missing_plates, video_faults
from manifests.manifest import Manifest, drop_manifest, read_manifest
from manifests.storage import Folder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.traffic import traffic_of
from matting_tasks.plate_check import check_views
from matting_tasks.plate_sample import sample_views

FAULTS = {
    "missing": "there is no plate",
    "unreadable": "the plate cannot be decoded",
    "size": "the plate is {value:.3g} times as wide as its frames",
    "swapped": "another camera's plate, or one of another's frames, fits {value:.0%} more of the picture",
    "shifted": "frames and plate lie {value:.1%} of the width apart",
    "relit": "frames are {value:.0%} brighter or darker than the plate, in the worst channel",
    "contaminated": "somebody seems to stand in the plate, to whom {value:.0%} of the outlines belong",
    "frame_set": "lacks frames that other cameras have: {value:.0f}",
    "short_video": "a video has {value:.0f} frames, another camera's has {limit:.0f}",
}
"""What each fault means, in the order in which they are reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a camera: verdict is warn | fail; value and limit are None where there is nothing to measure."""

    subject: str
    camera: str
    fault: str
    verdict: str
    value: float | None = None
    limit: float | None = None

    @property
    def words(self) -> str:
        """Say what was found."""
        return FAULTS[self.fault].format(value=self.value, limit=self.limit)

    @property
    def is_of_plate(self) -> bool:
        """Tell whether the plate can be read and is not the right one; other faults have rows of their own."""
        return self.fault in ("swapped", "shifted", "relit", "contaminated")


def check_capture(
    capture: Folder, settings: EnumerateSettings, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Iterator[list[Finding]]:
    """Yield the findings of each selected subject; a listing is made as for matting, and kept in memory only.

    Raises NotACapture, NothingSelected, OSError where the store gives nothing.
    """
    books = MemoryFolder()
    for n_done, one in enumerate(enumerate_capture(capture, books, settings), start=1):
        manifest = read_manifest(books, one.subject)
        if manifest is None:
            continue
        if settings.cameras is not None:
            check_names(settings.selection, [one.subject], [manifest])
        found = check_subject(capture, manifest)
        drop_manifest(books, one.subject)
        progress("subjects", n_done, n_done)
        yield [finding for finding in found if settings.cameras is None or finding.camera in settings.cameras]


def check_subject(capture: Folder, manifest: Manifest) -> list[Finding]:
    """Return all findings of one subject, by camera and in the order of FAULTS; always the same for the same files."""
    found = [*_file_findings(manifest), *check_plates(capture, manifest).findings]
    order = list(FAULTS)
    return sorted(found, key=lambda finding: (finding.camera, order.index(finding.fault)))


@dataclass(frozen=True, slots=True)
class PlatesChecked:
    """What was found of a subject's plates; `unread` says of cameras why the store did not give their files."""

    findings: Sequence[Finding]
    unread: dict[str, str]


def check_plates(capture: Folder, manifest: Manifest) -> PlatesChecked:
    """Compare the plates of a subject with a sample of its frames, and with each other."""
    usable = {camera: plate for camera, plate in manifest.plates.items() if plate.status == "ok"}
    sampled = sample_views(capture, manifest.frames, usable)
    faults = check_views([one.view for one in sampled if one.view is not None])
    found = [Finding(manifest.subject, one.camera, "unreadable", "fail") for one in sampled if one.plate_fault]
    found += [Finding(manifest.subject, *(f.camera, f.fault, f.verdict, f.value, f.limit)) for f in faults]
    return PlatesChecked(found, {one.camera: one.unread for one in sampled if one.unread is not None})


def run_check(capture_url: str, settings: EnumerateSettings, as_json: bool, verbose: bool = False) -> int:
    """Check a capture, print what was found, and return 3 if anything fails, else 0."""
    capture, console = open_folder(capture_url, settings.store_options), plain_console()
    with counting_bar(console, as_json) as progress:
        subjects = list(check_capture(capture, settings, progress))
    found = [finding for of_subject in subjects for finding in of_subject]
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        show_findings(console, capture.url, len(subjects), found)
        if verbose:
            show_traffic(console, traffic_of(capture))
    return 3 if any(finding.verdict == "fail" for finding in found) else 0


def show_findings(console: Console, url: str, n_subjects: int, found: Sequence[Finding]) -> None:
    """Print a table of what was found, and what to do."""
    table = Table()
    for name in ("subject", "camera", "fault", "verdict", "value", "limit"):
        table.add_column(name, overflow="fold", justify="right" if name in ("value", "limit") else "left")
    for one in found:
        numbers = ("" if number is None else f"{number:.3g}" for number in (one.value, one.limit))
        table.add_row(one.subject, one.camera, one.fault, one.verdict, *numbers)
    if found:
        console.print(table)
    for one in found[:MOST_REASONS]:
        console.print(f"{one.verdict}: subject {one.subject}, camera {one.camera}: {one.words}", soft_wrap=True)
    if len(found) > MOST_REASONS:
        console.print(f"and {len(found) - MOST_REASONS:,} more, see the table")
    n_failed = len({(one.subject, one.camera) for one in found if one.verdict == "fail"})
    n_warned = len({(one.subject, one.camera) for one in found if one.verdict == "warn"})
    console.print(
        f"{url}: {count(n_subjects, 'subject')} checked, {count(n_failed, 'camera')} failed, {n_warned} with a warning",
        soft_wrap=True,
    )
    if n_failed:
        console.print("Mend these plates first: cleanplate matte leaves their cameras out, see its --check.")


def _file_findings(manifest: Manifest) -> Iterator[Finding]:
    """Yield what the listing alone shows: plates that cannot be used, frames and parts of videos that are not there."""
    subject = manifest.subject
    for camera, fault in missing_plates(manifest).items():
        plate = manifest.plates.get(camera)
        if not fault.startswith("size"):
            yield Finding(subject, camera, fault, "fail")
        elif plate is not None and plate.width:
            widths = manifest.frames.width[manifest.frames.camera == camera]
            wide = next((int(width) for width in widths if width and width != plate.width), plate.width)
            yield Finding(subject, camera, "size", "fail", plate.width / wide, 1.0)
    lacking: dict[str, int] = {}
    for (_, camera), numbers in holes(manifest.frames, manifest.plates).items():
        lacking[camera] = lacking.get(camera, 0) + len(numbers)
    yield from (Finding(subject, camera, "frame_set", "warn", float(n), 0.0) for camera, n in sorted(lacking.items()))
    cut: dict[str, tuple[int, int]] = {}
    for (_, camera), video in video_faults(manifest.frames, manifest.plates).items():
        if video.kind != "absent" and (camera not in cut or video.n_frames < cut[camera][0]):
            cut[camera] = video.n_frames, video.longest
    yield from (Finding(subject, camera, "short_video", "warn", *map(float, of)) for camera, of in sorted(cut.items()))
