"""Relax: each resource in turn, to see which of them a run waits for most."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from benchmarks.simulated.costs import Losses, Setting
from benchmarks.simulated.run import Run
from benchmarks.simulated.work import Work

LEAST_GAIN = 0.02
"""Of a run's seconds; what gains less than that from twice as much is no bottleneck."""


def _costs(setting: Setting, **changes: object) -> Setting:
    return replace(setting, costs=replace(setting.costs, **changes))  # type: ignore[arg-type]


def _store(setting: Setting, **changes: float) -> Setting:
    return replace(setting, store=replace(setting.store, **changes))  # type: ignore[arg-type]


def _policy(setting: Setting, **changes: object) -> Setting:
    return replace(setting, policy=replace(setting.policy, **changes))  # type: ignore[arg-type]


def _qc(setting: Setting) -> Setting:
    costs = setting.costs
    faster = _costs(setting, qc_frame_s=costs.qc_frame_s / 2, qc_instant_s=costs.qc_instant_s / 2)
    policy = setting.policy
    return _policy(faster, n_judges=2 * policy.n_judges, lowres_threads=2 * policy.lowres_threads)


def _driver(setting: Setting) -> Setting:
    alone, one, two = setting.costs.driver_s
    return _costs(setting, driver_s=(alone / 2, one / 2, two / 2))


def _cores(setting: Setting) -> Setting:
    cluster = setting.cluster
    more = replace(cluster, cores_per_gpu=2 * cluster.cores_per_gpu, threads_per_gpu=2 * cluster.threads_per_gpu)
    return replace(setting, cluster=more)


RELAXED: dict[str, Callable[[Setting], Setting]] = {
    "devices": lambda s: _costs(s, rate=2 * s.costs.rate),
    "cores and I/O threads": _cores,
    "quality control": _qc,
    "subjects at once": lambda s: _policy(s, subjects_at_once=2 * s.policy.subjects_at_once),
    "the check of plates": lambda s: _costs(s, check_s=s.costs.check_s / 2),
    "the driver": _driver,
    "writes to the store": lambda s: _store(s, puts_per_s=2 * s.store.puts_per_s),
    "reads from the store": lambda s: _store(s, gets_per_s=2 * s.store.gets_per_s),
    "bytes of the store": lambda s: _store(s, bytes_per_s=2 * s.store.bytes_per_s),
    "joining receipts": lambda s: _policy(s, join="beside") if s.policy.qc == "beside" else _costs(s, join_s=0.0),
    "node losses": lambda s: replace(s, losses=Losses()),
}
"""Twice as much of each resource; of losses none."""


def gains(work: Work, setting: Setting) -> dict[str, float]:
    """Return by which share of its seconds a run is shorter when each resource is relaxed, the largest first."""
    base = Run(work, setting).play().finished_s
    found = {}
    for name, relax in RELAXED.items():
        relaxed = relax(setting)
        if relaxed != setting:
            found[name] = 1 - Run(work, relaxed).play().finished_s / base
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def bottleneck(found: dict[str, float]) -> str:
    """Name what a run waits for most, and how much shorter it is with twice as much of it."""
    name, gain = next(iter(found.items()))
    return "nothing" if gain < LEAST_GAIN or math.isnan(gain) else f"{name} ({gain:.0%})"
