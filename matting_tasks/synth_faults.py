"""What can be wrong with a synthetic capture on purpose: one camera's plate or frames, in every subject."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.frame_files import encode_jpeg

FAULTS: dict[str, str] = {
    "missing": "the plate is not there",
    "unreadable": "the plate's file is cut to a third",
    "size": "the plate has half the size",
    "swapped": "the plate is that of the next camera",
    "shifted": "the plate is shifted by 2 % of its width",
    "relit": "the plate is 1.3 times as bright",
    "contaminated": "the person of the first frame is left in the plate",
    "frame_set": "the last frame is not there",
    "truncated": "the first frame's file is cut in half",
    "zero": "the first frame's file is empty",
    "gray": "the frames are gray JPEGs",
    "cmyk": "the first frame is a CMYK JPEG",
}
SHIFT = 0.02  # of the width
GAIN = 1.3

_FORM = "NAME:CAMERA, as in missing:222200037"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one camera."""

    name: str
    camera: str


def parse_fault(text: str) -> Fault:
    """Read a fault from `NAME:CAMERA`; raises ValueError where the form or the name is another."""
    name, colon, camera = text.partition(":")
    if not colon or not camera:
        raise ValueError(f"a fault is written {_FORM}; found {text!r}")
    check_name(name)
    return Fault(name, camera)


def check_name(name: str) -> None:
    """Raise ValueError, naming the known faults, where there is none of that name."""
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; known are {', '.join(FAULTS)} (written {_FORM})")


def disturb_scene(scene: NDArray[np.float32], faults: frozenset[str]) -> NDArray[np.float32]:
    """Shift or relight what a plate shows: (size, size, 3) float32, RGB 0..1."""
    if "shifted" in faults:
        width = scene.shape[1]
        shift_px = max(round(SHIFT * width), 1)
        scene = np.concatenate([scene[:, :shift_px][:, ::-1], scene[:, : width - shift_px]], axis=1)
    return scene * np.float32(GAIN) if "relit" in faults else scene


def encode_plate(plate: NDArray[np.uint8], faults: frozenset[str]) -> bytes | None:
    """Encode a plate, (size, size, 3) uint8 RGB, as its faults want it; None where no file is to be."""
    if "missing" in faults:
        return None
    if "size" in faults:
        plate = cv2.resize(plate, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    data = encode_jpeg(plate)
    return data[: len(data) // 3] if "unreadable" in faults else data


def encode_frame(frame: NDArray[np.uint8], faults: frozenset[str], is_first: bool) -> bytes:
    """Encode a frame, (size, size, 3) uint8 RGB, as its faults want it."""
    if "cmyk" in faults and is_first:
        data = _encode_cmyk(frame)
    elif "gray" in faults:
        data = encode_jpeg(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
    else:
        data = encode_jpeg(frame)
    if "zero" in faults and is_first:
        return b""
    return data[: len(data) // 2] if "truncated" in faults and is_first else data


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode (h, w) gray uint8 as a PNG."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise RuntimeError(f"cv2 did not encode a PNG of shape {picture.shape}")
    return bytes(data)


def _encode_cmyk(frame: NDArray[np.uint8]) -> bytes:
    from PIL import Image  # only this fault needs it

    buffer = io.BytesIO()
    Image.fromarray(frame).convert("CMYK").save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()
