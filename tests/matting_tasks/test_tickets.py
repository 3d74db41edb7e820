from __future__ import annotations

from queue import SimpleQueue

from fakes import put_shard

from manifests.records import ShardFailure
from manifests.storage_memory import MemoryFolder
from matting_tasks.isolation import isolate
from matting_tasks.tickets import Post, Ticket
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


def test_a_post_is_exclusive_while_a_killing_frame_is_looked_for() -> None:
    ticket = ticket_of("a")
    post = Post(tickets=[ticket])
    assert not post.exclusive
    ticket.isolation = isolate(ticket.shards[0])
    assert post.exclusive
