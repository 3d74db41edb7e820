"""Simulate a run over 65 million frames on 8, 64 and 512 GPUs in virtual time, and say what breaks first.

Run: python tests/benchmarks/simulate.py [--gpus 8,64,512] [--rate 20] [--variant raw] [--losses] [--policy now]

The policy is the product's: subjects in turn, one driver, two shards in a worker's hands, the plate of its camera
first, shards of lost workers again. Costs were measured (docs/scale.md); the rate of a GPU was not, and is a parameter.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.machine import Report, Table, finish
from benchmarks.simulated.clock import Tally
from benchmarks.simulated.costs import Cluster, Costs, Losses, Policy, Setting, Store
from benchmarks.simulated.relax import bottleneck, gains
from benchmarks.simulated.run import HOUR_S, Run
from benchmarks.simulated.work import V2_SUBJECTS, Work, nersemble

from flows.matte import WORKERS_A_SUBJECT
from flows.prefect_tasks import SUBJECTS_AT_ONCE

POLICIES = ("now", "no-qc", "serial")
"""How the product works on a cluster; without its QC; and as it did at first, with QC and receipts in the driver."""
SPOT = Losses(mtbf_h=20.0, waves_per_h=1 / 2, wave_share=0.25)
"""A node lives 20 hours, and every 2 hours a wave takes a quarter of all nodes."""
READ_S = {"raw": 0.047, "gha": 0.098}
"""Of a frame, by the one thread that reads a video: decoding, geometry and the small copy (docs/scale.md)."""
SAMPLED = 48
"""Subjects of the runs that look for the bottleneck."""
COLUMNS = (
    *("GPUs", "policy", "masks", "losses", "h to the last shard", "h in all", "GPUs busy", "frames/s"),
    *("lost", "driver busy", "puts/s", "gets/s", "waits for"),
)


def policy_of(name: str, cluster: Cluster) -> Policy:
    """Return how the product works on so many GPUs: the cores that no worker takes judge, and join receipts."""
    if name == "serial":
        return Policy()
    turns = min(SUBJECTS_AT_ONCE, 2 + cluster.n_gpus // WORKERS_A_SUBJECT)
    n_judges = cluster.n_gpus * (cluster.cores_per_gpu - 1)
    return Policy(subjects_at_once=turns, qc="off" if name == "no-qc" else "beside", join="beside", n_judges=n_judges)


def settings_of(args: argparse.Namespace) -> Iterator[tuple[list[str], Setting]]:
    """Yield what is to be simulated, with the words of its row."""
    costs = Costs(args.rate, args.cpu, READ_S[args.variant])
    store = Store(bytes_per_s=args.store_gbit * 1e9 / 8, partitions=args.partitions)
    for n_gpus in map(int, args.gpus.split(",")):
        cluster = Cluster(n_gpus, cores_per_gpu=args.cores, threads_per_gpu=min(8, max(2, args.cores)))
        for policy in args.policy.split(","):
            for masks in args.masks.split(","):
                for losses in (Losses(), SPOT) if args.losses else (Losses(),):
                    chosen = replace(policy_of(policy, cluster), pack=masks == "packs")
                    words = [f"{n_gpus}", policy, masks, "spot" if losses is SPOT else "none"]
                    yield words, Setting(cluster, costs, store, losses, chosen, args.seed)


def row_of(work: Work, setting: Setting) -> tuple[Tally, list[Any]]:
    """Play one run; return what happened and the numbers of its row."""
    run = Run(work, setting)
    tally = run.play()
    n_gpus = setting.cluster.n_gpus
    on_s = n_gpus * tally.matted_s
    numbers = [
        *(tally.matted_s / HOUR_S, tally.finished_s / HOUR_S, f"{tally.useful_s / on_s:.1%}"),
        *(
            round(tally.n_frames / tally.matted_s),
            f"{tally.lost_s / on_s:.2%}",
            f"{tally.driver_s / tally.matted_s:.1%}",
        ),
        *(round(run.workers.puts.peak_per_s()), round(run.workers.gets.peak_per_s())),
    ]
    return tally, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=("raw", "gha"), default="raw", help="all frames, or every third at 2048²")
    parser.add_argument("--gpus", default="8,64,512")
    parser.add_argument("--rate", type=float, default=20.0, help="frames/s of one GPU by itself")
    parser.add_argument("--cpu", type=float, default=0.06, help="seconds of one core a frame")
    parser.add_argument("--cores", type=int, default=8, help="of a GPU")
    parser.add_argument("--masks", default="files,packs")
    parser.add_argument("--policy", default="now", help=f"some of {','.join(POLICIES)}")
    parser.add_argument("--losses", action="store_true", help="also with nodes that are lost")
    parser.add_argument("--partitions", type=int, default=0, help="of the store's keys; 0: one a subject")
    parser.add_argument("--store-gbit", type=float, default=400.0)
    parser.add_argument("--subjects", type=int, default=V2_SUBJECTS)
    parser.add_argument("--no-relax", action="store_true", help="do not look for the bottleneck")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    work = nersemble(args.variant, args.subjects)
    rows, results = [], []
    for words, setting in settings_of(args):
        started = time.perf_counter()
        tally, numbers = row_of(work, setting)
        took = time.perf_counter() - started
        sample = replace(work, n_subjects=min(SAMPLED, work.n_subjects))
        found = {} if args.no_relax else gains(sample, setting)
        rows.append([*words, *numbers, bottleneck(found) if found else None])
        results.append({"row": words, "tally": asdict(tally) | {"done": None}, "gains": found, "seconds": took})
        print(f"{' '.join(words)}: {took:.1f} s", file=sys.stderr, flush=True)
    load = work.load()
    note = (
        f"{load.n_frames:,} frames, {load.n_shards:,} shards, {args.rate:g} frames/s a GPU, {args.cores} cores a GPU."
    )
    finish(Report("simulate", vars(args), {"runs": results}, [Table("Simulated runs", COLUMNS, rows, note)]), args.json)


if __name__ == "__main__":
    main()
