"""A gha dataset from a raw capture: the frames, plates, visible masks and cameras that lie beside the masks."""

from __future__ import annotations

import hashlib
import threading

from manifests.errors import InputFault
from manifests.layouts.outputs import frame_file_paths, plate_path
from manifests.records import Shard
from manifests.storage import Folder
from matting_tasks.calibration import Calibration, camera_file, read_calibration, scale_intrinsics
from matting_tasks.decode import decode_image
from matting_tasks.frame_files import encode_plate_file, encode_target_files
from matting_tasks.frames import ReadFrame
from matting_tasks.geometry import adapt_intrinsics, geometry_of
from matting_tasks.listed import read_listed

Written = tuple[str, int, str]
"""(path, bytes, sha256) of a file."""


class Dataset:
    """Writes what lies beside the masks of some shards; a camera's plate and calibration are read once."""

    def __init__(self, capture: Folder, out: Folder, geometry: str) -> None:
        """Name the stores and the geometry that plates pass through as frames do."""
        self._capture = capture
        self._out = out
        self._geometry = geometry
        self._lock = threading.Lock()
        self._seen_plates: set[tuple[str, str]] = set()
        self._calibrations: dict[str, Calibration | InputFault] = {}

    def write(self, shard: Shard, read: ReadFrame) -> tuple[list[Written], str | None]:
        """Write the files of a frame that was read, and its camera's plate; return them, and what is not there.

        Raises InputChanged for a plate or calibration that is not the one listed, OSError for the stores.
        """
        if read.pixels is None or read.geometry is None:
            return [], None
        with self._lock:
            self._write_plate(shard)
            calibration = self._calibration(shard)
        files = encode_target_files(read.pixels, read.geometry)
        note = None
        try:
            files["camera"] = _camera(calibration, shard.camera, read)
        except InputFault as fault:
            note = f"no camera file: {fault.message}"
        paths = frame_file_paths(shard.subject, read.frame.frame, shard.camera)
        for kind, data in files.items():
            self._out.write_atomic(paths[kind], data)
        return [(paths[kind], len(data), hashlib.sha256(data).hexdigest()) for kind, data in files.items()], note

    def delete(self, shard: Shard, read: ReadFrame) -> None:
        """Delete the files of a frame that could not be read: those of an earlier picture of it."""
        self._out.delete(frame_file_paths(shard.subject, read.frame.frame, shard.camera).values())

    def _write_plate(self, shard: Shard) -> None:
        key = shard.subject, shard.camera
        if shard.plate.path is None or key in self._seen_plates:
            return
        data = read_listed(self._capture, shard, shard.plate.path, shard.plate.fingerprint)
        self._seen_plates.add(key)
        try:
            pixels = decode_image(data).pixels
            plate = encode_plate_file(pixels, geometry_of(self._geometry, pixels.shape[1], pixels.shape[0]))
        except InputFault:  # rows say so where the model needs the plate
            return
        self._out.write_atomic(plate_path(shard.subject, shard.camera), plate)

    def _calibration(self, shard: Shard) -> Calibration | InputFault:
        if shard.calibration is None:
            return InputFault("undecodable", "the capture has no calibration")
        path = shard.calibration.path
        if path not in self._calibrations:
            data = read_listed(self._capture, shard, path, shard.calibration.fingerprint)
            try:
                self._calibrations[path] = read_calibration(data)
            except InputFault as fault:
                self._calibrations[path] = fault
        return self._calibrations[path]


def _camera(calibration: Calibration | InputFault, camera: str, read: ReadFrame) -> bytes:
    """Return a camera's file for a frame as it is written; raises InputFault where the calibration does not tell."""
    if isinstance(calibration, InputFault):
        raise calibration
    found = calibration.of(camera)
    if found is None or read.geometry is None:
        raise InputFault("undecodable", f"the calibration has no camera {camera}")
    extrinsic, intrinsic = found
    full = scale_intrinsics(intrinsic, *read.geometry.source)
    return camera_file(extrinsic, adapt_intrinsics(read.geometry, full))
