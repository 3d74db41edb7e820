"""Pictures of a subject for its report: read again from the capture and the masks, made small, written, described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

import numpy as np

from manifests.errors import CleanplateError, InputFault
from manifests.manifest import Manifest
from manifests.packs import lies_in
from manifests.pages import REPORT, pictures_folder
from manifests.qc import QcFrames
from manifests.records import Frame
from manifests.sharding import encode_name
from manifests.storage import Folder, open_folder
from matting_tasks.report_pictures import VIEWS, encode_view, views_of
from matting_tasks.report_sources import UNREAD, read_mask, read_picture, read_video_frames

Found = np.ndarray | InputFault


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a subject's pictures come from; `capture` is None, and `reason` says why, where it cannot be read."""

    out: Folder
    manifest: Manifest | None
    capture: Folder | None
    geometry: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one frame: `views` are URLs from a subject's page by name, `missing` says why one is not there.

    `links` are (what, URL or None, path) of the files that they were made of; `is_final` is False where a store did not
    give a file that another try may find.
    """

    row: int
    views: Mapping[str, str]
    missing: Mapping[str, str]
    links: tuple[tuple[str, str | None, str], ...]
    size: tuple[int, int]
    is_final: bool


def open_sources(out: Folder, manifest: Manifest | None, geometry: str, options: Mapping[str, str]) -> Sources:
    """Open the capture of a subject; one that cannot be opened is told beside the pictures."""
    if manifest is None:
        return Sources(out, None, None, geometry, "the subject is not in the manifest")
    try:
        return Sources(out, manifest, open_folder(manifest.capture_url, options), geometry)
    except (CleanplateError, OSError) as err:
        return Sources(out, manifest, None, geometry, f"the capture cannot be read ({err})")


def read_pairs(sources: Sources, frames: QcFrames, rows: Sequence[int]) -> dict[int, tuple[Found, Found]]:
    """Return the frame and the mask of each row, or why one cannot be had, camera by camera."""
    found: dict[int, tuple[Found, Found]] = {}
    for (sequence, camera), of_camera in _by_camera(frames, rows).items():
        listed = _listed(sources.manifest, sequence, camera, frames.frame[of_camera].tolist())
        pictures = _frames(sources, listed.values())
        for row in of_camera:
            frame = listed.get(int(frames.frame[row]))
            found[row] = _absent(sources) if frame is None else pictures[frame], _mask(sources.out, frames, row)
    return found


def write_pictures(sources: Sources, frames: QcFrames, rows: Sequence[int]) -> list[Pictures]:
    """Write the views of the given rows and return what was written, in their order; older pictures are deleted."""
    made: dict[int, Pictures] = {}
    for (sequence, camera), of_camera in _by_camera(frames, rows).items():
        listed = _listed(sources.manifest, sequence, camera, frames.frame[of_camera].tolist())
        plate, plate_path = _plate(sources, camera)
        pictures = _frames(sources, listed.values())
        for row in of_camera:
            frame = listed.get(int(frames.frame[row]))
            picture = _absent(sources) if frame is None else pictures[frame]
            paths = {"frame": frame.path if frame else "", "plate": plate_path}
            made[row] = _write(sources, frames, row, picture, plate, paths)
    folder = pictures_folder(frames.subject)
    written = {f"{REPORT}/{_unquoted(url)}" for one in made.values() for url in one.views.values()}
    sources.out.delete(stat.path for stat in list(sources.out.list(folder)) if stat.path not in written)
    return [made[row] for row in rows]


def _write(
    sources: Sources, frames: QcFrames, row: int, picture: Found, plate: Found, paths: Mapping[str, str]
) -> Pictures:
    mask = _mask(sources.out, frames, row)
    missing = {"frame": str(picture)} if isinstance(picture, InputFault) else {}
    missing |= {"mask": str(mask)} if isinstance(mask, InputFault) else {}
    missing |= {"difference": f"no plate: {plate}"} if isinstance(plate, InputFault) else {}
    arrays = [None if isinstance(one, InputFault) else one for one in (picture, mask, plate)]
    try:
        views = views_of(*arrays)
    except InputFault as fault:
        views, missing = views_of(arrays[0], None, arrays[2]), missing | {"mask": str(fault)}
    urls: dict[str, str] = {}
    name = f"{encode_name(frames.sequence[row])}_{encode_name(frames.camera[row])}_{int(frames.frame[row])}"
    for view, pixels in views.items():
        path = f"{pictures_folder(frames.subject)}/{name}_{view}.webp"
        sources.out.write_atomic(path, encode_view(pixels))
        urls[view] = f"../{quote(path.removeprefix(f'{REPORT}/'))}"
    missing = {view: _reason(view, missing) for view in VIEWS if view not in urls}
    shape = next(iter(views.values())).shape if views else (0, 0)
    is_final = not any(isinstance(one, InputFault) and one.status == UNREAD for one in (picture, mask, plate))
    return Pictures(row, urls, missing, _links(sources, frames, row, paths), (shape[1], shape[0]), is_final)


def _reason(view: str, missing: Mapping[str, str]) -> str:
    """Say why a view is not there, of why its parts are not."""
    parts = {"frame": ("frame",), "mask": ("mask",), "difference": ("frame", "difference")}.get(view, ("frame", "mask"))
    return "; ".join(missing[part] for part in parts if part in missing) or "the plate has another size than the frame"


def _frames(sources: Sources, listed: Iterable[Frame]) -> dict[Frame, Found]:
    """Return the pixels of frames of one camera; those of a video are decoded in one pass."""
    capture = sources.capture
    found: dict[Frame, Found] = {}
    videos: dict[str, list[Frame]] = {}
    for frame in listed:
        if capture is None:
            found[frame] = InputFault(UNREAD, sources.reason)
        elif frame.kind == "video":
            videos.setdefault(frame.path, []).append(frame)
        else:
            found[frame] = _attempt(capture, frame.path, sources.geometry)
    for path, of_video in videos.items():
        if capture is not None:
            numbers = [frame.source_frame for frame in of_video]
            decoded = read_video_frames(capture, path, numbers, sources.geometry)
            found |= {frame: decoded[frame.source_frame] for frame in of_video}
    return found


def _plate(sources: Sources, camera: str) -> tuple[Found, str]:
    plate = None if sources.manifest is None else sources.manifest.plates.get(camera)
    if plate is None or plate.path is None:
        return InputFault("missing_plate", "the camera has none"), ""
    if sources.capture is None:
        return InputFault(UNREAD, sources.reason), plate.path
    return _attempt(sources.capture, plate.path, sources.geometry), plate.path


def _attempt(capture: Folder, path: str, geometry: str) -> Found:
    try:
        return read_picture(capture, path, geometry)
    except InputFault as fault:
        return fault


def _mask(out: Folder, frames: QcFrames, row: int) -> Found:
    if not frames.mask_path[row]:
        return InputFault("", f"there is no mask: {frames.status[row].replace('_', ' ')}")
    try:
        return read_mask(out, frames.mask_path[row])
    except InputFault as fault:
        return fault


def _absent(sources: Sources) -> InputFault:
    return InputFault("", sources.reason or "it is not in the manifest")


def _by_camera(frames: QcFrames, rows: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for row in sorted(rows):
        found.setdefault((frames.sequence[row], frames.camera[row]), []).append(row)
    return found


def _listed(manifest: Manifest | None, sequence: str, camera: str, numbers: Sequence[int]) -> dict[int, Frame]:
    """Return the frames of a camera, by number, as the manifest has them."""
    if manifest is None:
        return {}
    table = manifest.frames
    rows = np.flatnonzero((table.sequence == sequence) & (table.camera == camera) & np.isin(table.frame, numbers))
    return {frame.frame: frame for frame in table.frames(rows)}


def _links(
    sources: Sources, frames: QcFrames, row: int, paths: Mapping[str, str]
) -> tuple[tuple[str, str | None, str], ...]:
    """Return links to the files: masks relative to the page, those of the capture where it is the output root, too."""
    links: list[tuple[str, str | None, str]] = []
    for what, path in (("mask", frames.mask_path[row]), ("lowres mask", frames.lowres_path[row])):
        if path:
            links.append((what, f"../../../{quote(lies_in(path))}", path))
    url = "" if sources.capture is None else sources.capture.url
    for what, path in paths.items():
        if path:
            inside = f"../../../{quote(path)}" if url == sources.out.url else None
            links.append((what, inside, path if inside or not url else f"{url}/{path}"))
    return tuple(links)


def _unquoted(url: str) -> str:
    return unquote(url.removeprefix("../"))
