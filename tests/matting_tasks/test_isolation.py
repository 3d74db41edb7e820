from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fakes import put_shard

from manifests.records import Shard
from manifests.storage_memory import MemoryFolder
from matting_tasks.isolation import Trial, isolate


class Unlucky:
    """A worker that dies of nothing, but is killed from outside at the trials of these numbers, counted from 0."""

    def __init__(self, killed_at: Collection[int]) -> None:
        self.killed_at = set(killed_at)
        self.trials: list[Trial] = []

    def dies_of(self, trial: Trial) -> bool:
        self.trials.append(trial)
        return len(self.trials) - 1 in self.killed_at


class Killer:
    """A worker that dies of some frames when it decodes them, of others when it mattes them."""

    def __init__(self, decoding: Collection[int] = (), matting: Collection[int] = (), together: int = 1000) -> None:
        self.decoding = set(decoding)
        self.matting = set(matting)
        self.together = together  # dies of so many frames in one shard
        self.trials: list[Trial] = []

    def dies_of(self, trial: Trial) -> bool:
        self.trials.append(trial)
        if trial.frame is not None:
            deadly = self.decoding if trial.decode_only else self.decoding | self.matting
            return trial.frame.frame in deadly
        touched = {frame.frame for frame in trial.shard.frames} - trial.shard.crashed
        return bool(touched & (self.decoding | self.matting)) or len(touched) >= self.together


def shard_of(n_frames: int = 6) -> Shard:
    return put_shard(MemoryFolder(), [b"x"] * n_frames, first_frame=100)


def run(shard: Shard, killer: Killer | Unlucky) -> bool:
    """Send what the killer does until the protocol is over; return what it says at the end."""
    trials = isolate(shard)
    trial = next(trials)
    while True:
        try:
            trial = trials.send(killer.dies_of(trial))
        except StopIteration as end:
            return bool(end.value)


def test_a_shard_that_was_only_in_bad_company_is_matted_at_once() -> None:
    shard, killer = shard_of(), Killer()
    assert run(shard, killer)
    assert killer.trials == [Trial(shard)]


def test_a_frame_that_kills_when_decoded_is_left_out() -> None:
    shard, killer = shard_of(), Killer(decoding={103})
    assert run(shard, killer)
    assert killer.trials[-1] == Trial(replace(shard, crashed=frozenset({103})))
    assert not [trial for trial in killer.trials if trial.frame is not None and not trial.decode_only]


def test_a_frame_that_kills_when_matted_is_left_out() -> None:
    shard, killer = shard_of(), Killer(matting={100})
    assert run(shard, killer)
    assert killer.trials[-1].shard.crashed == {100}


def test_decoding_is_tried_before_any_frame_is_matted() -> None:
    killer = Killer(matting={102})
    run(shard_of(), killer)
    kinds = [trial.decode_only for trial in killer.trials if trial.frame is not None]
    assert kinds == [True] * 6 + [False] * 7  # the one that kills is tried twice


def test_killers_of_both_kinds_are_left_out_together() -> None:
    shard, killer = shard_of(), Killer(decoding={101}, matting={104, 105})
    assert run(shard, killer)
    assert killer.trials[-1] == Trial(replace(shard, crashed=frozenset({101, 104, 105})))


def test_a_frame_that_killed_is_not_touched_again() -> None:
    killer = Killer(decoding={101}, matting={104})
    run(shard_of(), killer)
    tried = [n for n, trial in enumerate(killer.trials) if trial.frame is not None and trial.frame.frame == 101]
    assert len(tried) == 2 and tried[1] == tried[0] + 1


def test_a_frame_is_innocent_of_a_worker_that_was_killed_from_outside() -> None:
    for killed_at in ({0, 3}, {0, 2, 9}, {0, 1, 3, 5}):
        unlucky = Unlucky(killed_at)
        assert not run(shard_of(), unlucky)
        assert all(trial.shard.crashed == frozenset() for trial in unlucky.trials)


def test_a_shard_of_only_killers_is_matted_without_a_frame() -> None:
    killer = Killer(decoding=range(100, 106))
    assert run(shard_of(), killer)
    assert killer.trials[-1].shard.crashed == frozenset(range(100, 106))


def test_a_shard_is_given_up_when_no_single_frame_kills() -> None:
    shard, killer = shard_of(), Killer(together=4)
    assert not run(shard, killer)
    assert all(trial.shard.crashed == frozenset() for trial in killer.trials)


def test_a_shard_is_given_up_when_it_kills_without_its_killers_too() -> None:
    killer = Killer(decoding={101}, together=3)
    assert not run(shard_of(), killer)


def test_what_crashed_before_stays_left_out() -> None:
    shard = replace(shard_of(), crashed=frozenset({100}))
    killer = Killer(matting={105})
    assert run(shard, killer)
    assert killer.trials[-1].shard.crashed == {100, 105}
    assert all(trial.frame is None or trial.frame.frame != 100 for trial in killer.trials)


def test_no_other_frame_is_lost() -> None:
    for decoding, matting in (({100}, set()), (set(), {103}), ({101, 102}, {105}), (set(), {100, 101})):
        killer = Killer(decoding, matting)
        assert run(shard_of(), killer)
        assert killer.trials[-1].shard.crashed == decoding | matting
