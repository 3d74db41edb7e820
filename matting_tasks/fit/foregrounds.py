"""Cutouts of the foregrounds that a user has: stills and clips, each drawn at a random place, size and side."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from manifests.errors import InputFault, UsageError
from matting_tasks.alphas import gray_of, read_alpha
from matting_tasks.decode import decode_image
from matting_tasks.decode_video import VideoReader
from matting_tasks.fit.cutouts import choose_placing, extent_of, is_photograph, nudge, put, shrink, spread_colours
from matting_tasks.fit.foreground_files import find_foregrounds as find_foregrounds
from matting_tasks.fit.foreground_records import PURE_FOLDERS, Clip, Foregrounds, Pair, folders_of
from matting_tasks.fit.records import U8, Cutout

LONG_SIDE_PX = 1280
"""Pictures are kept shrunk to this."""

CLIP_SHARE = 0.75
CLIP_TRIES = 4  # windows of a clip that are tried in one draw
"""How often `clip` draws a clip where there are clips and pictures; pictures are moved across the frame."""

_LEAST_ALPHA = 25  # of 255: a foreground nowhere thicker is an empty one

_Frames = list[tuple[U8, U8]]

logger = logging.getLogger(__name__)


def reader_of(places: Sequence[Path]) -> ForegroundReader:
    """Open the foregrounds of all places; raises UsageError for a place where nothing can be used."""
    found = [find_foregrounds(place) for place in places]
    faults = {
        f"{place.name}: {name}": fault
        for place, one in zip(places, found, strict=True)
        for name, fault in one.faults.items()
    }
    for name, fault in faults.items():
        logger.warning("%s: not used as a foreground: %s", name, fault)
    pictures = tuple(pair for one in found for pair in one.pictures)
    clips = tuple(clip for one in found for clip in one.clips)
    backgrounds = tuple(path for one in found for path in one.backgrounds)
    return ForegroundReader(Foregrounds(pictures, clips, backgrounds, faults))


class ForegroundReader:
    """Draws cutouts; what it draws depends on the generator and the files alone. The last `cache` stills are kept."""

    def __init__(self, foregrounds: Foregrounds, cache: int = 24) -> None:
        """Take what `find_foregrounds` found."""
        self._found = foregrounds
        self._cache = max(cache, 1)
        self._kept: OrderedDict[str, tuple[U8, U8]] = OrderedDict()
        self._faults = dict(foregrounds.faults)
        self._unusable: set[Pair | Clip] = set()

    def __len__(self) -> int:
        """Count the pictures and clips that can be used, as far as is known."""
        return len(self._found.pictures) + len(self._found.clips) - len(self._unusable)

    @property
    def backgrounds(self) -> tuple[Path, ...]:
        """Return the backgrounds that lists name."""
        return self._found.backgrounds

    @property
    def faults(self) -> Mapping[str, str]:
        """Return by name what could not be used so far, with the reason; it is never drawn."""
        return self._faults

    def __call__(self, rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
        """Draw a still where one frame is wanted, else a clip."""
        return self.still(rng, size) if n_frames == 1 else self.clip(rng, size, n_frames)

    def still(self, rng: np.random.Generator, size: tuple[int, int]) -> Cutout:
        """Draw a cutout of one frame, `size` = (height, width), from a picture or a frame of a clip.

        Raises UsageError once nothing is left that can be used.
        """
        return self._drawn(rng, ((*self._found.pictures, *self._found.clips), ()), size, 1)

    def clip(self, rng: np.random.Generator, size: tuple[int, int], n_frames: int) -> Cutout:
        """Draw a cutout of frames that follow each other: of a clip, or a picture that drifts; raises as `still`."""
        sides = self._found.clips, self._found.pictures
        chosen, others = sides if sides[0] and rng.random() < CLIP_SHARE else sides[::-1]
        return self._drawn(rng, (chosen, others), size, n_frames)

    def _drawn(
        self,
        rng: np.random.Generator,
        items: tuple[Sequence[Pair | Clip], Sequence[Pair | Clip]],
        size: tuple[int, int],
        n_frames: int,
    ) -> Cutout:
        """Draw from one of the first items, or the next that can be used; each try has random numbers of its own."""
        chosen, others = items
        seed, start = int(rng.integers(1 << 62)), int(rng.integers(max(len(chosen), 1)))
        for step, item in enumerate((*chosen[start:], *chosen[:start], *others)):
            if item in self._unusable:
                continue
            # other frames of a clip may be whole: what one draw met must not decide what the next can have
            for attempt in range(1 if isinstance(item, Pair) else CLIP_TRIES):
                own = np.random.default_rng([seed, step, attempt])
                try:
                    frames = [self._still_of(item)] if isinstance(item, Pair) else _frames_of(own, item, size, n_frames)
                except (InputFault, OSError) as err:
                    self._note(item, err)
                    continue
                return _placed(own, frames, size, n_frames)
        said = "; ".join(f"{name}: {fault}" for name, fault in list(self._faults.items())[:3])
        raise UsageError(
            f"expected foregrounds with alpha, and none of {len(chosen) + len(others)} can be used: {said}."
        )

    def _note(self, item: Pair | Clip, err: Exception) -> None:
        """Keep what is wrong with a file, and a picture from being tried again."""
        if isinstance(item, Pair):
            self._unusable.add(item)
        if item.name not in self._faults:
            logger.warning("%s: not used as a foreground: %s", item.name, err)
        self._faults[item.name] = str(err)

    def _still_of(self, pair: Pair) -> tuple[U8, U8]:
        key = f"{pair.foreground}\n{pair.alpha}"
        if key not in self._kept:
            self._kept[key] = _read(pair.foreground, pair.alpha, LONG_SIDE_PX)
            if len(self._kept) > self._cache:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _placed(rng: np.random.Generator, frames: _Frames, size: tuple[int, int], n_frames: int) -> Cutout:
    """Put frames into a frame of that size, all alike; a single one drifts over `n_frames`."""
    if rng.random() < 0.5:
        frames = [(foreground[:, ::-1], alpha[:, ::-1]) for foreground, alpha in frames]
    extent = extent_of(np.stack([alpha for _, alpha in frames]))
    begin = choose_placing(rng, extent, size)
    end = nudge(rng, begin, extent, size) if len(frames) < n_frames else begin
    shares = np.linspace(0, 1, n_frames)
    placed = []
    for place in range(n_frames):
        foreground, alpha = frames[place % len(frames)]
        where = begin.towards(end, float(shares[place]))
        placed.append(put(np.ascontiguousarray(foreground), np.ascontiguousarray(alpha), where, size))
    return Cutout(np.stack([one[0] for one in placed]), np.stack([one[1] for one in placed]))


def _frames_of(rng: np.random.Generator, clip: Clip, size: tuple[int, int], n_frames: int) -> _Frames:
    """Read frames of a clip that follow each other, forwards or backwards, to and fro where it is too short."""
    with _Side(clip.foreground, _colour) as colours, _Side(clip.alpha, _alpha) as alphas:
        n_whole = min(colours.n_frames, alphas.n_frames)
        if n_whole < 1:
            raise InputFault("short_video", "the clip has no frames")
        count = min(n_frames, n_whole)
        first = int(rng.integers(n_whole - count + 1))
        long_side = int(np.clip(2 * max(size), 256, LONG_SIDE_PX))
        frames = [
            _joined(colours.read(number), alphas.read(number), long_side, colours.is_pure, f"frame {number}")
            for number in range(first, first + count)
        ]
    if len({alpha.shape for _, alpha in frames}) > 1:
        raise InputFault("undecodable", "the frames of the clip have different sizes")
    if rng.random() < 0.5:
        frames.reverse()
    there_and_back = [*frames, *frames[-2:0:-1]]
    return [there_and_back[place % len(there_and_back)] for place in range(n_frames)]


class _Side:
    """The foregrounds or the alphas of a clip: a video, read forward, or pictures."""

    def __init__(self, files: Path | tuple[Path, ...], decode: Callable[[Path | np.ndarray], U8]) -> None:
        self._video = VideoReader(files, n_threads=1) if isinstance(files, Path) else None
        self._pictures = () if isinstance(files, Path) else files
        self._decode = decode
        self.n_frames = self._video.n_frames if self._video is not None else len(self._pictures)
        self.is_pure = _is_pure(files if isinstance(files, Path) else files[0])

    def __enter__(self) -> _Side:
        return self

    def __exit__(self, *_: object) -> None:
        if self._video is not None:
            self._video.close()

    def read(self, number: int) -> U8:
        return self._decode(self._pictures[number] if self._video is None else self._video.read(number))


def _colour(source: Path | np.ndarray) -> U8:
    return decode_image(source.read_bytes()).pixels if isinstance(source, Path) else source


def _alpha(source: Path | np.ndarray) -> U8:
    values = read_alpha(source.read_bytes()).values if isinstance(source, Path) else gray_of(source, "video")
    if values.dtype == np.uint8:
        return values
    return np.asarray((values.astype(np.uint32) + 128) // 257, np.uint8)  # 16 bits


def _is_pure(path: Path) -> bool:
    return bool(folders_of(path.as_posix()) & PURE_FOLDERS)


def _read(foreground: Path, alpha: Path, long_side: int) -> tuple[U8, U8]:
    is_pure = foreground == alpha or _is_pure(foreground)
    return _joined(_colour(foreground), _alpha(alpha), long_side, is_pure, "the picture")


def _joined(foreground: U8, alpha: U8, long_side: int, is_pure: bool, name: str) -> tuple[U8, U8]:
    """Shrink a picture and its alpha, and fill what is not the person's; InputFault where they do not fit."""
    if foreground.shape[:2] != alpha.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (foreground.shape, alpha.shape)]
        raise InputFault("undecodable", f"{name} is {sizes[0]} pixels, its alpha {sizes[1]}")
    if int(alpha.max(initial=0)) < _LEAST_ALPHA:
        raise InputFault("undecodable", f"the alpha of {name} is empty")
    photograph = not is_pure or is_photograph(foreground, alpha)
    foreground, alpha = shrink(foreground, alpha, long_side, photograph)
    return spread_colours(foreground, alpha, photograph), alpha
