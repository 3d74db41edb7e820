"""Where masks lie under an output root: by the layout of the output, from what is known of a frame."""

from __future__ import annotations

from string import Formatter
from typing import NamedTuple

from manifests.errors import UsageError
from manifests.recipe import Recipe
from manifests.records import Frame

GHA, BESIDE, VHAP = "gha", "beside", "vhap"
NAMES = (GHA, BESIDE, VHAP)
FIELDS = ("subject", "sequence", "camera", "frame", "source_frame")
SUFFIXES = {"jpg": ".jpg", "png": ".png", "png16": ".png"}


class MaskPaths(NamedTuple):
    """Where the two masks of a frame lie, relative to the output root."""

    full: str
    lowres: str


def mask_paths(recipe: Recipe, subject: str, sequence: str, camera: str, frame: Frame) -> MaskPaths:
    """Return where the masks of a frame lie.

    gha: `<subject>/images/<frame:04d>/mask_<camera>`. beside: `mask_<stem of the frame>` in a folder of the name that
    the frame's has in the capture. vhap: `<subject>/sequences/<sequence>/alpha_maps/cam_<camera>_<frame:06d>`. Anything
    else is a pattern with the fields {subject} {sequence} {camera} {frame} {source_frame}.
    """
    suffix = SUFFIXES[recipe.mask_format]
    if recipe.output_layout == GHA:
        folder = _joined(subject, "images", f"{frame.frame:04d}")
        return MaskPaths(f"{folder}/mask_{camera}{suffix}", f"{folder}/mask_lowres_{camera}{suffix}")
    if recipe.output_layout == BESIDE:
        folder, stem = _place(frame)
        return MaskPaths(_joined(folder, f"mask_{stem}{suffix}"), _joined(folder, f"mask_lowres_{stem}{suffix}"))
    if recipe.output_layout == VHAP:
        folder = _joined(subject, "sequences" if sequence else "", sequence)
        name = f"cam_{camera}_{frame.frame:06d}{suffix}"
        return MaskPaths(_joined(folder, "alpha_maps", name), _joined(folder, "alpha_maps_lowres", name))
    path = recipe.output_layout.format(
        subject=subject, sequence=sequence, camera=camera, frame=frame.frame, source_frame=frame.source_frame
    )
    folder, _, name = _joined(*path.split("/")).rpartition("/")
    return MaskPaths(_joined(folder, name), _joined(folder, f"lowres_{name}"))


def fields_of(layout: str) -> frozenset[str]:
    """Return the fields that the masks of an output layout are told apart by; beside, each file has its own."""
    if layout == GHA:
        return frozenset(("subject", "camera", "frame"))
    return frozenset(("subject", "sequence", "camera", "frame") if layout in NAMES else _fields(layout))


def check_output_layout(layout: str, mask_format: str) -> None:
    """Raise UsageError for a name that is no output layout and a pattern that cannot be followed."""
    if layout in NAMES:
        return
    fields = _fields(layout)
    unknown = sorted(set(fields) - set(FIELDS))
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    if unknown or not {"frame", "source_frame"} & set(fields):
        what = f"has the unknown field {{{unknown[0]}}}" if unknown else "has no {frame}"
        raise UsageError(
            f"--output-layout {layout}: it {what}. One of {', '.join(NAMES)} is wanted, or a pattern such as "
            f"{{subject}}/masks/{{camera}}/{{frame:05d}}{SUFFIXES[mask_format]}, made of {known}."
        )
    _try(layout)
    if layout.startswith("/") or ".." in layout.split("/"):
        raise UsageError(f"--output-layout {layout}: it leads out of the output root; start it with a folder's name.")
    if not layout.lower().endswith(SUFFIXES[mask_format]):
        raise UsageError(
            f"--output-layout {layout}: masks are written as {mask_format}, so it must end in {SUFFIXES[mask_format]}; "
            "or say another --format."
        )


def _fields(layout: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(layout) if name is not None]
    except ValueError as err:
        raise UsageError(f"--output-layout {layout}: it is no pattern ({err}).") from err


def _try(layout: str) -> None:
    try:
        layout.format(subject="s", sequence="q", camera="c", frame=1, source_frame=1)
    except (ValueError, KeyError, IndexError) as err:
        raise UsageError(f"--output-layout {layout}: it cannot be filled in ({err}).") from err


def _place(frame: Frame) -> tuple[str, str]:
    """Return the folder of a frame's file and the stem for its mask; each frame of a video has a stem of its own."""
    folder, _, name = frame.path.rpartition("/")
    stem = name.rsplit(".", 1)[0]
    return folder, f"{stem}_{frame.frame:06d}" if frame.kind == "video" else stem


def _joined(*parts: str) -> str:
    """Join the parts of a path that are not empty."""
    return "/".join(part for part in parts if part)
