"""Videos for tests: pictures that carry their number, written with any codec, and ways to damage the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

N_STAMP_BITS = 12
_COLOUR_SPACES = {"bt709": 1, "bt601": 6, "bt470bg": 5, "smpte240m": 7, "bt2020": 9}
_MATRICES = {1: Colorspace.ITU709, 6: Colorspace.ITU601, 5: Colorspace.ITU601, 7: Colorspace.SMPTE240M, 9: 9}
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9"}
_QUIET = {"libx264": {"preset": "veryfast", "crf": "18"}, "libx265": {"preset": "ultrafast", "crf": "18"}}


def stamp(number: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Draw a number (0 to 4095) as black and white blocks, 4 x 3, on gray: (height, width, 3) uint8 RGB.

    `read_stamp` reads it back from whatever a lossy codec leaves, from 32 x 32 pixels on.
    """
    if not 0 <= number < 1 << N_STAMP_BITS:
        raise ValueError(f"a stamp holds 0 to {(1 << N_STAMP_BITS) - 1}, not {number}")
    picture = np.full((height, width, 3), 128, np.uint8)
    for bit, block in enumerate(_blocks(height, width)):
        picture[block] = 235 if number >> bit & 1 else 20
    return picture


def read_stamp(pixels: np.ndarray) -> int:
    """Read the number of a stamped picture, (H, W, 3) uint8 RGB, back; raises ValueError where a block is gray."""
    number = 0
    for bit, block in enumerate(_blocks(*pixels.shape[:2])):
        level = float(pixels[block].mean())
        if 90 < level < 165:
            raise ValueError(f"block {bit} is neither black nor white: {level:.0f}")
        number |= (level > 128) << bit
    return number


def _blocks(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return the inner parts of the 12 blocks, 4 columns by 3 rows, the lowest bit first."""
    rows, columns = np.linspace(0, height, 4).astype(int), np.linspace(0, width, 5).astype(int)
    return [
        (slice(rows[y] + 2, rows[y + 1] - 2), slice(columns[x] + 2, columns[x + 1] - 2))
        for y in range(3)
        for x in range(4)
    ]


def stamps(n_frames: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Return the pictures 0 to n_frames - 1, each stamped with its number."""
    return [stamp(number, height, width) for number in range(n_frames)]


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray | av.VideoFrame],
    codec: str = "h264",
    rate: int | Fraction = 73,
    *,
    pix_fmt: str = "yuv420p",
    colour: str | None = None,
    full_range: bool | None = None,
    faststart: bool = False,
    times: Sequence[int] | None = None,
    rotation: float | None = None,
    container_options: dict[str, str] | None = None,
    **options: object,
) -> Path:
    """Encode pictures, (H, W, 3) uint8 RGB, into the container that the path's ending names; return the path.

    A picture may also be a VideoFrame in `pix_fmt`, which is encoded as it is.

    `options` are the encoder's own, as `g=12`, `bf=3`, `crf=18` or `x264_params="open-gop=1"` (an underscore stands
    for a hyphen in x264_params and x265_params). `colour` is bt709, bt601, bt470bg, smpte240m or bt2020, None leaves
    the stream untagged and encodes as bt601; `full_range` None is untagged and limited. `times` are presentation
    times in units of 1 / rate for a variable frame rate.
    """
    encoder = _ENCODERS.get(codec, codec)
    muxer = dict(container_options or {}) | ({"movflags": "+faststart"} if faststart else {})
    with av.open(str(path), "w", options=muxer) as container:
        stream = None
        for number, picture in enumerate(pictures):
            if stream is None:
                chosen = _QUIET.get(encoder, {}) | {
                    name.replace("x264_params", "x264-params").replace("x265_params", "x265-params"): str(value)
                    for name, value in options.items()
                }
                if encoder == "libx265":
                    chosen["x265-params"] = "log-level=none:" + chosen.get("x265-params", "")
                stream = container.add_stream(encoder, rate=rate, options=chosen)
                is_frame = isinstance(picture, av.VideoFrame)
                size = (picture.height, picture.width) if is_frame else picture.shape[:2]
                stream.height, stream.width = size
                stream.pix_fmt = pix_fmt
                stream.codec_context.time_base = 1 / Fraction(rate)
                stream.codec_context.thread_count = 2
                if colour is not None:
                    stream.codec_context.colorspace = _COLOUR_SPACES[colour]
                if full_range is not None:
                    stream.codec_context.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
                if rotation is not None:
                    stream.set_display_rotation(rotation)
            frame = (
                picture if is_frame else _to_yuv(picture, pix_fmt, _COLOUR_SPACES[colour or "bt601"], bool(full_range))
            )
            frame.pts = number if times is None else times[number]
            frame.time_base = 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
    return path


def _to_yuv(picture: np.ndarray, pix_fmt: str, space: int, full_range: bool) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    full = full_range or pix_fmt.startswith("yuvj") or "rgb" in pix_fmt or "gbr" in pix_fmt
    return frame.reformat(
        format=pix_fmt,
        dst_colorspace=_MATRICES[space],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
    )


def cut(path: Path, n_bytes: int) -> Path:
    """Shorten a file to its first n_bytes, or by -n_bytes; return the path."""
    data = path.read_bytes()
    path.write_bytes(data[:n_bytes])
    return path


def overwrite(path: Path, offset: int, data: bytes) -> Path:
    """Write bytes over those of a file at an offset; return the path."""
    whole = bytearray(path.read_bytes())
    whole[offset : offset + len(data)] = data
    path.write_bytes(bytes(whole))
    return path


def packet_places(path: Path) -> list[tuple[int, int, int]]:
    """Return (offset, size in bytes, frame number) of each packet of a video's file, in the file's order."""
    with av.open(str(path)) as container:
        found = [(packet.pos, packet.size, packet.pts) for packet in container.demux(video=0) if packet.size]
    order = {pts: number for number, pts in enumerate(sorted(pts for _, _, pts in found))}
    return [(offset, size, order[pts]) for offset, size, pts in found]


def drop_reordering(path: Path) -> Path:
    """Set every offset of an mp4's composition times to 0, as a hole of zeros does (ISO/IEC 14496-12, 8.6.1.3)."""
    data = bytearray(path.read_bytes())
    first = data.index(b"ctts") + 12  # version and flags, number of entries; then pairs of count and offset
    for entry in range(int.from_bytes(data[first - 4 : first])):
        data[first + 8 * entry + 4 : first + 8 * entry + 8] = bytes(4)
    path.write_bytes(data)
    return path
