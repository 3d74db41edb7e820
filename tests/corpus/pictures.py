"""Bad pictures, put into a capture as frames, plates and visible masks, matted by the main job, and judged."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from command_line import matte
from corpus import damage, good
from corpus.damage import cases, in_header, in_scans
from corpus.jpeg_form import Malformed, check_form
from corpus.verdicts import CRASHED, NAMED, OUT_OF_FORM, RIGHT, SILENT, VALID, Verdict
from corpus.world import Around
from PIL import Image

from manifests.ledger import read_receipts
from manifests.records import FrameRow
from manifests.storage import LocalFolder
from matting_tasks.decode import decode_image

FRAMES, PLATES, VISIBLE = "frames", "plates", "visible"
"""The subjects, by the role that the bad pictures have."""
_PER_CAMERA = 60
_REFERENCE = "whole"


@dataclass(frozen=True)
class Bad:
    """A bad picture; `truth` are the pixels to be read from it, None where only a fault will do."""

    kind: str
    data: bytes
    truth: np.ndarray | None
    suffix: str = "jpg"


@cache
def wholes() -> Mapping[str, bytes]:
    """Return the undamaged pictures that are damaged."""
    return {f"jpeg:{name}": data for name, data in good.jpegs().items()}


@cache
def whole_pngs() -> Mapping[str, bytes]:
    """Return the undamaged PNGs."""
    return {f"png:{name}": data for name, data in good.pngs().items()}


@cache
def pixels_of(key: str) -> np.ndarray:
    """Return what cleanplate reads from an undamaged picture."""
    return decode_image({**wholes(), **whole_pngs()}[key]).pixels


def damaged_jpegs(n_each: int, seed: int = 1) -> Iterator[Bad]:
    """Yield damaged JPEGs: `n_each` of each kind, and four times as many cuts and flips."""
    other = good.jpegs(1)["opencv"]
    often = {"cut": damage.cut, "cut, an end mark behind": damage.cut_with_end_mark}
    often["1 bit flipped in the scan"] = damage.flips(1, in_scans)
    once = {
        "1 bit flipped in the header": damage.flips(1, in_header),
        "8 bits flipped": damage.flips(8),
        "4 zeros": damage.hole(4),
        "32 zeros": damage.hole(32),
        "256 zeros": damage.hole(256),
        "8 bytes of noise": damage.noise(8),
        "256 bytes of noise": damage.noise(256),
        "bytes lost": damage.lost,
        "bytes doubled": damage.doubled,
        "blocks swapped": damage.swapped,
        "another file from some byte on": damage.spliced(other),
        "bytes behind the end": damage.trailing,
    }
    for damages, number in ((often, 4 * n_each), (once, n_each)):
        for name, key, data in cases(seed, wholes(), damages, number):
            yield Bad(f"JPEG: {name}", data, pixels_of(key))


def damaged_pngs(n_each: int, seed: int = 2) -> Iterator[Bad]:
    """Yield damaged PNGs."""
    damages = {
        "cut": damage.cut,
        "1 bit flipped": damage.flips(1),
        "32 zeros": damage.hole(32),
        "256 bytes of noise": damage.noise(256),
        "bytes lost": damage.lost,
        "blocks swapped": damage.swapped,
        "another file from some byte on": damage.spliced(good.pngs(1)["rgb"]),
        "bytes behind the end": damage.trailing,
    }
    for name, key, data in cases(seed, whole_pngs(), damages, n_each):
        yield Bad(f"PNG: {name}", data, pixels_of(key), "png")


def odd_pictures() -> Iterator[Bad]:
    """Yield files that are whole, and unusual, or no pictures that can be read."""
    for data in good.jpegs().values():
        yield Bad("whole JPEG, any encoder", data, _by_pillow(data))
        yield Bad("whole JPEG named .png", data, _by_pillow(data), "png")
    for data in good.pngs().values():
        yield Bad("whole PNG, any depth", data, _by_pillow(data), "png")
        yield Bad("whole PNG named .jpg", data, _by_pillow(data))
    for orientation in range(1, 9):
        yield Bad("EXIF orientation 1 to 8", good.turned(orientation), _by_pillow(good.turned(1)))
    for data in (good.yuv_410(), good.cmyk()):
        yield Bad("CMYK, 4:1:0", data, None)
    for _, data in good.foreign_files():
        for suffix in ("jpg", "png"):
            yield Bad("no JPEG or PNG by any name", data, None, suffix)
    yield from _bombs()


def _bombs() -> Iterator[Bad]:
    """Yield small files that claim very many pixels, up to the most that is decoded."""
    kind = "decompression bomb"
    for width, height in ((60000, 60000), (65500, 65500), (16000, 16000), (1, 65500), (65500, 1)):
        for name in ("opencv", "opencv-progressive"):
            yield Bad(kind, good.jpeg_claiming(good.jpegs()[name], width, height), None)
        yield Bad(kind, good.png_claiming(width, height, bytes(100)), None, "png")
    yield Bad(kind, good.png_claiming(2**31 - 1, 2**31 - 1), None, "png")
    yield Bad(kind, good.png_claiming(good.SIDE, 5000, bytes(5000 * (1 + 3 * good.SIDE))), None, "png")


def run_pictures(folder: Path, bads: Sequence[Bad], subject: str) -> list[Verdict]:
    """Put bad pictures into a capture, matte it, and judge each; `subject` is the role that they have."""
    capture, out = folder / "capture", folder / "out"
    places = _put(capture / subject, bads, subject)
    around = Around(folder, out)
    ended = matte(capture, out, "--io-threads", 2)
    around.check()
    if ended.code not in (0, 3):
        return [Verdict(bads[0].kind, CRASHED, f"exit code {ended.code}: {ended.err}")]
    rows = {(row.camera, row.frame): row for row in read_receipts(LocalFolder(out), subject)}
    masks = _Masks(out, rows, subject)
    masks.check_good_frames(places)
    n_bad = sum(rows[place].status != "ok" for place in places)
    assert ended.code == (3 if n_bad else 0)
    return [_judge(bad, rows[place], masks) for bad, place in zip(bads, places, strict=True)]


@dataclass(frozen=True)
class _Masks:
    """The masks of a run, against those of the frame that is whole."""

    out: Path
    rows: Mapping[tuple[str, int], FrameRow]
    subject: str

    def of(self, row: FrameRow) -> bytes:
        assert row.mask_path is not None
        return (self.out / row.mask_path).read_bytes()

    def check_good_frames(self, places: Sequence[tuple[str, int]]) -> None:
        """See that every frame that nothing is wrong with has its mask, the same everywhere."""
        wanted = self.of(self.rows[_REFERENCE, 0])
        whole = [row for place, row in self.rows.items() if place not in set(places)]
        assert len(whole) > (len(places) // _PER_CAMERA if self.subject == FRAMES else 1)
        assert all(row.status == "ok" and self.of(row) == wanted for row in whole)


def _judge(bad: Bad, row: FrameRow, masks: _Masks) -> Verdict:
    about = f"{row.camera}, frame {row.frame}: {row.status}: {row.error}"
    if row.status != "ok":
        named = any(f"{bad_name}{row.camera}." in (row.error or "") for bad_name in ("image_", "visible_"))
        return Verdict(bad.kind, NAMED if named and row.mask_path is None else SILENT, about)
    if bad.truth is None:
        return Verdict(bad.kind, SILENT, about)
    pixels = decode_image(bad.data).pixels
    if np.array_equal(pixels, bad.truth):
        return Verdict(bad.kind, RIGHT, about)
    if not bad.data.startswith(b"\xff\xd8"):
        return Verdict(bad.kind, SILENT, about)
    try:
        check_form(bad.data)
    except Malformed as err:
        return Verdict(bad.kind, OUT_OF_FORM, f"{about}: {err}")
    return Verdict(bad.kind, VALID, about)


def _put(root: Path, bads: Sequence[Bad], role: str) -> list[tuple[str, int]]:
    """Write a subject; return (camera, frame) of each bad picture. A camera with a bad plate has one frame."""
    whole, plate = good.jpegs()["opencv"], good.jpegs(1)["opencv"]
    places = []
    for number, bad in enumerate(bads):
        in_frames = role == FRAMES
        camera = f"c{number // _PER_CAMERA:03d}" if in_frames else f"c{number:04d}"
        frame = 1 + number % _PER_CAMERA if in_frames else 0
        picture = _picture(root, frame, camera)
        named = {FRAMES: picture, PLATES: _plate(root, camera), VISIBLE: picture.with_name(f"visible_{camera}")}
        files = {_plate(root, camera): plate, _picture(root, 0, camera): whole, named[role]: bad.data}
        for path, data in files.items():
            _write(path.with_name(f"{path.name}.{bad.suffix if data is bad.data else 'jpg'}"), data)
        places.append((camera, frame))
    for frame in (0, 1):
        _write(_picture(root, frame, f"{_REFERENCE}.jpg"), whole)
    _write(_plate(root, f"{_REFERENCE}.jpg"), plate)
    return places


def _picture(root: Path, frame: int, camera: str) -> Path:
    return root / "images" / f"{frame:04d}" / f"image_{camera}"


def _plate(root: Path, camera: str) -> Path:
    return root / "background" / f"image_{camera}"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _by_pillow(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    if image.mode == "I;16":
        return np.repeat((np.asarray(image) // 257).astype(np.uint8)[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))
