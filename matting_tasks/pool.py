"""The pool: shards over Ray actors; bounded in flight, dead actors replaced, frames that kill isolated."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError

from manifests.errors import CleanplateError, WorkersDied
from manifests.records import Shard, ShardFailure
from matting_tasks.actor import MattingActor
from matting_tasks.cluster import first_line, is_infrastructure
from matting_tasks.isolation import Trial, isolate
from matting_tasks.worker import Outcome, WorkerSettings, worth_another_try

log = logging.getLogger(__name__)

IN_FLIGHT = 2
"""Shards in an actor's hands: one computes while the next decodes."""
MAX_DEATHS = 2
"""Deaths after which a shard is tried alone."""
MAX_UNCOUNTED = 10
"""Deaths by node, preemption or memory after which a shard is given up, lest it go round for ever."""
MAX_SET_UP_DEATHS = 3
POLL_S = 0.1
PATIENCE_S = 45


@dataclass(slots=True)
class _Ticket:
    """A shard on its way through the pool."""

    shard: Shard
    answers: SimpleQueue[Outcome]
    tries: int = 0
    deaths: int = 0
    uncounted_deaths: int = 0
    trial: Trial | None = None
    isolation: Generator[Trial, bool, bool] | None = None


@dataclass(slots=True)
class _Slot:
    """A place for an actor, and what is in its hands."""

    actor: Any = None
    ready: bool = False
    camera: tuple[str, str] | None = None
    tickets: list[_Ticket] = field(default_factory=list)

    @property
    def exclusive(self) -> bool:
        return any(ticket.isolation is not None for ticket in self.tickets)


class RayPool:
    """Actors that matte; `matte` may be called from several threads, one pool serves a whole run."""

    def __init__(self, settings: WorkerSettings, n_workers: int, n_cpus: float, n_gpus: float) -> None:
        """Ask Ray for `n_workers` actors, each with so many CPUs and GPUs (fractions allowed); they start unawaited."""
        self.n_workers = n_workers
        self._settings = settings
        self._asks = n_cpus, n_gpus
        self._actor_class = MattingActor.options(  # type: ignore[attr-defined]
            num_cpus=n_cpus, num_gpus=n_gpus
        )
        self._slots = [_Slot() for _ in range(n_workers)]
        self._waiting: deque[_Ticket] = deque()
        self._in_flight: dict[Any, tuple[_Slot, _Ticket | None]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._closing = threading.Lock()
        self._fatal: CleanplateError | None = None
        self._set_up_deaths = 0
        self._thread = threading.Thread(target=self._run, name="pool", daemon=True)
        self._started = time.monotonic()
        self._thread.start()

    def matte(self, shards: Iterable[Shard]) -> Iterator[Outcome]:
        """Yield outcomes as they come; shards are taken only as fast as there are hands.

        Raises WorkersDied, or what the set-up of a worker raised, when no worker can be had.
        """
        answers: SimpleQueue[Outcome] = SimpleQueue()
        window = (IN_FLIGHT + 1) * self.n_workers
        n_open = 0
        for shard in shards:
            with self._changed:
                self._waiting.append(_Ticket(shard, answers))
                self._changed.notify_all()
            n_open += 1
            if n_open >= window:
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
            actors = [slot.actor for slot in self._slots if slot.actor is not None]
            self._slots = []
            stops = [actor.stop.remote() for actor in actors]
            if stops:
                ray.wait(stops, num_returns=len(stops), timeout=timeout_s)
            for actor in actors:
                ray.kill(actor)

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
                self._fill_slots()
                self._complain_once()
                self._dispatch()
                self._collect()
        except Exception as err:  # the pool's boundary: whoever waits for an answer must learn of it
            self._fatal = WorkersDied(f"Ray failed: {err!r}. Run the same command again: finished shards are kept.")

    def _complain_once(self) -> None:
        """Say that no worker could be started yet: a cluster that lacks what they ask for never says so itself."""
        if self._started and time.monotonic() - self._started > PATIENCE_S:
            self._started = 0.0
            if not any(slot.ready for slot in self._slots):
                asked = f"{self._asks[0]:g} CPUs and {self._asks[1]:g} GPUs"
                has = {name: amount for name, amount in ray.cluster_resources().items() if name in ("CPU", "GPU")}
                log.warning(
                    "no worker has started for %d s: each asks for %s, the cluster has %s", PATIENCE_S, asked, has
                )

    def _fill_slots(self) -> None:
        for slot in self._slots:
            if slot.actor is None:
                slot.actor, slot.ready, slot.camera = self._actor_class.remote(self._settings), False, None
                self._in_flight[slot.actor.prepare.remote()] = (slot, None)

    def _dispatch(self) -> None:
        """Give waiting shards to ready actors, those of the plate that an actor holds first."""
        with self._changed:
            for slot in sorted(self._slots, key=lambda slot: len(slot.tickets)):
                while self._waiting and slot.ready and len(slot.tickets) < IN_FLIGHT and not slot.exclusive:
                    ticket = self._choose(slot)
                    if ticket is None:
                        break
                    self._hand_over(slot, ticket)

    def _choose(self, slot: _Slot) -> _Ticket | None:
        """Take the next ticket for a slot: one in isolation only for empty hands, else one of the same camera."""
        if self._waiting[0].isolation is not None:
            return None if slot.tickets else self._waiting.popleft()
        window = list(self._waiting)[: IN_FLIGHT * self.n_workers]
        same = (t for t in window if t.isolation is None and (t.shard.subject, t.shard.camera) == slot.camera)
        chosen = next(same, self._waiting[0])
        self._waiting.remove(chosen)
        return chosen

    def _hand_over(self, slot: _Slot, ticket: _Ticket) -> None:
        trial = ticket.trial
        if trial is not None and trial.frame is not None:
            ref = slot.actor.rehearse.remote(trial.shard, trial.frame, trial.decode_only)
        else:
            ref = slot.actor.matte.remote(ticket.shard if trial is None else trial.shard)
        slot.camera = ticket.shard.subject, ticket.shard.camera
        slot.tickets.append(ticket)
        self._in_flight[ref] = (slot, ticket)

    def _collect(self) -> None:
        if not self._in_flight:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped, timeout=POLL_S)
            return
        done, _ = ray.wait(list(self._in_flight), num_returns=1, timeout=POLL_S)
        for ref in done:
            if ref in self._in_flight:
                slot, ticket = self._in_flight.pop(ref)
                self._settle(slot, ticket, ref)

    def _settle(self, slot: _Slot, ticket: _Ticket | None, ref: Any) -> None:
        """Read one answer; a death takes everything that was in the actor's hands with it."""
        try:
            answer = ray.get(ref)
        except (RayActorError, OutOfMemoryError) as err:
            self._bury(slot, ticket, err)
            return
        except RayError as err:  # a task error: rehearsals raise what the frame raises, and survive it
            answer = err
        if ticket is None:
            self._settle_set_up(slot, answer)
            return
        slot.tickets.remove(ticket)
        if ticket.isolation is not None:
            self._settle_trial(ticket, False, answer)
        else:
            self._settle_shard(ticket, answer)

    def _settle_set_up(self, slot: _Slot, answer: Any) -> None:
        if isinstance(answer, CleanplateError):
            self._fatal = answer
        elif isinstance(answer, RayError):
            self._fatal = WorkersDied(f"A worker could not be set up: {answer}")
        else:
            slot.ready, self._set_up_deaths = True, 0

    def _settle_shard(self, ticket: _Ticket, answer: Any) -> None:
        if isinstance(answer, RayError):
            answer = ShardFailure.of(ticket.shard, "fault", str(answer))
        ticket.tries += 1
        if worth_another_try(answer, ticket.tries):
            log.warning("shard %s: %s; trying it again", ticket.shard.shard_id, answer.message)
            self._queue(ticket)
        else:
            ticket.answers.put(answer)

    def _settle_trial(self, ticket: _Ticket, died: bool, answer: Any) -> None:
        """Tell the isolation how its trial went, and go on with the next one."""
        isolation, trial = ticket.isolation, ticket.trial
        if isolation is None or trial is None:
            return
        try:
            ticket.trial = isolation.send(died)
        except StopIteration as end:
            ticket.isolation = ticket.trial = None
            if end.value and not isinstance(answer, RayError):
                ticket.answers.put(answer)
            else:
                reason = "it ends every worker, and no single frame of it does so alone" if not end.value else answer
                ticket.answers.put(ShardFailure.of(ticket.shard, "fault", f"{reason}"))
            return
        self._queue(ticket)

    def _bury(self, slot: _Slot, ticket: _Ticket | None, err: RayError) -> None:
        """Empty a dead actor's slot; its tickets wait again, with the death on their account where it counts."""
        orphans = slot.tickets
        for ref in [ref for ref, (place, _) in self._in_flight.items() if place is slot]:
            del self._in_flight[ref]
        log.warning("a worker died with %d shards in hand: %s", len(slot.tickets), first_line(err))
        if ticket is None:
            self._set_up_deaths += 1
            if self._set_up_deaths >= MAX_SET_UP_DEATHS:
                self._fatal = WorkersDied(
                    f"{MAX_SET_UP_DEATHS} workers in a row died while they were set up; the last one because: {err}"
                )
        ray.kill(slot.actor)  # one that is only out of reach must not go on
        slot.actor, slot.ready, slot.tickets = None, False, []
        counts = not is_infrastructure(err)
        for orphan in orphans:
            self._count_death(orphan, counts, err)

    def _count_death(self, ticket: _Ticket, counts: bool, err: RayError) -> None:
        if ticket.isolation is not None and counts:
            self._settle_trial(ticket, True, err)
            return
        ticket.deaths += counts
        ticket.uncounted_deaths += not counts
        if ticket.uncounted_deaths >= MAX_UNCOUNTED:
            message = f"{MAX_UNCOUNTED} workers were lost with it in hand, the last one because: {first_line(err)}"
            ticket.answers.put(ShardFailure.of(ticket.shard, "fault", message))
            return
        if ticket.deaths >= MAX_DEATHS and ticket.isolation is None:
            log.warning(
                "shard %s: %d workers died with it; looking for the frame", ticket.shard.shard_id, ticket.deaths
            )
            ticket.isolation = isolate(ticket.shard)
            ticket.trial = next(ticket.isolation)
        self._queue(ticket)

    def _queue(self, ticket: _Ticket) -> None:
        with self._changed:
            self._waiting.appendleft(ticket)
