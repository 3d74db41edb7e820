"""Rows: one a frame, sorted, with the numbers that the numbering gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manifests.capture import Scanned, Video, scan_subject
from manifests.layouts.gha import Gha
from manifests.layouts.template import Template
from manifests.numbering import extend
from manifests.records import FileStat
from manifests.rows import rows_of, streams, taken_lengths
from manifests.sharding import FrameTable
from manifests.storage_memory import MemoryFolder


def _scanned(**lengths: int) -> Scanned:
    """Return a subject with videos; names are sequence and camera, as `a_1`."""
    videos = []
    for name, n_frames in sorted(lengths.items()):
        sequence, camera = name.split("_")
        stat = FileStat(f"{name}.mp4", 10 + n_frames, 5)
        videos.append(Video(sequence, camera, stat, stat.fingerprint("stat"), n_frames, 96, 64, True))
    return replace(scan_subject(MemoryFolder(), "031", "stat", Gha()), videos=tuple(videos))


def _keys(table: FrameTable) -> list[tuple[str, str, int]]:
    return list(zip(table.sequence, table.camera, table.frame.tolist(), strict=True))


def test_every_video_has_a_row_for_each_frame_of_the_longest_of_its_sequence() -> None:
    table = rows_of(_scanned(a_1=4, a_2=2, b_1=1), None)
    assert _keys(table) == [("a", c, frame) for c in "12" for frame in range(4)] + [("b", "1", 0)]
    assert table.source_frame.tolist() == table.frame.tolist()
    assert set(table.kind) == {"video"}
    assert table.path.tolist() == ["a_1.mp4"] * 4 + ["a_2.mp4"] * 4 + ["b_1.mp4"]
    assert table.video_frames.tolist() == [4] * 4 + [2] * 4 + [1]
    assert table.fingerprint.tolist()[4] == "12-5" and table.size_bytes.tolist()[4] == 12
    assert {column.dtype for column in (table.frame, table.source_frame, table.video_frames)} == {np.dtype("int32")}


def test_unreadable_videos_have_rows_even_when_all_of_a_sequence_are() -> None:
    assert _keys(rows_of(_scanned(a_1=0, a_2=3), None))[:3] == [("a", "1", 0), ("a", "1", 1), ("a", "1", 2)]
    assert _keys(rows_of(_scanned(a_1=0, a_2=0), None)) == [("a", "1", 0), ("a", "2", 0)]


def test_every_third_frame_is_numbered_over_the_sequences() -> None:
    scanned = _scanned(a_1=7, a_2=4, b_1=4)
    lengths = taken_lengths(scanned)
    assert lengths == {"a": 3, "b": 2}
    table = rows_of(scanned, extend((), lengths))
    assert _keys(table) == [("a", c, frame) for c in "12" for frame in range(3)] + [("b", "1", 3), ("b", "1", 4)]
    assert table.source_frame.tolist() == [0, 3, 6, 0, 3, 6, 0, 3]


def test_rows_stay_sorted_when_sequences_came_later_and_grew() -> None:
    spans = extend((), taken_lengths(_scanned(b_1=4)))
    spans = extend(spans, taken_lengths(_scanned(a_1=3, b_1=4)))
    later = _scanned(a_1=3, b_1=9)
    table = rows_of(later, extend(spans, taken_lengths(later)))
    assert _keys(table) == [("a", "1", 2), ("b", "1", 0), ("b", "1", 1), ("b", "1", 3)]
    assert table.source_frame.tolist() == [0, 0, 3, 6]
    assert _keys(table) == sorted(_keys(table))


def test_pictures_are_numbered_by_every_third_of_their_own_numbers() -> None:
    names = [f"031/{sequence}/c1/{n}.png" for sequence, last in (("a", 7), ("b", 4)) for n in range(1, last)]
    capture = MemoryFolder(dict.fromkeys(names, b""))
    scanned = scan_subject(capture, "031", "stat", Template("{subject}/{sequence}/{camera}/{frame}.png"))
    assert rows_of(scanned, None) is scanned.frames
    lengths = taken_lengths(scanned)
    assert lengths == {"a": 3, "b": 2}
    table = rows_of(scanned, extend((), lengths))
    assert _keys(table) == [("a", "c1", 1), ("a", "c1", 2), ("b", "c1", 4)]
    assert table.source_frame.tolist() == [3, 6, 3]
    assert table.path.tolist() == ["031/a/c1/3.png", "031/a/c1/6.png", "031/b/c1/3.png"]


def test_streams_are_the_rows_of_each_camera_and_sequence() -> None:
    table = rows_of(_scanned(a_1=2, a_2=2, b_1=3), None)
    assert streams(table) == {("a", "1"): slice(0, 2), ("a", "2"): slice(2, 4), ("b", "1"): slice(4, 7)}
    assert streams(scan_subject(MemoryFolder(), "031", "stat", Gha()).frames) == {}
