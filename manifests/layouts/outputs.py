"""Where masks lie under an output root: by the layout of the output, from what is known of a frame."""

from __future__ import annotations

import re
from string import Formatter
from typing import NamedTuple

from manifests.errors import UsageError
from manifests.layouts.base import OURS
from manifests.recipe import Recipe
from manifests.records import Frame

GHA, BESIDE, VHAP = "gha", "beside", "vhap"
NAMES = (GHA, BESIDE, VHAP)
FIELDS = ("subject", "sequence", "camera", "frame", "source_frame")
SUFFIXES = {"jpg": ".jpg", "png": ".png", "png16": ".png"}

_FORM = re.compile(r"\{(?:source_)?frame:(?:0?[1-9]\d?)?d?\}")


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


def frame_file_paths(subject: str, frame: int, camera: str) -> dict[str, str]:
    """Return where the files of a frame lie, relative to the output root, by kind: the four pictures and `camera`."""
    folder = f"{subject}/images/{frame:04d}"
    kinds = ("image", "image_lowres", "visible", "visible_lowres")
    paths = {kind: f"{folder}/{kind}_{camera}.jpg" for kind in kinds}
    return paths | {"camera": f"{subject}/cameras/{frame:04d}/camera_{camera}.npz"}


def plate_path(subject: str, camera: str) -> str:
    """Return where the plate of a camera lies, relative to the output root."""
    return f"{subject}/background/image_{camera}.jpg"


def mask_root(layout: str, subject: str) -> str | None:
    """Return the deepest folder that surely holds all masks of a subject; None where they lie beside the frames."""
    if layout == BESIDE:
        return None
    if layout in NAMES:
        return subject
    parts = []
    for part in layout.split("/")[:-1]:
        if any(name != "subject" for name in _fields(part)):
            break
        parts.append(part.format(subject=subject))
    return _joined(*parts)


def mask_regex(layout: str) -> re.Pattern[str]:
    """Return what the paths of all masks of an output layout match, whoever wrote them."""
    if layout == GHA:
        return re.compile(r"(?:[^/]+/)?images/\d+/mask_[^/]+\.(?:jpg|jpeg|png)", re.IGNORECASE)
    if layout == BESIDE:
        return re.compile(r"(?:.+/)?mask_[^/]+\.(?:jpg|jpeg|png)", re.IGNORECASE)
    if layout == VHAP:
        return re.compile(r"(?:.+/)?alpha_maps(?:_lowres)?/cam_[^/]+_\d+\.(?:jpg|jpeg|png)", re.IGNORECASE)
    *folders, name = layout.split("/")
    return re.compile("".join(map(_folder_regex, folders)) + "(?:lowres_)?" + _part_regex(name))


def check_output_layout(layout: str, mask_format: str) -> None:
    """Raise UsageError for a name that is no output layout and a pattern that cannot be followed."""
    if layout in NAMES:
        return
    fields = _fields(layout)
    cut = [f"{{{name}:{spec}}}" for _, name, spec, _ in Formatter().parse(layout) if spec and name in FIELDS[:3]]
    if cut:
        raise UsageError(f"--output-layout {layout}: {cut[0]} can cut names short, and two become one; drop its ':'.")
    unknown = sorted(set(fields) - set(FIELDS))
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    if unknown or not {"frame", "source_frame"} & set(fields):
        what = f"has the unknown field {{{unknown[0]}}}" if unknown else "has no {frame}"
        raise UsageError(
            f"--output-layout {layout}: it {what}. One of {', '.join(NAMES)} is wanted, or a pattern such as "
            f"{{subject}}/masks/{{camera}}/{{frame:05d}}{SUFFIXES[mask_format]}, made of {known}."
        )
    forms = [f"{{{name}:{spec}}}" for _, name, spec, _ in Formatter().parse(layout) if spec]
    wrong = [form for form in forms if not _FORM.fullmatch(form)]
    if wrong:
        raise UsageError(f"--output-layout {layout}: it cannot be filled in; {wrong[0]} is no form like {{frame:06d}}.")
    _try(layout)
    parts = layout.split("/")
    if parts[0] in ("", OURS) or {".", ".."} & set(parts) or "\0" in layout:
        raise UsageError(
            f"--output-layout {layout}: it leads out of the output root, or into its books; start it with the name of "
            "another folder."
        )
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


def _folder_regex(part: str) -> str:
    """Return what a folder of a pattern matches; one that is all fields can be empty, and is then left out."""
    is_all_fields = all(not literal for literal, *_ in Formatter().parse(part))
    return f"(?:{_part_regex(part)}/)?" if is_all_fields else f"{_part_regex(part)}/"


def _part_regex(part: str) -> str:
    pieces = []
    for literal, name, _, _ in Formatter().parse(part):
        pieces.append(re.escape(literal))
        if name is not None:
            pieces.append(r"\d+" if name in ("frame", "source_frame") else "[^/]*")
    return "".join(pieces)


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
