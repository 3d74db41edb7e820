"""Run: a whole run in virtual time: subjects in turn, one driver and its pool, workers on nodes that are lost."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from benchmarks.simulated.clock import Clock, Tally
from benchmarks.simulated.costs import Setting
from benchmarks.simulated.queueing import Ticket, Waiting
from benchmarks.simulated.work import Work
from benchmarks.simulated.workers import Post, Workers

MOST_LOST = 10
"""Losses after which the pool gives a shard up (MAX_UNCOUNTED in matting_tasks/tickets.py)."""
HOUR_S = 3600.0


@dataclass(eq=False, slots=True)
class Turn:
    """A subject whose shards go out: what is still to be given to the pool, and how many are open there."""

    subject: int
    left: Iterator[tuple[int, int, int]]
    n_open: int = 0
    is_out: bool = False


class Run:
    """One run by the product's policy; `play` lets it pass and returns what happened."""

    def __init__(self, work: Work, setting: Setting) -> None:
        self.work, self.setting, self.tally, self.clock = work, setting, Tally(), Clock()
        policy, n_gpus = setting.policy, setting.cluster.n_gpus
        self.workers = Workers(self.clock, work, setting, self.tally, self._report)
        self._rng = np.random.default_rng(setting.seed + 1)
        self._waiting = Waiting(policy.in_flight * n_gpus)
        self._window = (policy.in_flight + 1) * n_gpus
        self._hungry: list[OrderedDict[int, Post]] = [OrderedDict() for _ in range(policy.in_flight)]
        self._turns: dict[int, Turn] = {}
        self._n_begun = self._n_over = 0
        self._n_python = 0
        self._driver_free_at = self._python_free_at = 0.0
        self._judges = [0.0] * policy.n_judges

    def play(self) -> Tally:
        """Let the run pass."""
        work, costs, policy = self.work, self.setting.costs, self.setting.policy
        begins = costs.look_s * work.n_subjects
        self.tally.first_s = begins
        for post in self.workers.posts:
            self.clock.at(begins + costs.set_up_s, self._ready, post, post.life)
        for _ in range(policy.subjects_at_once):
            self.clock.at(begins, self._begin)
        self._plan_losses(begins)
        self.clock.run(lambda: self._n_over == work.n_subjects)
        last = max(self._judges) if policy.qc == "beside" else 0.0
        self.tally.judged_s = max(self.clock.now, last)
        joins = work.n_subjects * self.setting.join_s(work.shards_of_subject) if policy.join == "end" else 0.0
        self.tally.finished_s = self.tally.judged_s + joins
        return self.tally

    def _begin(self) -> None:
        """Plan the next subject; Python's lock is held by that, not by the check of its plates, which decodes."""
        if self._n_begun == self.work.n_subjects:
            return
        subject, costs = self._n_begun, self.setting.costs
        self._n_begun += 1
        self._n_python += 1
        self.clock.at(self.clock.now + costs.plan_s, self._planned)
        self.clock.at(self.clock.now + costs.plan_s + costs.check_s, self._go_out, subject)

    def _planned(self) -> None:
        self._n_python -= 1

    def _go_out(self, subject: int) -> None:
        self._turns[subject] = Turn(subject, self.work.shards(subject))
        self._feed(self._turns[subject])
        self._dispatch()

    def _feed(self, turn: Turn) -> None:
        """Give a subject's shards to the pool as far as its window goes."""
        while not turn.is_out and turn.n_open < self._window:
            shard = next(turn.left, None)
            if shard is None:
                turn.is_out = True
                return
            turn.n_open += 1
            self._waiting.append(Ticket(*shard))

    def _dispatch(self) -> None:
        """Fill hands, the emptiest first."""
        for level in self._hungry:
            while level and len(self._waiting):
                _, post = level.popitem(last=False)
                while len(post.hands) < self.setting.policy.in_flight:
                    ticket = self._waiting.take(post.camera)
                    if ticket is None:
                        break
                    self.workers.take(post, ticket)
                self._place(post)

    def _place(self, post: Post) -> None:
        """Remember who has a hand free."""
        for level in self._hungry:
            level.pop(post.number, None)
        if post.ready and len(post.hands) < self.setting.policy.in_flight:
            self._hungry[len(post.hands)][post.number] = post

    def _ready(self, post: Post, life: int) -> None:
        if life == post.life:
            post.ready = True
            self._place(post)
            self._dispatch()

    def _report(self, post: Post, ticket: Ticket) -> None:
        """Take an answer in its turn: the pool has one thread, and Python one lock."""
        cost = self.setting.costs.driver_s[min(2, self._n_python)]
        self._driver_free_at = max(self._driver_free_at, self.clock.now) + cost
        self.tally.driver_s += cost
        self.clock.at(self._driver_free_at, self._answered, post, ticket)

    def _answered(self, post: Post, ticket: Ticket) -> None:
        if ticket in post.hands:
            post.hands.remove(ticket)
        self.tally.n_frames += ticket.n_frames
        self._settle(ticket)
        self._place(post)
        self._dispatch()

    def _settle(self, ticket: Ticket) -> None:
        """Take a shard off its subject's account; with the last one the subject is judged."""
        turn = self._turns[ticket.subject]
        turn.n_open -= 1
        self.tally.n_shards += 1
        self.tally.done[turn.subject] = self.tally.done.get(turn.subject, 0) + 1
        self.tally.answered_s = self.tally.answered_s or self.clock.now
        self.tally.matted_s = self.clock.now
        self._feed(turn)
        if turn.is_out and not turn.n_open:
            del self._turns[turn.subject]
            self._judge()

    def _judge(self) -> None:
        """Judge a complete subject where the policy says, and let the next one begin.

        In the driver subjects that are judged at once share one Python; reading is done by threads of each.
        """
        policy, costs = self.setting.policy, self.setting.costs
        worked, read = self.setting.qc_s(self.work.frames_of_subject, self.work.instants_of_subject)
        if policy.qc == "turn":
            self._n_python += 1
            self._python_free_at = max(self._python_free_at, self.clock.now) + worked * costs.qc_at_once
            done = max(self._python_free_at, self.clock.now + max(worked, read))
            self.clock.at(done, self._judged)
            return
        if policy.qc == "beside":
            joined = self.setting.join_s(self.work.shards_of_subject) if policy.join == "beside" else 0.0
            free_at = heapq.heappop(self._judges)
            heapq.heappush(self._judges, max(free_at, self.clock.now) + max(worked, read) + joined)
        self._over()

    def _judged(self) -> None:
        self._n_python -= 1
        self._over()

    def _over(self) -> None:
        self._n_over += 1
        self._begin()

    def _plan_losses(self, begins: float) -> None:
        losses = self.setting.losses
        for node in range(1 + self.workers.posts[-1].node):
            self._plan_loss(node, begins)
        if losses.waves_per_h:
            self.clock.at(begins + self._rng.exponential(HOUR_S / losses.waves_per_h), self._wave)

    def _plan_loss(self, node: int, after: float) -> None:
        if not math.isinf(self.setting.losses.mtbf_h):
            self.clock.at(after + self._rng.exponential(self.setting.losses.mtbf_h * HOUR_S), self._lose_for_good, node)

    def _lose_for_good(self, node: int) -> None:
        self._lose(node)
        self._plan_loss(node, self.clock.now + self.setting.losses.replace_s)

    def _wave(self) -> None:
        losses, n_nodes = self.setting.losses, 1 + self.workers.posts[-1].node
        for node in self._rng.permutation(n_nodes)[: max(1, round(losses.wave_share * n_nodes))].tolist():
            self._lose(node)
        self.clock.at(self.clock.now + self._rng.exponential(HOUR_S / losses.waves_per_h), self._wave)

    def _lose(self, node: int) -> None:
        """Lose a node; what its workers had in hand goes round again once the driver knows."""
        losses, first = self.setting.losses, node * self.setting.cluster.gpus_per_node
        self.tally.n_losses += 1
        for post in self.workers.posts[first : first + self.setting.cluster.gpus_per_node]:
            lost = self.workers.lose(post)
            self._place(post)
            self.clock.at(self.clock.now + losses.notice_s, self._put_back, lost)
            back = self.clock.now + losses.replace_s + self.setting.costs.set_up_s
            self.clock.at(back, self._ready, post, post.life)

    def _put_back(self, lost: list[Ticket]) -> None:
        for ticket in reversed(lost):
            if ticket.n_lost >= MOST_LOST:
                self.tally.n_given_up += 1
                self._settle(ticket)
            else:
                self._waiting.put_back(ticket)
        self._dispatch()
