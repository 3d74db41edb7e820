"""Frame files: what lies beside the masks in the gha layout when frames are taken out of a raw capture.

<subject>/background/image_<camera>.jpg                                        the plate
<subject>/images/<frame:04d>/image_<camera>.jpg, image_lowres_<camera>.jpg     the frame, and 256x256
<subject>/images/<frame:04d>/visible_<camera>.jpg, visible_lowres_<camera>.jpg 255 inside the sensor, 0 in the pads
<subject>/cameras/<frame:04d>/camera_<camera>.npz                              see `calibration.camera_file`
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from manifests.errors import StoreFault
from manifests.layouts.outputs import frame_file_paths as frame_file_paths
from manifests.layouts.outputs import plate_path as plate_path
from matting_tasks.geometry import VISIBLE_FROM, Geometry, apply, visible

LOWRES_PX = 256
QUALITY = 95


def encode_frame_files(pixels: np.ndarray, geometry: Geometry) -> dict[str, bytes]:
    """Encode the four pictures of a frame, (H, W, 3) uint8 RGB as captured, after bringing it through the geometry.

    Returns the bytes by kind: image, image_lowres, visible, visible_lowres.
    Raises InputFault of status `undecodable` for a frame of another size than the geometry's.
    """
    return encode_target_files(apply(geometry, pixels), geometry)


def encode_target_files(target: np.ndarray, geometry: Geometry) -> dict[str, bytes]:
    """Encode as `encode_frame_files` does, but a frame that has been brought through the geometry, (h, w, 3)."""
    return {"image": encode_jpeg(target), "image_lowres": encode_jpeg(_shrink(target))} | _visible_files(geometry)


def encode_plate_file(pixels: np.ndarray, geometry: Geometry) -> bytes:
    """Encode a plate, (H, W, 3) uint8 RGB as captured, after bringing it through the geometry; raises as for frames."""
    return encode_jpeg(apply(geometry, pixels))


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """Encode (h, w, 3) RGB or (h, w) gray uint8 as a JPEG of quality 95; StoreFault where a JPEG cannot hold it."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise StoreFault(f"OpenCV could not encode a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels as a JPEG.")
    return bytes(data)


@lru_cache(maxsize=32)
def _visible_pictures(geometry: Geometry) -> tuple[bytes, bytes]:
    """Encode what the sensor covers, full size and lowres; the same for all frames, so encoded once.

    Only 0 and 255 are written, never the share of a border pixel: 118, as on gha's border, would be too near to 128
    to come out of a JPEG on the right side of it for sure.
    """
    coverage = visible(geometry)
    full, lowres = (
        np.where(share >= VISIBLE_FROM, np.uint8(255), np.uint8(0)) for share in (coverage, _shrink(coverage))
    )
    # (h, w) -> (h, w, 3): readers of the gha layout take the first of three channels.
    return encode_jpeg(cv2.merge([full] * 3)), encode_jpeg(cv2.merge([lowres] * 3))


def _visible_files(geometry: Geometry) -> dict[str, bytes]:
    full, lowres = _visible_pictures(geometry)
    return {"visible": full, "visible_lowres": lowres}


def _shrink(pixels: np.ndarray) -> np.ndarray:
    small: np.ndarray = cv2.resize(pixels, (LOWRES_PX, LOWRES_PX), interpolation=cv2.INTER_AREA)
    return small
