"""The pool: shards over Ray actors; bounded in flight, dead actors replaced, frames that kill isolated."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, ActorUnschedulableError, OutOfMemoryError, RayActorError, RayError

from manifests.errors import CleanplateError, WorkersDied
from manifests.log_lines import fields_of
from manifests.records import Shard, ShardFailure
from manifests.traffic import Traffic, joined
from matting_tasks.actor import note_death
from matting_tasks.cluster import first_line, has_ended, is_infrastructure
from matting_tasks.nodes import Nodes
from matting_tasks.staff import Staff
from matting_tasks.tickets import MAX_UNCOUNTED, Death, Post, Ticket
from matting_tasks.worker import Outcome, WorkerSettings, worth_another_try

log = logging.getLogger(__name__)

IN_FLIGHT = 2
"""Shards in an actor's hands: one computes while the next decodes."""
MAX_SET_UP_DEATHS = 3
POLL_S = 0.1
PATIENCE_S = 45


class RayPool:
    """Actors that matte; `matte` may be called from several threads, one pool serves a whole run."""

    def __init__(
        self, settings: WorkerSettings, n_workers: int | None, n_cpus: float, n_gpus: float, nodes: Nodes | None = None
    ) -> None:
        """Ask Ray for `n_workers` actors, each with so many CPUs and GPUs (fractions allowed); they start unawaited.

        With `nodes` there are as many as these have room for, `n_workers` at most, also when nodes come and go.
        """
        self._staff = Staff(settings, n_workers, (n_cpus, n_gpus), nodes)
        self._waiting: deque[Ticket] = deque()
        self._in_flight: dict[Any, tuple[Post, Ticket | None]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._traffic: Mapping[str, Traffic] = {}
        self._closing = threading.Lock()
        self._fatal: CleanplateError | None = None
        self._set_up_deaths = self._set_up_losses = 0
        self._thread = threading.Thread(target=self._run, name="pool", daemon=True)
        self._lonely_since: float | None = time.monotonic()
        self._thread.start()

    @property
    def n_workers(self) -> int:
        """Count the posts of workers, at least one: there may be none for a while."""
        return max(1, len(self._staff.posts))

    @property
    def held_s(self) -> float:
        """Return the seconds that workers were there for, added up over all of them."""
        return self._staff.held_s

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[Outcome]:
        """Yield outcomes as they come; groups of shards are taken only as fast as there are hands.

        Raises WorkersDied, or what the set-up of a worker raised, when no worker can be had.
        """
        answers: SimpleQueue[Outcome] = SimpleQueue()
        n_open, largest = 0, 1
        for shards in groups:
            with self._changed:
                self._waiting.append(Ticket(shards, answers))
                self._changed.notify_all()
            n_open, largest = n_open + len(shards), max(largest, len(shards))
            while n_open >= (IN_FLIGHT + 1) * self.n_workers * largest:
                yield self._answer(answers)
                n_open -= 1
        for _ in range(n_open):
            yield self._answer(answers)

    def close(self, timeout_s: float = 8.0) -> None:
        """Have all actors drop what is in their hands, then end them; a second call waits for the first."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        with self._closing:
            self._thread.join(timeout_s)
            posts = self._staff.dismiss()
            stops = [post.actor.stop.remote() for post in posts if post.ready]
            if stops:
                done = _ended_in_time(stops, timeout_s)
                self._traffic = joined(_answered(done))
            for post in posts:
                ray.kill(post.actor)
            self._staff.close()

    def traffic(self) -> Mapping[str, Traffic]:
        """Return what the workers asked of the stores, by URL, once the pool is closed; the dead are not in it."""
        return self._traffic

    def _answer(self, answers: SimpleQueue[Outcome]) -> Outcome:
        while True:
            try:
                return answers.get(timeout=POLL_S)
            except Empty:
                if self._fatal is not None:
                    raise self._fatal from None
                if self._stopped:
                    raise InterruptedError("the pool was closed") from None
                if not self._thread.is_alive():
                    raise WorkersDied("Ray was shut down under the run. Run the same command again.") from None

    def _run(self) -> None:
        """Dispatch until the pool is closed or cannot go on."""
        try:
            while not self._stopped and self._fatal is None:
                self._staff.follow()
                for post, set_up in self._staff.fill():
                    self._in_flight[set_up] = (post, None)
                self._complain()
                self._dispatch()
                self._collect()
        except Exception as err:  # the pool's boundary: whoever waits for an answer must learn of it
            self._fatal = WorkersDied(f"Ray failed: {err!r}. Run the same command again: finished shards are kept.")

    def _complain(self) -> None:
        """Say once that there is no worker for long: a cluster that lacks what they ask for never says so itself."""
        if any(post.ready for post in self._staff.posts):
            self._lonely_since = time.monotonic()
        elif self._lonely_since is not None and time.monotonic() - self._lonely_since > PATIENCE_S:
            self._lonely_since = None
            asked = "{:g} CPUs and {:g} GPUs".format(*self._staff.asks)
            has = {name: amount for name, amount in ray.cluster_resources().items() if name in ("CPU", "GPU")}
            log.warning("no worker for %d s: each asks for %s, the cluster has %s", PATIENCE_S, asked, has)

    def _dispatch(self) -> None:
        """Give waiting shards to ready actors, those of the plate that an actor holds first."""
        with self._changed:
            for post in sorted(self._staff.posts, key=lambda post: len(post.tickets)):
                while self._waiting and post.is_free and len(post.tickets) < IN_FLIGHT:
                    ticket = self._choose(post)
                    if ticket is None:
                        break
                    self._hand_over(post, ticket)

    def _choose(self, post: Post) -> Ticket | None:
        """Take the next ticket for a post: one in isolation only for empty hands, else one of the same camera."""
        if self._waiting[0].isolation is not None:
            return None if post.tickets else self._waiting.popleft()
        window = list(self._waiting)[: IN_FLIGHT * self.n_workers]
        same = (t for t in window if t.isolation is None and t.camera == post.camera)
        chosen = next(same, self._waiting[0])
        self._waiting.remove(chosen)
        return chosen

    def _hand_over(self, post: Post, ticket: Ticket) -> None:
        trial = ticket.trial
        if trial is not None and trial.frame is not None:
            ref = post.actor.rehearse.remote(trial.shard, trial.frame, trial.decode_only)
        else:
            ref = post.actor.matte.remote(ticket.shards if trial is None else [trial.shard])
        post.camera = ticket.camera
        post.tickets.append(ticket)
        self._in_flight[ref] = (post, ticket)

    def _collect(self) -> None:
        if not self._in_flight:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped, timeout=POLL_S)
            return
        done, _ = ray.wait(list(self._in_flight), num_returns=1, timeout=POLL_S)
        for ref in done:
            if ref in self._in_flight:
                post, ticket = self._in_flight.pop(ref)
                self._settle(post, ticket, ref)

    def _settle(self, post: Post, ticket: Ticket | None, ref: Any) -> None:
        """Read one answer; a death takes everything that was in the actor's hands with it."""
        try:
            answer = ray.get(ref)
        except ActorUnavailableError:
            self._ask_after(post)
            return
        except (RayActorError, OutOfMemoryError, ActorUnschedulableError) as err:
            self._bury(post, Death(first_line(err), not is_infrastructure(err)))
            return
        except RayError as err:  # a task error: rehearsals raise what the frame raises, and survive it
            answer = err
        if post.in_doubt:
            self._bury(post, Death("it was out of reach", counts=False))
            return
        if ticket is None:
            self._settle_set_up(post, answer)
            return
        if _was_preempted(answer) and not self._stopped:
            self._bury(post, Death("it was told to end (SIGTERM)", counts=False))
            return
        post.tickets.remove(ticket)
        if ticket.isolation is not None:
            self._go_on(ticket, ticket.settle_trial(False, answer))
        else:
            self._settle_shards(ticket, answer)

    def _settle_set_up(self, post: Post, answer: Any) -> None:
        if isinstance(answer, CleanplateError) and self._staff.refuse(post, answer):
            self._bury(post, Death(f"its node cannot work: {answer}", counts=False))
        elif isinstance(answer, CleanplateError):
            self._fatal = answer
        elif isinstance(answer, RayError):
            self._fatal = WorkersDied(f"A worker could not be set up: {answer}")
        else:
            post.ready, self._set_up_deaths, self._set_up_losses = True, 0, 0

    def _settle_shards(self, ticket: Ticket, answer: Any) -> None:
        if isinstance(answer, RayError):
            answer = [ShardFailure.of(shard, "fault", str(answer)) for shard in ticket.shards]
        ticket.tries += 1
        for alone, outcome in zip(ticket.alone(), answer, strict=True):
            if worth_another_try(outcome, ticket.tries):
                extra = fields_of(outcome)
                log.warning("shard %s: %s; trying it again", alone.names, outcome.message, extra=extra)
                self._queue(alone)
            else:
                ticket.answers.put(outcome)

    def _ask_after(self, post: Post) -> None:
        """Ask an actor whose line was cut to stop: why it died, or its whole node, is known when that is answered."""
        self._forget_calls(post)
        post.in_doubt = True
        self._in_flight[post.actor.stop.remote()] = (post, None)

    def _forget_calls(self, post: Post) -> None:
        for ref in [ref for ref, (place, _) in self._in_flight.items() if place is post]:
            del self._in_flight[ref]

    def _bury(self, post: Post, death: Death) -> None:
        """Empty a dead actor's post; its tickets wait again, with the death on their account where it counts."""
        orphans = post.tickets
        self._forget_calls(post)
        log.warning("a worker died with %d shards in hand: %s", len(post.tickets), death.reason)
        note_death("shard" if death.counts else "cluster")
        if not post.ready:
            self._count_set_up_death(death)
        if not death.counts:
            self._staff.lost(post)
        ray.kill(post.actor)  # one that is only out of reach must not go on
        post.actor, post.ready, post.in_doubt, post.tickets = None, False, False, []
        for orphan in orphans:
            for alone in orphan.alone() if orphan.isolation is None else [orphan]:
                self._go_on(alone, alone.count_death(death))

    def _count_set_up_death(self, death: Death) -> None:
        """Give up after some deaths in a row; after more where they are the cluster's, which may lose many at once."""
        self._set_up_deaths += death.counts
        self._set_up_losses += not death.counts
        if self._set_up_deaths >= MAX_SET_UP_DEATHS or self._set_up_losses >= MAX_UNCOUNTED * self.n_workers:
            n_deaths = self._set_up_deaths + self._set_up_losses
            self._fatal = WorkersDied(
                f"{n_deaths} workers in a row died while they were set up; the last one because: {death.reason}"
            )

    def _go_on(self, ticket: Ticket, is_open: bool) -> None:
        if is_open:
            self._queue(ticket)

    def _queue(self, ticket: Ticket) -> None:
        with self._changed:
            self._waiting.appendleft(ticket)


def _was_preempted(answer: Any) -> bool:
    """Tell whether a worker dropped its shards unasked: it was told to end, and so will be gone."""
    outcomes = answer if isinstance(answer, list) else []
    return any(isinstance(outcome, ShardFailure) and outcome.kind == "stopped" for outcome in outcomes)


def _ended_in_time(stops: list[Any], timeout_s: float) -> list[Any]:
    """Return the answers that come in time; none will where Ray was told to end together with this process."""
    deadline = time.monotonic() + timeout_s
    done: list[Any] = []
    while time.monotonic() < deadline and len(done) < len(stops) and not has_ended():
        done, _ = ray.wait(stops, num_returns=len(stops), timeout=min(0.5, timeout_s))
    return done


def _answered(refs: Iterable[Any]) -> Iterator[Any]:
    """Yield the answers of those that live."""
    for ref in refs:
        with contextlib.suppress(RayError):
            yield ray.get(ref)
