"""A synthetic multi-view capture in the gha layout, with plates, calibration and the true alpha of every frame.

    <root>/<subject>/background/image_<camera>.jpg
    <root>/<subject>/images/<frame:04d>/image_<camera>.jpg, image_lowres_, visible_ (jpg), alpha_ (png)
    <root>/<subject>/cameras/<frame:04d>/camera_<camera>.npz      extrinsic (3, 4) world to camera, intrinsic (3, 3)

Every file depends on its own names, the size and the seed alone: not on threads, nor on what else is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from uuid import uuid4

import cv2

from matting_tasks.calibration import camera_file
from matting_tasks.frame_files import LOWRES_PX, encode_jpeg
from matting_tasks.synth_cameras import CAMERAS, choose_cameras, make_camera, visible_mask
from matting_tasks.synth_faults import (
    FAULTS,
    Fault,
    check_name,
    disturb_scene,
    encode_frame,
    encode_plate,
    encode_png,
    parse_fault,
)
from matting_tasks.synth_picture import F32, Subject, expose, make_cutout, make_scene, make_subject, stream, to_uint8

__all__ = ["CAMERAS", "FAULTS", "Fault", "SynthSettings", "make_capture", "parse_fault"]

_MIN_SIZE_PX = 32


@dataclass(frozen=True, slots=True)
class SynthSettings:
    """What to make."""

    n_subjects: int = 1
    n_cameras: int = 16
    n_frames: int = 3
    size_px: int = 512
    seed: int = 0
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _View:
    """One subject seen by one camera: what a thread makes at a time."""

    root: Path
    settings: SynthSettings
    subject: Subject
    camera: str
    faults: frozenset[str]


def make_capture(
    root: Path,
    settings: SynthSettings,
    progress: Callable[[int, int], None] | None = None,
    n_threads: int | None = None,
) -> None:
    """Make a capture under `root`; may be repeated, and then writes the same bytes.

    `progress(done, total)` counts pictures, plates among them, and is called from one thread at a time.
    Raises ValueError where the settings cannot be.
    """
    _check(settings)
    cameras = choose_cameras(settings.n_cameras)
    subjects = [make_subject(number, settings.seed) for number in range(settings.n_subjects)]
    wrong = {c: frozenset(f.name for f in settings.faults if f.camera == c) for c in cameras}
    views = [_View(root, settings, subject, camera, wrong[camera]) for subject in subjects for camera in cameras]
    step = _counter(len(views) * (settings.n_frames + 1), progress)
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as threads:
        for made in [threads.submit(_make_view, view, step) for view in views]:
            made.result()


def _check(settings: SynthSettings) -> None:
    for name in ("n_subjects", "n_frames"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be 1 or more; found {getattr(settings, name)}")
    if not 1 <= settings.n_cameras <= len(CAMERAS):
        raise ValueError(f"n_cameras must be 1 to {len(CAMERAS)}; found {settings.n_cameras}")
    if settings.size_px < _MIN_SIZE_PX:
        raise ValueError(f"size_px must be {_MIN_SIZE_PX} or more; found {settings.size_px}")
    if settings.seed < 0:
        raise ValueError(f"seed must be 0 or more; found {settings.seed}")
    cameras = choose_cameras(settings.n_cameras)
    for fault in settings.faults:
        check_name(fault.name)
        if fault.camera not in cameras:
            raise ValueError(f"fault {fault.name}: no camera {fault.camera!r} among those made: {', '.join(cameras)}")


def _counter(total: int, progress: Callable[[int, int], None] | None) -> Callable[[], None]:
    lock, done = Lock(), 0

    def step() -> None:
        nonlocal done
        with lock:
            done += 1
            if progress is not None:
                progress(done, total)

    return step


def _make_view(view: _View, step: Callable[[], None]) -> None:
    scene = make_scene(view.settings.seed, view.subject, view.camera, view.settings.size_px)
    _make_plate(view, scene)
    step()
    for frame in range(view.settings.n_frames):
        _make_frame(view, scene, frame)
        _write(_folder(view, "cameras", frame) / f"camera_{view.camera}.npz", _calibration(view))
        step()


def _make_plate(view: _View, scene: F32) -> None:
    seed, camera = view.settings.seed, view.camera
    if "swapped" in view.faults:
        camera = CAMERAS[(CAMERAS.index(camera) + 1) % len(CAMERAS)]
        scene = make_scene(seed, view.subject, camera, view.settings.size_px)
    if "contaminated" in view.faults:
        scene = make_cutout(view.subject, view.camera, 0, view.settings.size_px).over(scene)
    plate = expose(disturb_scene(scene, view.faults), stream(seed, view.subject.name, camera, "plate"))
    path = view.root / view.subject.name / "background" / f"image_{view.camera}.jpg"
    _write(path, encode_plate(plate, view.faults))


def _make_frame(view: _View, scene: F32, frame: int) -> None:
    settings, folder = view.settings, _folder(view, "images", frame)
    names = ("image_{}.jpg", "image_lowres_{}.jpg", "visible_{}.jpg", "alpha_{}.png")
    image, lowres, visible, alpha = (folder / name.format(view.camera) for name in names)
    if "frame_set" in view.faults and frame == settings.n_frames - 1:
        for path in (image, lowres, visible, alpha):
            _write(path, None)
        return
    cutout = make_cutout(view.subject, view.camera, frame, settings.size_px)
    noise = stream(settings.seed, view.subject.name, view.camera, f"frame {frame}")
    picture = expose(cutout.over(scene), noise)
    small = cv2.resize(picture, (LOWRES_PX, LOWRES_PX), interpolation=cv2.INTER_AREA)
    _write(image, encode_frame(picture, view.faults, is_first=frame == 0))
    _write(lowres, encode_jpeg(small))
    _write(visible, encode_jpeg(visible_mask(settings.size_px)))
    _write(alpha, encode_png(to_uint8(cutout.alpha)))


def _folder(view: _View, kind: str, frame: int) -> Path:
    return view.root / view.subject.name / kind / f"{frame:04d}"


def _calibration(view: _View) -> bytes:
    camera = make_camera(view.camera, view.settings.size_px)
    return camera_file(camera.extrinsic, camera.intrinsic)


def _write(path: Path, data: bytes | None) -> None:
    """Write a file whole; None: see that it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_name(f".cleanplate-{uuid4().hex}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
