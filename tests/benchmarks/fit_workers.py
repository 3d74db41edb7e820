"""Fit on small data with one worker, with one of another seed, and with several of Ray Train, and compare the losses.

Run: python tests/benchmarks/fit_workers.py [--model mattingbase-mobilenetv2] [--steps 60] [--size 96:128]
     [--examples 4] [--workers 2] [--seeds 0,1] [--out FOLDER] [--json FILE]

With the same seed, several workers learn from the same examples as one does; what differs is the noise of the sensor
and, of BatchNorm, whose statistics are those of a share of the batch. Another seed says how large noise between
trainings is: other people, other weights in the beginning. A fit that is begun anew in the same folder goes on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from machine import Report, Table, finish

from matting_tasks.fit.curve import CURVE, LOSS, read_curve
from matting_tasks.fit.fit import Tell, fit
from matting_tasks.fit.plan import SCRATCH, FitPlan
from matting_tasks.fit.ray_team import fit_with_ray

TENS = 10
TOTAL = f"{LOSS}total"


def losses(out: Path) -> list[float]:
    """Return the loss of each step of a fit."""
    return [row.numbers[TOTAL] for row in read_curve(out / CURVE) if TOTAL in row.numbers]


def run(plan: FitPlan, out: Path) -> list[float]:
    """Fit, and return the loss of each step."""
    if plan.n_workers == 1:
        fit(plan, out, "cpu", None, Tell())
    else:
        fit_with_ray(plan, out, "cpu", None, Tell(), None)
    return losses(out)


def rows(curves: Sequence[Sequence[float]]) -> list[tuple[str, ...]]:
    """Return the means of each curve over tens of steps, and how many percent each is off the first."""
    found = []
    for first in range(0, len(curves[0]), TENS):
        means = [statistics.fmean(curve[first : first + TENS]) for curve in curves]
        off = [f"{mean / means[0] - 1:+.1%}" for mean in means[1:]]
        found.append((f"{first + 1}..{first + TENS}", *(f"{mean:.4f}" for mean in means), *off))
    return found


def main() -> None:
    """Fit with one and with several workers, and print what each learned."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mattingbase-mobilenetv2")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--size", default="96:128")
    parser.add_argument("--examples", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    least, most = map(int, args.size.split(":"))
    sizes = {"size_px": (least, most), "n_examples": args.examples, "n_held_out": 4, "validate_every": 0}
    plan = FitPlan(args.model, start=SCRATCH, steps=args.steps, n_processes=0, **sizes)  # type: ignore[arg-type]
    first, *others = map(int, args.seeds.split(","))
    plans = {f"1 worker, seed {seed}": replace(plan, seed=seed) for seed in (first, *others)}
    plans[f"{args.workers} workers, seed {first}"] = replace(plan, seed=first, n_workers=args.workers)
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, one in plans.items():
            curves[name] = run(one, (args.out or Path(folder)) / name.replace(", ", "-").replace(" ", "-"))
            print(f"{name}: {curves[name][-1]:.4f} after {len(curves[name])} steps", flush=True)
    names = list(plans)
    columns = ("steps", *names, *(f"{name} against {names[0]}" for name in names[1:]))
    table = Table(f"{args.model}: mean loss by {TENS} steps", columns, rows(list(curves.values())))
    finish(Report("fit_workers", vars(args), curves, [table]), args.json)


if __name__ == "__main__":
    main()
