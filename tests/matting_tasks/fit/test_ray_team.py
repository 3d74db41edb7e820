from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
import ray

from manifests.errors import UsageError
from matting_tasks.fit.curve import CURVE, LOSS, read_curve
from matting_tasks.fit.fit import STATE, Fitted, Tell, fit
from matting_tasks.fit.plan import FitPlan
from matting_tasks.fit.ray_team import fit_with_ray
from matting_tasks.fit.state import load_state
from matting_tasks.fit.trainer import StepDone

PLAN = FitPlan(
    "mattingbase-mobilenetv2",
    start="scratch",
    steps=8,
    size_px=(64, 64),
    n_examples=4,
    n_held_out=1,
    validate_every=0,
    n_processes=0,
    n_workers=2,
    save_s=0.5,
)
WITHOUT_PANDAS = """
import sys
sys.modules["pandas"] = None
from pathlib import Path
from manifests.errors import UsageError
from matting_tasks.fit.fit import Tell
from matting_tasks.fit.plan import FitPlan
from matting_tasks.fit.ray_team import fit_with_ray
try:
    fit_with_ray(FitPlan("mattingbase-mobilenetv2", n_workers=2), Path(sys.argv[1]), "cpu", None, Tell(), None)
except UsageError as err:
    print(err)
"""


@dataclass
class Watcher:
    """Keeps what it is told; does something once at a step, and may ask for the end then."""

    at_step: int = 10**9
    then: Callable[[], None] = lambda: None
    stops: bool = False
    told: list[StepDone] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    n_validated: int = 0
    has_come: bool = False

    def tell(self) -> Tell:
        return Tell(self.step, self.validated, lambda: self.stops and self.has_come, self.warned.append)

    def step(self, done: StepDone) -> None:
        self.told.append(done)
        if done.step >= self.at_step and not self.has_come:
            self.has_come = True
            self.then()

    def validated(self, *found: object) -> None:
        self.n_validated += 1


def kill_a_worker() -> None:
    """Kill one that trains, as the memory killer would."""
    workers = [one for one in psutil.Process().children(recursive=True) if "TrainWorker" in "".join(one.cmdline())]
    assert len(workers) == 2
    workers[0].kill()


def total_losses(out: Path) -> list[float]:
    return [row.numbers[f"{LOSS}total"] for row in read_curve(out / CURVE) if f"{LOSS}total" in row.numbers]


def test_a_batch_without_equal_shares_is_refused_before_ray_is_started(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 examples a step, which 2 workers cannot share equally"):
        fit_with_ray(replace(PLAN, n_examples=3), tmp_path, "cpu", None, Tell(), None)
    assert not ray.is_initialized()


def test_what_ray_train_lacks_is_said_with_how_to_install_it(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert 'pip install "cleanplate[train]"' in found.stdout, found.stderr


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_stop_when_asked_go_on_also_where_one_is_killed_and_learn_as_one_does(tmp_path: Path) -> None:
    out = tmp_path / "two"
    stopped = Watcher(at_step=2, stops=True)
    assert fit_with_ray(PLAN, out, "cpu", None, stopped.tell(), None) is None
    state = load_state(out / STATE)
    assert state is not None and 2 <= state.step < 8

    killed = Watcher(at_step=state.step + 1, then=kill_a_worker)
    fitted = fit_with_ray(replace(PLAN, n_processes=1), out, "cpu", None, killed.tell(), None)
    assert isinstance(fitted, Fitted) and fitted.weights.is_file() and fitted.scores[-1]["step"] == 8
    assert any("go on from what was saved last" in words for words in killed.warned)
    assert killed.told[0].step == state.step + 1 and killed.told[-1].step == 8 and killed.n_validated
    assert not ray.is_initialized()

    fit(replace(PLAN, n_workers=1), tmp_path / "one", "cpu", None, Tell())
    two, one = total_losses(out), total_losses(tmp_path / "one")
    assert len(two) == len(one) == 8
    assert statistics.fmean(two) == pytest.approx(statistics.fmean(one), rel=0.15)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_that_does_not_see_a_file_ends_the_fit_with_its_name(tmp_path: Path) -> None:
    plan = replace(PLAN, plates=(str(tmp_path / "plate.jpg"),))
    with pytest.raises(UsageError, match="does not see .*plate.jpg: workers on several nodes need a file system"):
        fit_with_ray(plan, tmp_path, "cpu", None, Tell(), None)
