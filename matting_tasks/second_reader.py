"""A second reader of JPEGs: FFmpeg refuses coefficients that lead out of their block, of which libjpeg says nothing."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

from manifests.errors import InputFault

_HUFFMAN = frozenset((0xC0, 0xC1, 0xC2))
"""Marks of the frame headers of what FFmpeg decodes: Huffman-coded, sequential or progressive."""

_OPTIONS = {"err_detect": "explode", "lowres": "3"}
"""Stop at the first error; an eighth of the size, for only the codes are wanted, and the transform takes the time."""


def check_again(bare: bytes, frame: int) -> None:
    """Read a JPEG once more, and raise InputFault of status `undecodable` where its scans break their form.

    bare: a whole JPEG without application data, for damage there is none of the picture. frame: the mark of its frame
    header. Arithmetic coding, which FFmpeg does not know, is not looked at, and nothing is where PyAV is not installed.
    """
    av = _pyav() if frame in _HUFFMAN else None
    if av is None:
        return
    reader = av.CodecContext.create("mjpeg", "r")
    reader.options, reader.thread_count = dict(_OPTIONS), 1
    try:
        reader.decode(av.Packet(bare))
    except av.error.InvalidDataError as err:
        said = err.log[2].strip() if err.log else "invalid data"
        raise InputFault(
            "undecodable", f"the JPEG file is damaged: libjpeg reads it without a word, FFmpeg stops at {said!r}"
        ) from err
    except av.error.FFmpegError:
        return  # a kind that FFmpeg does not know is not damaged for that


@functools.cache
def _pyav() -> ModuleType | None:
    try:
        return importlib.import_module("av")
    except ImportError:
        return None
