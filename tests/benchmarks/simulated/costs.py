"""Costs: what a shard, a subject and a worker take, the machines, the store, and the product's policy; all may vary."""

from __future__ import annotations

import math
from dataclasses import dataclass

from manifests.ledger import READS_AT_ONCE as RECEIPTS_AT_ONCE


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that were measured; docs/scale.md says by which command and on which machine.

    `rate`: frames/s of one GPU by itself. `cpu_s` of one core for a frame: decoding, encoding, measures; `read_s` of it
    in the one thread that decodes a shard's video. `jitter`: the standard deviation of the logarithm of a shard's
    seconds. `lead_s` until the first batch of a shard is decoded, `plate_s` more for a plate that a worker does not
    hold, `tail_s` from its last frame to its answer. `set_up_s` of a worker. `driver_s`: what the pool's thread spends
    on a shard, alone, beside one and beside two Python threads of the driver. `look_s`: planning a subject before the
    first shard goes out; `plan_s` and `check_s`: planning it again and checking its plates in its turn; `qc_frame_s`
    and `qc_instant_s`: QC of a frame and of an instant's hull; `qc_at_once`: how long two subjects take at once over in
    turn; `join_s`: joining a receipt when all is done.
    """

    rate: float
    cpu_s: float
    read_s: float = 0.0
    jitter: float = 0.1
    lead_s: float = 0.3
    plate_s: float = 0.1
    tail_s: float = 0.1
    set_up_s: float = 25.0
    driver_s: tuple[float, float, float] = (0.0011, 0.0037, 0.0095)
    look_s: float = 0.12
    plan_s: float = 0.17
    check_s: float = 8.0
    qc_frame_s: float = 0.0031
    qc_instant_s: float = 0.069
    qc_at_once: float = 0.95
    join_s: float = 0.0038


@dataclass(frozen=True, slots=True)
class Store:
    """What the object store gives: requests/s of one partition of its keys, bytes/s in all, seconds of one request.

    `partitions`: 0 for one a subject, which is what a store comes to that splits busy ranges of keys; else how many
    there are in all.
    """

    puts_per_s: float = 3500.0
    gets_per_s: float = 5500.0
    bytes_per_s: float = math.inf
    put_s: float = 0.03
    get_s: float = 0.02
    partitions: int = 0


@dataclass(frozen=True, slots=True)
class Losses:
    """How nodes are lost: a node's mean hours to its end, and waves that take a share of all nodes at once.

    `notice_s` until the driver knows, `replace_s` until a new node is there; its workers then set up.
    """

    mtbf_h: float = math.inf
    waves_per_h: float = 0.0
    wave_share: float = 0.25
    notice_s: float = 20.0
    replace_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """GPUs, those of a node, and the cores and I/O threads of a worker."""

    n_gpus: int
    gpus_per_node: int = 8
    cores_per_gpu: int = 8
    threads_per_gpu: int = 8


@dataclass(frozen=True, slots=True)
class Policy:
    """How the product works: shards in a worker's hands, subjects at once, where QC is made, packs or files.

    `qc`: `turn` in the driver, a subject keeps its turn while it is judged; `beside` by `n_judges` processes while the
    next one has its turn; `off`. `join`: receipts are joined at the `end`, in the driver, or by the judges, `beside`.
    `hull_instants`: most instants of a subject whose hull is made; lowres masks are read by `lowres_threads`.
    """

    in_flight: int = 2
    subjects_at_once: int = 2
    qc: str = "turn"
    join: str = "end"
    n_judges: int = 8
    hull_instants: float = math.inf
    lowres_threads: int = 4
    pack: bool = False
    n_plates: int = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a simulated run is made of, but for the work."""

    cluster: Cluster
    costs: Costs
    store: Store = Store()
    losses: Losses = Losses()
    policy: Policy = Policy()
    seed: int = 0

    @property
    def frame_s(self) -> float:
        """Return the seconds between two frames of a worker: what of device, cores and requests is slowest."""
        cluster, store = self.cluster, self.store
        requests_s = 0.0 if self.policy.pack else 2 * store.put_s
        return max(
            1 / self.costs.rate,
            self.costs.cpu_s / cluster.cores_per_gpu,
            self.costs.read_s / self.policy.in_flight,
            (self.costs.cpu_s + requests_s) / (cluster.threads_per_gpu * self.policy.in_flight),
        )

    def qc_s(self, n_frames: int, n_instants: int) -> tuple[float, float]:
        """Return how long judging a subject computes, and how long a few threads read its lowres masks meanwhile."""
        n_hulls = min(n_instants, self.policy.hull_instants)
        n_read = n_frames * (1 + n_hulls / n_instants)
        worked = n_frames * self.costs.qc_frame_s + n_hulls * self.costs.qc_instant_s
        return worked, n_read * self.store.get_s / self.policy.lowres_threads

    def join_s(self, n_shards: int) -> float:
        """Return how long joining so many receipts takes; some are read ahead."""
        return n_shards * max(self.costs.join_s, self.store.get_s / RECEIPTS_AT_ONCE)
