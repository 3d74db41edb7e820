from __future__ import annotations

from matting_tasks.fit.post import Line, Post, Told
from matting_tasks.fit.trainer import StepDone
from matting_tasks.fit.validation import Validated
from matting_tasks.metrics import Scores

DONE = StepDone("base", 1, 1, 10, 1e-3, {"total": 1.0}, 0.5)
FOUND = Validated(Scores(1, 2, 3, 4, 5, None), Scores(1, 2, 3, 4, 5, None), 2)


def test_what_the_leading_worker_tells_reaches_the_driver_once_and_in_order() -> None:
    post = Post()
    line = Line(post.tell)
    tell = line.tell()
    post.begin()
    tell.step(DONE)
    tell.validated("base", 1, FOUND)
    tell.warn("odd")
    expected: Told = [("step", (DONE,)), ("validated", ("base", 1, FOUND)), ("warn", ("odd",))]
    assert post.collect(False) == (expected, True, None)
    assert post.collect(False) == ([], True, None)


def test_steps_wait_until_a_moment_is_over_or_the_end() -> None:
    post = Post()
    line = Line(post.tell)
    tell = line.tell()
    assert not tell.stop()  # the first question is asked at once
    tell.step(DONE)
    assert not tell.stop() and post.collect(False)[0] == []
    line.flush()
    assert post.collect(False)[0] == [("step", (DONE,))]


def test_the_wish_to_stop_reaches_the_leading_worker() -> None:
    post = Post()
    line = Line(post.tell)
    assert post.collect(True) == ([], False, None)
    line.flush()
    assert line.tell().stop()


def test_workers_that_begin_anew_say_why_those_before_ended() -> None:
    post = Post()
    post.begin()
    assert post.collect(False)[0] == []
    post.note("RuntimeError: Connection closed by peer")
    post.note("RuntimeError: another")
    post.begin()
    post.begin()
    assert post.collect(False)[0] == [
        ("warn", ("Workers ended (RuntimeError: Connection closed by peer): all go on from what was saved last.",)),
        ("warn", ("Workers ended (killed): all go on from what was saved last.",)),
    ]


def test_the_first_error_is_the_one_that_is_told() -> None:
    post, first = Post(), ValueError("first")
    post.fail(first)
    post.fail(ValueError("second"))
    assert post.collect(False)[2] is first
