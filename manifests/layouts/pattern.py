"""A pattern of paths, such as `{subject}/cam_{camera}/{frame:06d}.png`: its parts, and what it says of a path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from manifests.errors import UsageError
from manifests.layouts.base import LAST_FRAME, Found

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".mov", ".mkv", ".avi", ".webm")
FIELDS = ("subject", "sequence", "camera", "frame")
EXAMPLE = "{subject}/{sequence}/cam_{camera}/{frame:06d}.png"

_MASK = re.compile(r"mask_(?:lowres_)?(?=[^/]+$)")
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Matched:
    """The fields of a path; those that its pattern lacks are empty, `frame` then -1."""

    subject: str = ""
    sequence: str = ""
    camera: str = ""
    frame: int = -1


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was understood; `option` names it in messages."""

    text: str
    option: str
    regex: re.Pattern[str]
    fields: frozenset[str]

    @property
    def is_video(self) -> bool:
        """Tell whether it names videos."""
        return self.text.endswith(VIDEOS)

    @property
    def parts(self) -> list[str]:
        """Return its folders and the name of its files."""
        return self.text.split("/")

    @property
    def n_spelled(self) -> int:
        """Count the characters outside of its fields."""
        return len(_FIELD.sub("", self.text))

    def match(self, path: str) -> Matched | None:
        """Return the fields of a path, or None where it is not of the pattern.

        A field that appears twice must have one value, and a frame number as many digits as are asked for.
        """
        matched = self.regex.fullmatch(path)
        if matched is None:
            return None
        named = matched.groupdict()
        numbers = {int(digits) for name, digits in named.items() if name.startswith("frame")}
        if len(numbers) > 1 or any(number > LAST_FRAME for number in numbers):
            return None
        subject, sequence, camera = (named.get(name, "") for name in FIELDS[:3])
        return Matched(subject, sequence, camera, numbers.pop() if numbers else -1)

    def found(self, path: str) -> tuple[str, Found] | None:
        """Return the subject of a path and what it is: frame, video, or a mask of ours beside a frame."""
        role = "video" if self.is_video else "frame"
        bare = path if self.parts[-1].startswith("mask_") else _MASK.sub("", path)
        matched = self.match(bare)
        if matched is None:
            return None
        found = Found("mask" if bare != path else role, matched.sequence, matched.camera, matched.frame)
        return matched.subject, found


def parse_layout(text: str) -> Pattern:
    """Return the pattern of the frames or videos of a capture; raises UsageError."""
    pattern = _parse(text, "--layout", FIELDS)
    if pattern.is_video and "frame" in pattern.fields:
        raise _wrong(
            "--layout",
            text,
            f"{{frame}} is in the name of a video, {pattern.parts[-1]}. A video holds many "
            "frames, which are counted by themselves: use {sequence} for the number of a video",
        )
    if not pattern.is_video and "frame" not in pattern.fields:
        raise _wrong(
            "--layout", text, f"there is no {{frame}} in it, and it does not end as a video ({_listed(VIDEOS)})"
        )
    if not pattern.is_video and not text.endswith(PICTURES):
        raise _wrong(
            "--layout", text, f"it ends neither as a picture ({_listed(PICTURES)}) nor as a video ({_listed(VIDEOS)})"
        )
    return pattern


def parse_plate(text: str) -> Pattern:
    """Return the pattern of the plates of a capture, one for each subject and camera; raises UsageError."""
    pattern = _parse(text, "--plate", ("subject", "camera"))
    if not text.endswith(PICTURES):
        raise _wrong("--plate", text, f"a plate is a picture and ends in {_listed(PICTURES)}")
    return pattern


def regex_of(text: str) -> re.Pattern[str]:
    """Return what matches a pattern, or one part of it; a field that appears twice must have the same text."""
    seen: dict[str, int] = {}
    pieces, end = [], 0
    for field in _FIELD.finditer(text):
        name, _, form = field[1].partition(":")
        n_before = seen[name] = seen.get(name, 0) + 1
        pieces.append(re.escape(text[end : field.start()]))
        if name == "frame":
            pieces.append(f"(?P<frame{n_before}>[0-9]{{{_least_digits(form)},}})")
        else:
            pieces.append(f"(?P<{name}>[^/]+)" if n_before == 1 else f"(?P={name})")
        end = field.end()
    return re.compile("".join([*pieces, re.escape(text[end:])]))


def _parse(text: str, option: str, allowed: tuple[str, ...]) -> Pattern:
    _check_path(text, option)
    names = []
    for field in _FIELD.finditer(text):
        name, _, form = field[1].partition(":")
        if name not in allowed:
            listed = ", ".join(f"{{{known}}}" for known in allowed)
            raise _wrong(option, text, f"{{{name}}} is not a field here. The fields are {listed}")
        if form and (name != "frame" or not re.fullmatch(r"0?[1-9]\d?d", form)):
            raise _wrong(
                option,
                text,
                f"{field[0]} cannot be read. Only frames have a form, such as {{frame:06d}} for at least six digits",
            )
        names.append(name)
    if re.search(r"[{}]", _FIELD.sub("", text)):
        raise _wrong(option, text, "a brace is open. A field stands between two braces, as {camera}")
    if "}{" in text:
        raise _wrong(
            option,
            text,
            "two fields stand side by side, and nothing says where one ends. Put what is "
            "between them in the file names, such as {camera}_{frame}",
        )
    return Pattern(text, option, regex_of(text), frozenset(names))


def _check_path(text: str, option: str) -> None:
    parts = text.split("/")
    if text.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise _wrong(option, text, "it is a path below the capture, without / at either end, empty parts or dots")
    if "\\" in text:
        raise _wrong(option, text, "folders are divided by /, on every system")
    if "*" in text or "?" in text:
        raise _wrong(
            option,
            text,
            "wildcards are not needed: a field such as {sequence} stands for any text, and {frame} for any number",
        )


def _least_digits(form: str) -> int:
    return int(form[1:-1]) if form.startswith("0") else 1


def _listed(suffixes: tuple[str, ...]) -> str:
    return " ".join(suffixes)


def _wrong(option: str, text: str, reason: str) -> UsageError:
    return UsageError(
        f"{option} {text!r}: {reason}.\nAn example: {option} "
        + ('"{subject}/plates/{camera}.png"' if option == "--plate" else f'"{EXAMPLE}"')
    )
