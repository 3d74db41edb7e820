"""Workers: posts of the pool in virtual time; each computes one shard while the next is decoded, and may be lost."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from benchmarks.simulated.clock import Clock, Jitter, Tally
from benchmarks.simulated.costs import Setting
from benchmarks.simulated.queueing import Server, Shelf, Ticket
from benchmarks.simulated.work import Work

from manifests.estimate import pack_puts


@dataclass(eq=False, slots=True)
class Post:
    """A worker's place in the pool. `hands`: given out and not answered; `line`: not computed yet; `life` tells the
    actors that fill the post one after the other apart; `plates` are those last used.
    """

    number: int
    node: int
    ready: bool = False
    life: int = 0
    hands: list[Ticket] = field(default_factory=list)
    line: deque[Ticket] = field(default_factory=deque)
    started: float = 0.0
    camera: tuple[int, int] | None = None
    plates: OrderedDict[tuple[int, int], None] = field(default_factory=OrderedDict)


class Workers:
    """All posts and the store that they read and write; `ended` is told of each shard that has its receipt."""

    def __init__(
        self, clock: Clock, work: Work, setting: Setting, tally: Tally, ended: Callable[[Post, Ticket], None]
    ) -> None:
        cluster, store = setting.cluster, setting.store
        self._clock, self._work, self._setting, self._tally, self._ended = clock, work, setting, tally, ended
        self._jitter = Jitter(np.random.default_rng(setting.seed), setting.costs.jitter)
        self._frame_s = setting.frame_s
        self.puts = Shelf(store.puts_per_s, store.partitions)
        self.gets = Shelf(store.gets_per_s, store.partitions)
        self._bytes = Server(store.bytes_per_s)
        self.posts = [Post(number, number // cluster.gpus_per_node) for number in range(cluster.n_gpus)]

    def take(self, post: Post, ticket: Ticket) -> None:
        """Put a shard into a worker's hands: it is computed once those before it are."""
        post.hands.append(ticket)
        post.line.append(ticket)
        key = ticket.subject, ticket.camera
        is_new = key not in post.plates
        post.plates[key] = None
        post.plates.move_to_end(key)
        if is_new:
            self._tally.n_plates += 1
            if len(post.plates) > self._setting.policy.n_plates:
                post.plates.popitem(last=False)
        post.camera = key
        if len(post.line) == 1:
            costs = self._setting.costs
            self._start(post, costs.lead_s + is_new * costs.plate_s)

    def lose(self, post: Post) -> list[Ticket]:
        """End the actor of a post; return what it had in hand that has no receipt."""
        lost = list(post.line)
        if lost:
            self._tally.lost_s += self._clock.now - post.started
        for ticket in lost:
            post.hands.remove(ticket)
            ticket.n_lost += 1
        self._tally.n_lost += len(lost)
        post.ready, post.camera = False, None
        post.life += 1
        post.line.clear()
        post.plates.clear()
        return lost

    def _start(self, post: Post, lead_s: float) -> None:
        """Begin with the next shard in line; it ends when device, cores, requests and bytes are all done with it."""
        ticket, now = post.line[0], self._clock.now + lead_s
        n_frames, work = ticket.n_frames, self._work
        done = now + n_frames * self._frame_s * self._jitter.draw()
        n_masks = 2 * n_frames
        n_puts = pack_puts(n_frames * work.mask_bytes) if self._setting.policy.pack else n_masks
        done = max(
            done,
            self.puts.serve(now, ticket.subject, n_puts + 1),
            self.gets.serve(now, ticket.subject, work.gets_of(n_frames)),
            self._bytes.serve(now, work.bytes_of(n_frames)),
        )
        post.started = self._clock.now
        self._clock.at(done, self._end, post, post.life)

    def _end(self, post: Post, life: int) -> None:
        if life != post.life:
            return
        ticket = post.line.popleft()
        self._tally.useful_s += ticket.n_frames / self._setting.costs.rate
        self._clock.at(self._clock.now + self._setting.costs.tail_s, self._ended, post, ticket)
        if post.line:
            self._start(post, 0.0)
