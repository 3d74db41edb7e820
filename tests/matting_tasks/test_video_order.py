from __future__ import annotations

from matting_tasks.video_order import Row, count_only, in_time


def rows_of(*packets: tuple[int | None, bool], whole: int = 99, hidden: tuple[int, ...] = ()) -> tuple[Row, ...]:
    """Return packets as (time, is it a keyframe), of which the first `whole` are in the file."""
    return tuple(
        Row(pts, number, is_key, number not in hidden, False, number < whole)
        for number, (pts, is_key) in enumerate(packets)
    )


def test_frames_are_numbered_in_the_order_in_which_they_are_shown() -> None:
    # I0 P3 B1 B2 I6 B4 B5: an open group, whose pictures 4 and 5 are decoded behind the keyframe 6
    rows = rows_of((0, True), (30, False), (10, False), (20, False), (60, True), (40, False), (50, False))
    index = in_time(rows)
    assert (index.n_frames, index.n_listed, index.has_times) == (7, 7, True)
    assert [index.number_of(pts) for pts in (0, 10, 20, 30, 40, 50, 60)] == list(range(7))
    assert index.number_of(35) is None
    assert index.packets.tolist() == [0, 2, 3, 1, 5, 6, 4]
    assert index.key_packets.tolist() == [0, 0, 0, 0, 0, 0, 4]
    assert index.settled_by.tolist() == [0, 3, 3, 3, 6, 6, 6]


def test_a_packet_that_an_edit_list_hides_has_no_number() -> None:
    index = in_time(rows_of((-10, True), (0, False), (10, False), hidden=(0,)))
    assert (index.n_frames, index.number_of(-10), index.number_of(0)) == (2, None, 0)
    assert index.key_packets.tolist() == [0, 0]  # it is still where decoding begins


def test_a_file_that_is_cut_has_frames_up_to_the_first_that_is_not_whole() -> None:
    index = in_time(rows_of((0, True), (20, False), (10, False), (30, False), whole=2))
    assert (index.n_frames, index.n_listed) == (1, 4)  # frame 1 is the third packet, and is gone


def test_packets_without_times_are_only_counted() -> None:
    index = count_only(rows_of((None, True), (None, False), (None, False), hidden=(2,)))
    assert (index.n_frames, index.has_times, index.number_of(None)) == (2, False, None)


def test_no_packets_are_no_frames() -> None:
    assert in_time(()).n_frames == count_only(()).n_frames == 0
