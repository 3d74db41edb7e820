from __future__ import annotations

import math
from dataclasses import replace

import pytest
from benchmarks.simulate import policy_of
from benchmarks.simulated.costs import Cluster, Costs, Losses, Policy, Setting, Store
from benchmarks.simulated.relax import bottleneck, gains
from benchmarks.simulated.run import HOUR_S, MOST_LOST, Run
from benchmarks.simulated.work import MOST_INSTANTS, Work, nersemble
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.prefect_tasks import SUBJECTS_AT_ONCE
from manifests.estimate import Rates, estimate
from matting_tasks import judging
from matting_tasks.lowres import N_THREADS
from matting_tasks.plates import N_PLATES
from matting_tasks.pool import IN_FLIGHT
from matting_tasks.tickets import MAX_UNCOUNTED

FREE = Costs(
    rate=20.0,
    cpu_s=0.0,
    jitter=0.0,
    **dict.fromkeys(("lead_s", "plate_s", "tail_s", "set_up_s", "look_s", "plan_s", "check_s", "join_s"), 0.0),
    driver_s=(0.0, 0.0, 0.0),
    qc_frame_s=0.0,
    qc_instant_s=0.0,
)
"""Nothing costs anything but the devices."""
BOUNDLESS = Store(math.inf, math.inf, math.inf, put_s=0.0, get_s=0.0)
EVEN = Work(n_subjects=4, n_cameras=16, n_sequences=5, n_frames=640)
SMALL = Work(n_subjects=5, n_cameras=4, n_sequences=3, n_frames=150)


def rates(setting: Setting) -> Rates:
    n_gpus, store = setting.cluster.n_gpus, setting.store
    return Rates(
        *(n_gpus, setting.costs.rate, n_gpus * setting.cluster.cores_per_gpu, setting.costs.cpu_s, store.bytes_per_s),
        puts_per_s=store.puts_per_s,
        gets_per_s=store.gets_per_s,
        shards_per_s=math.inf,
        n_judges=0,
        pack=setting.policy.pack,
    )


@pytest.mark.parametrize("n_gpus", [8, 64])
def test_without_contention_it_takes_what_the_estimate_says(n_gpus: int) -> None:
    setting = Setting(Cluster(n_gpus), FREE, BOUNDLESS)
    found, told = Run(EVEN, setting).play(), estimate(EVEN.load(), rates(setting))
    assert told.bottleneck == "devices"
    assert found.finished_s / HOUR_S == pytest.approx(told.wall_hours, rel=0.02)


@pytest.mark.parametrize("pack", [False, True])
def test_where_the_store_is_slowest_it_takes_what_the_estimate_says(pack: bool) -> None:
    store = replace(BOUNDLESS, puts_per_s=5.0 if pack else 200.0, partitions=1)
    setting = Setting(Cluster(64), replace(FREE, rate=200.0), store, policy=Policy(pack=pack))
    told = estimate(EVEN.load(), rates(setting))
    assert told.bottleneck == "writes to the store"
    assert Run(EVEN, setting).play().finished_s / HOUR_S == pytest.approx(told.wall_hours, rel=0.02)


def test_the_slower_of_device_and_cores_decides() -> None:
    setting = Setting(Cluster(8, cores_per_gpu=2, threads_per_gpu=2), replace(FREE, cpu_s=0.2), BOUNDLESS)
    told = estimate(EVEN.load(), rates(setting))
    assert told.bottleneck == "cores"
    assert Run(EVEN, setting).play().finished_s / HOUR_S == pytest.approx(told.wall_hours, rel=0.02)


@given(
    seed=st.integers(0, 10**6),
    mtbf_h=st.sampled_from([0.02, 0.2, math.inf]),
    waves_per_h=st.sampled_from([0.0, 5.0, 40.0]),
    pack=st.booleans(),
    qc=st.sampled_from(["turn", "beside", "off"]),
)
@settings(max_examples=40, deadline=None)
def test_every_shard_is_done_exactly_once_whatever_is_lost(
    seed: int, mtbf_h: float, waves_per_h: float, pack: bool, qc: str
) -> None:
    losses = Losses(mtbf_h, waves_per_h, wave_share=0.5, notice_s=5.0, replace_s=20.0)
    setting = Setting(
        Cluster(24), Costs(20.0, 0.05, set_up_s=5.0), losses=losses, policy=Policy(qc=qc, pack=pack), seed=seed
    )
    found = Run(SMALL, setting).play()
    assert found.n_given_up == 0
    assert found.done == dict.fromkeys(range(SMALL.n_subjects), SMALL.shards_of_subject)
    assert found.n_frames == SMALL.n_subjects * SMALL.frames_of_subject
    assert found.useful_s == pytest.approx(found.n_frames / 20.0)


def test_lost_nodes_cost_time_and_what_was_in_hand() -> None:
    setting = Setting(Cluster(16), Costs(20.0, 0.05), policy=Policy(qc="off"))
    calm = Run(EVEN, setting).play()
    found = Run(EVEN, replace(setting, losses=Losses(mtbf_h=0.2))).play()
    assert found.n_losses > 0 and found.lost_s > 0 and found.matted_s > calm.matted_s
    assert found.n_lost <= 2 * 8 * found.n_losses  # two shards a worker, eight workers a node


def test_a_shard_that_no_worker_survives_is_given_up_and_the_run_ends() -> None:
    losses = Losses(mtbf_h=2 / 3600, notice_s=1.0, replace_s=0.0)  # nodes live for two seconds, shards take three
    found = Run(
        replace(SMALL, n_subjects=1), Setting(Cluster(8), replace(FREE, set_up_s=0.1), BOUNDLESS, losses)
    ).play()
    assert found.n_given_up > 0 and found.n_shards == SMALL.shards_of_subject


def test_equal_seeds_give_equal_runs_and_others_do_not() -> None:
    setting = Setting(Cluster(8), Costs(20.0, 0.05), losses=Losses(mtbf_h=0.5))
    first, again, other = (Run(SMALL, replace(setting, seed=seed)).play() for seed in (1, 1, 2))
    assert first == again and first != other


def test_quality_control_in_the_driver_starves_many_gpus() -> None:
    setting = Setting(Cluster(64), Costs(20.0, 0.05))
    work = replace(EVEN, n_subjects=6)
    found = gains(work, setting)
    assert bottleneck(found).startswith("quality control")
    beside = replace(setting, policy=Policy(qc="beside", join="beside", n_judges=64, subjects_at_once=4))
    assert Run(work, beside).play().matted_s < Run(work, setting).play().matted_s / 3


def test_packs_ask_for_fewer_requests_and_files_wait_for_the_store() -> None:
    policy = Policy(qc="off")
    setting = Setting(Cluster(256), Costs(40.0, 0.05), policy=policy, store=Store(put_s=0.0))
    files, packs = Run(EVEN, setting), Run(EVEN, replace(setting, policy=replace(policy, pack=True)))
    assert packs.play().matted_s < files.play().matted_s
    n_frames, n_shards = EVEN.load().n_frames, EVEN.load().n_shards
    assert files.workers.puts.total == 2 * n_frames + n_shards
    assert packs.workers.puts.total == 2 * n_shards or packs.workers.puts.total == 5 * n_shards
    assert next(iter(gains(EVEN, setting))) == "writes to the store"


def test_the_simulated_policy_is_the_product_s() -> None:
    """Where this fails the product has changed: follow it here, and measure docs/scale.md again."""
    policy = policy_of("now", Cluster(512))
    assert (policy.in_flight, policy.subjects_at_once) == (IN_FLIGHT, SUBJECTS_AT_ONCE)
    assert policy_of("now", Cluster(8)).subjects_at_once == 2
    assert (policy.n_plates, policy.lowres_threads) == (N_PLATES, N_THREADS)
    assert (MOST_LOST, MOST_INSTANTS) == (MAX_UNCOUNTED, judging.MOST_INSTANTS)


def test_the_dataset_has_65_million_frames() -> None:
    raw, gha = nersemble("raw").load(), nersemble("gha").load()
    assert raw.n_frames == pytest.approx(65e6, rel=0.01) and gha.n_frames == pytest.approx(65e6 / 3, rel=0.01)
    assert nersemble("raw").n_subjects * 16 * 22 * 8_700_000 == pytest.approx(1.3e12, rel=0.01)
