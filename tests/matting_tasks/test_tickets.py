from __future__ import annotations

from dataclasses import replace
from queue import SimpleQueue

from fakes import put_shard

from manifests.records import ShardFailure
from manifests.storage_memory import MemoryFolder
from matting_tasks.isolation import isolate
from matting_tasks.tickets import Death, Post, Ticket
from matting_tasks.worker import Outcome


def ticket_of(*cameras: str) -> Ticket:
    shards = [put_shard(MemoryFolder(), [b"x"], camera=camera) for camera in cameras]
    return Ticket(shards, SimpleQueue[Outcome](), tries=1, deaths=1)


def test_shards_that_go_on_alone_keep_their_account() -> None:
    ticket = ticket_of("a", "b")
    alone = ticket.alone()
    assert [one.camera for one in alone] == [("031", "a"), ("031", "b")]
    assert all((one.tries, one.deaths, len(one.shards)) == (1, 1, 1) for one in alone)
    assert all(one.answers is ticket.answers for one in alone)
    assert ticket.names == ", ".join(one.names for one in alone)


def test_a_ticket_that_fails_answers_for_each_of_its_shards() -> None:
    ticket = ticket_of("a", "b", "c")
    ticket.fail("lost")
    answers = [ticket.answers.get_nowait() for _ in range(3)]
    assert [answer.camera for answer in answers] == ["a", "b", "c"]
    assert all(isinstance(answer, ShardFailure) and answer.message == "lost" for answer in answers)


def test_hands_are_free_when_they_are_ready_and_no_killing_frame_is_looked_for() -> None:
    ticket = ticket_of("a")
    post = Post(tickets=[ticket])
    assert not post.is_free
    post.ready = True
    assert post.is_free
    ticket.isolation = isolate(ticket.shards[0])
    assert not post.is_free
    assert not Post(ready=True, in_doubt=True).is_free


COUNTS, CLUSTERS = Death("exit code 9", counts=True), Death("its node has died", counts=False)


def test_two_deaths_that_count_begin_the_search_for_the_frame() -> None:
    ticket = replace(ticket_of("a"), deaths=0)
    assert ticket.count_death(COUNTS) and ticket.trial is None
    assert ticket.count_death(COUNTS) and ticket.trial is not None and ticket.trial.frame is None


def test_deaths_that_are_the_clusters_begin_no_search_and_are_borne_ten_times() -> None:
    ticket = ticket_of("a")
    assert all(ticket.count_death(CLUSTERS) for _ in range(9))
    assert ticket.trial is None and ticket.answers.empty()
    assert not ticket.count_death(CLUSTERS)
    assert "10 workers were lost with it in hand" in ticket.answers.get_nowait().message


def test_a_trial_that_the_cluster_spoiled_is_made_again() -> None:
    ticket = ticket_of("a")
    ticket.count_death(COUNTS)
    ticket.settle_trial(True)
    before = ticket.trial
    assert before is not None and before.frame is not None
    assert ticket.count_death(CLUSTERS) and ticket.trial == before


def test_the_answer_of_the_last_trial_is_that_of_the_shard() -> None:
    ticket = ticket_of("a")
    ticket.count_death(COUNTS)
    failure = ShardFailure.of(ticket.shards[0], "store", "full")
    assert not ticket.settle_trial(False, [failure])
    assert ticket.answers.get_nowait() is failure


def test_a_shard_of_which_no_frame_kills_fails_by_name() -> None:
    ticket = ticket_of("a")
    ticket.count_death(COUNTS)
    goes_on = ticket.settle_trial(True)
    while goes_on:
        goes_on = ticket.settle_trial(False)
    failure = ticket.answers.get_nowait()
    assert isinstance(failure, ShardFailure) and "no single frame" in failure.message
