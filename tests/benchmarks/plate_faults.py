"""How often `cleanplate check` finds each fault of a plate, and how often it is wrong: synthetic captures, many seeds.

Of every seed one clean capture and one with eight faults in eight of its 16 cameras, and one where two plates changed
places. Run: python tests/benchmarks/plate_faults.py [--seeds 20] [--sizes 256,384,512] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flows.check_capture import FAULTS, Finding, check_capture
from flows.settings import EnumerateSettings
from manifests.storage import LocalFolder
from matting_tasks.synth import CAMERAS, SynthSettings, make_capture, parse_fault

INJECTED = ("missing", "unreadable", "size", "swapped", "shifted", "relit", "contaminated", "frame_set")
EXCHANGED = "swapped (two plates changed places)"


@dataclass
class Tally:
    """What was found: faults by name, cameras without a fault, and seconds."""

    injected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    n_clean: int = 0
    n_warned: int = 0
    n_failed: int = 0
    n_cameras: int = 0
    seconds: float = 0.0

    def count(self, findings: Sequence[Finding], wrong: dict[str, str], seconds: float) -> None:
        """Count the findings of a capture whose cameras have the faults `wrong`."""
        self.seconds += seconds
        self.n_cameras += len(CAMERAS)
        for camera in CAMERAS:
            told = {(one.fault, one.verdict) for one in findings if one.camera == camera}
            name = wrong.get(camera)
            if name is None:
                self.n_clean += 1
                self.n_failed += any(verdict == "fail" for _, verdict in told)
                self.n_warned += bool(told) and all(verdict == "warn" for _, verdict in told)
                continue
            fault = "swapped" if name == EXCHANGED else name
            right = fault, "warn" if fault == "frame_set" else "fail"
            self.injected[name] += 1
            self.found[name] += right in told
            self.alone[name] += told == {right}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sizes", default="256,384,512", help="widths of the pictures, taken in turns")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    sizes = [int(size) for size in words.sizes.split(",")]
    tally = Tally()
    for seed in range(words.first_seed, words.first_seed + words.seeds):
        measure_seed(seed, sizes[seed % len(sizes)], 3 + seed % 3, tally)
        print(f"seed {seed} done", file=sys.stderr, flush=True)
    print(table_of(tally))
    if words.json is not None:
        record = {name: dict(getattr(tally, name)) for name in ("injected", "found", "alone")}
        numbers = {name: getattr(tally, name) for name in ("n_clean", "n_warned", "n_failed", "n_cameras", "seconds")}
        words.json.write_text(json.dumps(record | numbers, indent=1))


def measure_seed(seed: int, size_px: int, n_frames: int, tally: Tally) -> None:
    """Make the three captures of a seed, check each, and count."""
    turned = CAMERAS[seed % 16 :] + CAMERAS[: seed % 16]
    wrong = {turned[2 * place]: name for place, name in enumerate(INJECTED)}
    faults = tuple(parse_fault(f"{name}:{camera}") for camera, name in wrong.items())
    with TemporaryDirectory() as folder:
        clean, bad = Path(folder) / "clean", Path(folder) / "bad"
        make_capture(clean, SynthSettings(1, 16, n_frames, size_px, seed))
        count_one(clean, {}, tally)
        make_capture(bad, SynthSettings(1, 16, n_frames, size_px, seed, faults))
        count_one(bad, wrong, tally)
        pair = turned[0], turned[5]
        exchange(clean, *pair)
        count_one(clean, dict.fromkeys(pair, EXCHANGED), tally)


def count_one(root: Path, wrong: dict[str, str], tally: Tally) -> None:
    """Check a capture and count what was found."""
    started = time.perf_counter()
    findings = [one for found in check_capture(LocalFolder(root), EnumerateSettings()) for one in found]
    tally.count(findings, wrong, time.perf_counter() - started)


def exchange(root: Path, one: str, other: str) -> None:
    """Let two plates change places."""
    folder = next(root.glob("*/background"))
    first, second = (folder / f"image_{camera}.jpg" for camera in (one, other))
    first_data, second_data = first.read_bytes(), second.read_bytes()
    first.write_bytes(second_data)
    second.write_bytes(first_data)


def table_of(tally: Tally) -> str:
    """Return the rates as a Markdown table."""
    lines = ["| fault | injected | found by name | and nothing else said |", "| --- | ---: | ---: | ---: |"]
    for name in sorted(tally.injected, key=[*FAULTS, EXCHANGED].index):
        n = tally.injected[name]
        lines.append(f"| {name} | {n} | {tally.found[name] / n:.1%} | {tally.alone[name] / n:.1%} |")
    n_clean = max(tally.n_clean, 1)
    lines += [
        "",
        f"Cameras without a fault: {tally.n_clean}; falsely failed {tally.n_failed / n_clean:.2%}, "
        f"falsely warned of {tally.n_warned / n_clean:.2%}. "
        f"{tally.seconds / max(tally.n_cameras, 1):.3f} s a camera.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
