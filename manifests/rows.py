"""The rows of a subject: one a frame, from its pictures or from the lengths of its videos, with its number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

import numpy as np

from manifests.capture import Scanned, Stream, Video, text_column
from manifests.numbering import STRIDE, Span, n_taken, numbers
from manifests.sharding import NOT_PROBED, FrameTable
from manifests.stretches import stretches


def streams(frames: FrameTable) -> dict[Stream, slice]:
    """Return the rows of each (sequence, camera), in the order of the table."""
    return {
        (frames.sequence[rows.start], frames.camera[rows.start]): rows
        for rows in stretches(frames.sequence, frames.camera)
    }


def taken_lengths(scanned: Scanned) -> dict[str, int]:
    """Return, per sequence, how many frames of its longest camera are taken when every third one is."""
    lengths = {sequence: n_taken(n_source) for sequence, n_source in video_lengths(scanned.videos).items()}
    frames = scanned.frames
    for rows in stretches(frames.sequence):
        lengths[frames.sequence[rows.start]] = int(frames.source_frame[rows].max()) // STRIDE + 1
    return lengths


def video_lengths(videos: Iterable[Video]) -> dict[str, int]:
    """Return, per sequence, the frames of its longest video; 1 where none can be read, so that they have a row."""
    lengths: dict[str, int] = {}
    for video in videos:
        lengths[video.sequence] = max(lengths.get(video.sequence, 1), video.n_frames)
    return lengths


def rows_of(scanned: Scanned, spans: Sequence[Span] | None) -> FrameTable:
    """Return the rows of a subject, sorted by (sequence, camera, frame).

    Without spans `frame` is the number in the source and every frame has a row; with them every third one, numbered.
    """
    if scanned.videos:
        return _of_videos(scanned.frames.subject, scanned.videos, spans)
    if spans is None:
        return scanned.frames
    return _renumbered(scanned.frames, spans)


def _of_videos(subject: str, videos: Sequence[Video], spans: Sequence[Span] | None) -> FrameTable:
    """Give every video as many rows as the longest of its sequence has frames: a missing end is seen as rows."""
    lengths = video_lengths(videos)
    source = {sequence: np.arange(0, length, 1 if spans is None else STRIDE) for sequence, length in lengths.items()}
    frame = source if spans is None else {s: numbers(spans, s, taken // STRIDE) for s, taken in source.items()}
    counts = [len(source[video.sequence]) for video in videos]

    def text(values: Iterable[str]) -> np.ndarray:
        return np.repeat(text_column(values), counts)

    def number(values: Iterable[int | None], kind: type[np.generic]) -> np.ndarray:
        return np.repeat(np.array([-1 if value is None else value for value in values], dtype=kind), counts)

    n_rows = sum(counts)
    empty = np.full(n_rows, "", dtype=object)
    return FrameTable(
        subject=subject,
        sequence=text(video.sequence for video in videos),
        camera=text(video.camera for video in videos),
        frame=np.concatenate([frame[video.sequence] for video in videos]).astype(np.int32),
        source_frame=np.concatenate([source[video.sequence] for video in videos]).astype(np.int32),
        path=text(video.stat.path for video in videos),
        kind=np.full(n_rows, "video", dtype=object),
        size_bytes=number((video.stat.size_bytes for video in videos), np.int64),
        mtime_ns=number((video.stat.mtime_ns for video in videos), np.int64),
        etag=text(video.stat.etag or "" for video in videos),
        fingerprint=text(video.fingerprint for video in videos),
        visible_path=empty,
        visible_fingerprint=empty,
        width=number((video.width for video in videos), np.int32),
        height=number((video.height for video in videos), np.int32),
        video_frames=number((video.n_frames if video.is_probed else NOT_PROBED for video in videos), np.int32),
    )


def _renumbered(frames: FrameTable, spans: Sequence[Span]) -> FrameTable:
    taken = frames.source_frame % STRIDE == 0
    columns = {f.name: getattr(frames, f.name)[taken] for f in fields(frames) if f.name != "subject"}
    kept = FrameTable(subject=frames.subject, **columns)
    frame = np.zeros(len(kept), dtype=np.int32)
    for rows in stretches(kept.sequence):
        frame[rows] = numbers(spans, kept.sequence[rows.start], kept.source_frame[rows] // STRIDE)
    return replace(kept, frame=frame)
