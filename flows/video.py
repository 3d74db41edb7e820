"""One video: settings to a source, a model and outputs, and how it went to the screen."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from flows.resolve import as_fitted, check_model, resolve_weights
from flows.show import plain_console
from flows.stored_weights import local_weights
from flows.telling import count, ranges
from flows.video_settings import COLOURS, VideoSettings
from flows.video_watch import VideoWatcher
from manifests.errors import InputFault, Refused, UsageError, WeightsRefused
from manifests.recipe import Numerics
from matting_tasks.decode import decode_image
from matting_tasks.device import DTYPES, device_class, set_up_device
from matting_tasks.plates import to_device
from matting_tasks.video import VideoSummary, matte_video
from matting_tasks.video_matter import VideoMatter, cover, flat_background
from matting_tasks.video_source import Resize, Size, VideoInfo, gaps_of, open_source, resize_picture
from matting_tasks.video_target import Form, Target
from models.base import MattingModel
from models.errors import ModelError
from models.registry import build, entry, names_without_plate, parameters_read

CPU_CHUNK, GPU_CHUNK = 1, 4
MOST_FAULTS = 4


def run_video(
    path: str, out: str, settings: VideoSettings, quiet: bool, build_model: Callable[..., MattingModel] = build
) -> int:
    """Matte one video or sequence of pictures and return the exit code: 3 where frames are missing or damaged.

    Raises UsageError and Refused before any work is done, and what `matte_video` does.
    """
    for option, text in (("IN", path), ("--out", out)):
        if re.match(r"[a-z0-9]+://", text):
            raise UsageError(f"{option} {text}: cleanplate video works on local files; bring it to this machine first.")
    targets = _targets(settings, Path(out))
    settings = as_fitted(settings, settings.weights)
    _check_model(settings)
    _check_free(targets, Path(path), settings.replace)
    with (
        VideoWatcher(plain_console(file=sys.stdout), quiet) as watcher,
        closing(open_source(Path(path), settings.frame_rate, _resize(settings))) as source,
    ):
        plate, background = _plate(settings, source.info), _background(settings, source.info.size)
        matter = _matter(settings, plate, background, watcher, build_model)
        _make_folder(Path(out))
        _tell_source(source.info, settings, watcher)
        watcher.begin(source.info.n_frames)
        started = time.monotonic()
        summary = matte_video(source, matter, targets, watcher.done)
        watcher.say(_rate_line(summary, time.monotonic() - started))
        return _tell(summary, source.info, settings, targets, watcher)


def _targets(settings: VideoSettings, out: Path) -> list[Target]:
    """Return what is to be written; raises UsageError for settings that contradict each other."""
    names = settings.outputs
    if settings.format != "mp4" and (settings.lossless or settings.lossless_alpha or settings.bitrate):
        raise UsageError(f"--format {settings.format} is lossless by itself: leave out --lossless and --bitrate.")
    if settings.background is not None and "composite" not in names:
        raise UsageError("--background is for the composite, and --what leaves that out.")

    def form(name: str) -> Form:
        lossless = settings.lossless or (settings.lossless_alpha and name == "alpha")
        return "ffv1" if lossless else settings.format

    targets = [Target(out, name, form(name), settings.bit_rate) for name in names]
    if settings.bitrate is not None and not any(target.form == "mp4" for target in targets):
        raise UsageError("--bitrate is for mp4, and all that is written here is lossless. Leave one of them out.")
    return targets


def _check_model(settings: VideoSettings) -> None:
    check_model(settings.model)
    uses_plate = entry(settings.model).uses_plate
    if uses_plate and settings.plate is None:
        raise UsageError(
            f"--model {settings.model} needs a picture of the empty set: add --plate PLATE.jpg, or take a model that "
            f"needs none: {', '.join(names_without_plate())}."
        )
    if not uses_plate and settings.plate is not None:
        raise UsageError(f"--plate {settings.plate}: the model {settings.model} uses no plate; leave it out.")
    _parameters(settings)


def _parameters(settings: VideoSettings) -> dict[str, int | float | str]:
    try:
        return parameters_read(settings.model, settings.given_parameters)
    except ValueError as err:
        raise UsageError(f"--model {settings.model}: {err}") from err


def _check_free(targets: Sequence[Target], path: Path, may_replace: bool) -> None:
    """Refuse to write over files that are there, and over the source in any case."""
    taken = [target for target in targets if target.taken()]
    own = next((target for target in taken if target.path.resolve() in (path.resolve(), path.parent.resolve())), None)
    if own is not None:
        raise Refused(f"{own.path} is what is to be matted, and would be written over: name another --out.")
    if taken and not may_replace:
        names = ", ".join(str(target.path) for target in taken)
        raise Refused(f"There already: {names}. To write over them add --replace; to keep them name another --out.")
    blocked = next((target for target in taken if target.path.is_dir() == target.is_video), None)
    if blocked is not None:
        kind = "a folder" if blocked.is_video else "a file"
        raise Refused(f"{blocked.path} is {kind}, which --replace does not remove: name another --out.")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as err:
        raise UsageError(f"--out {out} is a file: name a folder.") from err


def _resize(settings: VideoSettings) -> Resize:
    text = settings.resize or "1.0"
    if "x" in text:
        width, height = text.split("x")
        return Resize(Size(int(width), int(height)))
    return Resize(factor=float(text))


def _plate(settings: VideoSettings, info: VideoInfo) -> np.ndarray | None:
    """Return the plate (H, W, 3) uint8 RGB, brought to the frames' size, None where there is none."""
    if settings.plate is None:
        return None
    pixels = _picture(settings.plate, "--plate")
    found = Size(pixels.shape[1], pixels.shape[0])
    if found != info.native:
        raise UsageError(
            f"--plate {settings.plate} is {found.width}x{found.height}, the frames of {info.name} are "
            f"{info.native.width}x{info.native.height}: a plate is taken by the same camera, at the same size."
        )
    return resize_picture(pixels, info.size)


def _background(settings: VideoSettings, size: Size) -> np.ndarray:
    """Return what is behind the composite, (H, W, 3) uint8 RGB."""
    text = settings.background or "green"
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return flat_background((red, green, blue), size)
    if text.lower() in COLOURS:
        return flat_background(COLOURS[text.lower()], size)
    return cover(_picture(text, "--background", f" A colour is {', '.join(COLOURS)} or #rrggbb."), size)


def _picture(text: str, option: str, hint: str = "") -> np.ndarray:
    try:
        return decode_image(Path(text).expanduser().read_bytes()).pixels
    except (FileNotFoundError, IsADirectoryError) as err:
        raise UsageError(f"{option} {text}: there is no such picture.{hint}") from err
    except InputFault as fault:
        raise UsageError(f"{option} {text} cannot be used: {fault}.{hint}") from fault


def _matter(
    settings: VideoSettings,
    plate: np.ndarray | None,
    background: np.ndarray,
    watcher: VideoWatcher,
    build_model: Callable[..., MattingModel],
) -> VideoMatter:
    """Get the weights and build the model; raises WeightsRefused and DeviceFault."""
    named = local_weights(settings.weights, {}, watcher.say)
    settings = as_fitted(settings, named)
    weights = resolve_weights(settings.model, named, None, watcher.say, watcher.fetched)
    precision = "fp32" if settings.precision == "auto" else settings.precision
    n_threads, kind = len(os.sched_getaffinity(0)), device_class(settings.device)
    chunk = settings.chunk or (CPU_CHUNK if kind == "cpu" else GPU_CHUNK)
    device = set_up_device(settings.device, Numerics(kind, precision, 1, n_threads, chunk))
    try:
        file = None if weights is None else weights.path
        model = build_model(settings.model, _parameters(settings), file, str(device), precision)
    except ModelError as err:
        raise WeightsRefused(str(err)) from err
    return VideoMatter(
        model=model,
        device=device,
        dtype=DTYPES[precision],
        background=to_device(background[None], device, DTYPES["fp32"])[0],
        plate=None if plate is None else to_device(plate[None], device, DTYPES[precision]),
        chunk=chunk,
        warmup=settings.warmup,
    )


def _tell_source(info: VideoInfo, settings: VideoSettings, watcher: VideoWatcher) -> None:
    size = f"{info.native.width}x{info.native.height}"
    if info.size != info.native:
        size += f", resized to {info.size.width}x{info.size.height}"
    if info.clock.times is None:
        rate = f"{float(info.clock.rate):.6g} frames/s"
    else:
        rate = f"variable frame rate, {float(info.clock.rate):.4g} frames/s on average"
    watcher.say(f"{info.name}: {count(info.n_frames, 'frame')} of {size}, {rate}, by {settings.model}")
    if gaps_of(info):
        others = "the videos go on without them" if settings.format == "mp4" else "they are missing in the output too"
        watcher.warn(f"{info.name}: {count(gaps_of(info), 'number')} missing between its pictures; {others}.")


def _rate_line(summary: VideoSummary, seconds: float) -> str:
    return f"{count(summary.n_frames, 'frame')} in {seconds:.1f} s ({summary.n_frames / max(seconds, 1e-9):.1f}/s)"


def _tell(
    summary: VideoSummary, info: VideoInfo, settings: VideoSettings, targets: Sequence[Target], watcher: VideoWatcher
) -> int:
    """Say what lies where and what is wrong with it, and return the exit code."""
    for target in targets:
        watcher.say(f"{target.name:<11}{target.path}{'' if target.is_video else os.sep}")
    if not summary.has_foreground and any(target.name != "alpha" for target in targets):
        watcher.say(f"{settings.model} predicts no foreground: the frames' own colours stand for it.")
    for number, reason in list(summary.faults.items())[:MOST_FAULTS]:
        watcher.warn(f"frame {number}: {reason}; its alpha is 0")
    if len(summary.faults) > MOST_FAULTS:
        watcher.warn(f"{len(summary.faults)} frames in all have alpha 0: {ranges(summary.faults)}")
    if summary.n_frames < info.n_listed:
        watcher.warn(f"{info.name} is cut short: {summary.n_frames} of its {info.n_listed} frames are there.")
    return 3 if summary.faults or summary.n_frames < info.n_listed else 0
