"""A fit by several workers, one a GPU: the same fit, run by Ray Train, told of and stopped as one in this process is.

What goes between the worker that leads and the driver goes through an actor and not through files beside the state: a
shared folder may show a file to another node only after a minute, and an actor ends with its driver.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError

from manifests.errors import CleanplateError, DeviceFault, UsageError, WorkersDied
from matting_tasks.cluster import first_words, has_ended, start_ray, stop_ray
from matting_tasks.fit.fit import Fitted, Tell, fit
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan, stages_asked
from matting_tasks.fit.post import EVERY_S, Line, Post
from matting_tasks.fit.team import Team
from models.errors import ModelError

RUN = "ray"  # the folder under that of the fit in which Ray Train has its own files
MAX_DEATHS = 3  # of workers, each time all go on from the state; nodes that are taken away do not count
COLLECTIVE_S = 6 * 3600  # the others wait as long for the one that leads while it judges
FINAL = (
    *(CleanplateError, ModelError, ArithmeticError, ValueError, OSError),
    *(AttributeError, ImportError, LookupError, TypeError),
)
"""Errors that another attempt would meet again; but for those of a connection."""


def fit_with_ray(
    plan: FitPlan, out: Path, device: str, imagenet: Path | None, tell: Tell, ray_address: str | None
) -> Fitted | None:
    """Fit as `fit` does with the workers of the plan, on the cluster at `ray_address` or one started for it here.

    `out` is a folder that all workers and this process see under the same path, as are the files of the plan: on
    several nodes, a shared file system. On CUDA each worker has a GPU, else a share of the cores of its node. Where a
    worker dies all go on from the last state by themselves; where this process dies, the same call goes on from there.
    Raises what `fit` raises, UsageError where a worker does not see a file or Ray Train is not installed,
    DeviceFault where there are fewer GPUs, ValueError for a batch without equal shares, and WorkersDied.
    """
    train = _ray_train()
    for stage in stages_asked(plan):
        Team(0, plan.n_workers).check_shares(stage.name, stage.n_examples)
    with _joined(ray_address, plan.n_workers), _probe(out.absolute()) as probe:
        _check_room(plan.n_workers, "CPU" if device == "cpu" else "GPU", ray_address, tell)
        post = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Post).remote()
        order = _Order(_absolute(plan), out.absolute(), device, imagenet and imagenet.absolute(), post, probe)
        trainer = train.torch.TorchTrainer(
            work,
            train_loop_config={"order": order},
            # numbers that trainers compare lie on the CPU also where gradients do not
            torch_config=train.torch.TorchConfig(
                backend="gloo" if device == "cpu" else "cpu:gloo,cuda:nccl", timeout_s=COLLECTIVE_S
            ),
            scaling_config=train.ScalingConfig(num_workers=plan.n_workers, use_gpu=device != "cpu"),
            run_config=train.RunConfig(
                name="fit",
                storage_path=str(order.out / RUN),
                failure_config=train.FailureConfig(max_failures=MAX_DEATHS),
                logging_config=train.LoggingConfig(log_level="CRITICAL"),
            ),
        )
        return _follow(_begun(trainer.fit), post, tell)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What a worker is asked to do; probe: a file that it must see. All paths are absolute."""

    plan: FitPlan
    out: Path
    device: str
    imagenet: Path | None
    post: Any
    probe: Path


def work(config: dict[str, _Order]) -> Fitted | None:
    """Fit as one of the team, in a worker of Ray Train."""
    order = config["order"]
    try:
        return _fitted(order)
    except (ConnectionError, EOFError, RuntimeError, MemoryError) as err:
        ray.get(order.post.note.remote(first_words(f"{type(err).__name__}: {err}")))
        raise  # a process that made examples is gone, or another worker: all go on from the state
    except FINAL as err:
        ray.get(order.post.fail.remote(err))
        raise


def _fitted(order: _Order) -> Fitted | None:
    _check_seen(order)
    context = _ray_train().get_context()
    team = Team(context.get_world_rank(), context.get_world_size())
    device = order.device
    if device == "cpu":
        n_cores = len(os.sched_getaffinity(0))
        torch.set_num_threads(max(1, n_cores // context.get_local_world_size()))
    else:
        device = str(_ray_train().torch.get_device())
    if not team.leads:
        return fit(order.plan, order.out, device, order.imagenet, Tell(), team)
    line = Line(lambda told: bool(ray.get(order.post.tell.remote(told))))
    ray.get(order.post.begin.remote())
    fitted = fit(order.plan, order.out, device, order.imagenet, line.tell(), team)
    line.flush()
    return fitted


def _check_seen(order: _Order) -> None:
    """Raise UsageError for what this worker's node does not see: learning from less would pass in silence."""
    plan = order.plan
    start = () if plan.start in (SCRATCH, IMAGENET) else (plan.start,)
    files = (*start, *plan.plates, *plan.pictures, *plan.held_pictures, *plan.foregrounds)
    for path in (order.probe, *([order.imagenet] if order.imagenet else ()), *map(Path, files)):
        if not path.exists():
            what = order.out if path == order.probe else path
            raise UsageError(
                f"a worker on node {ray.util.get_node_ip_address()} does not see {what}: workers on several nodes need "
                "a file system that all share, under the same path; or run on one node"
            )


def _check_room(n_workers: int, kind: str, address: str | None, tell: Tell) -> None:
    """Say that workers will have to wait, and raise DeviceFault where nothing is to be waited for."""
    n_there = int(ray.cluster_resources().get(kind, 0))
    if n_there >= n_workers:
        return
    words = f"Ray has {n_there} {kind}s, and {n_workers} workers want one each"
    if address is None:
        raise DeviceFault(f"{words}: ask for fewer with --workers, or join a larger cluster with --ray-address.")
    tell.warn(f"{words}: they begin when there is room.")


def _follow(training: Future[Any], post: Any, tell: Tell) -> Fitted | None:
    """Pass on what is told until the training ends; None where it was asked to stop before."""
    try:
        while _passed_on(training, post, tell):
            wait([training], EVERY_S)
        fitted: Fitted | None = training.result().return_value if training.done() else None
        return fitted
    except (RayError, _ray_train().TrainingFailedError) as err:
        if tell.stop():
            return None  # a signal to all processes ended Ray's too: what was saved last is gone on from
        said = first_words(str(err))
        raise WorkersDied(f"The workers of the fit ended for good: {said}. The same command goes on.") from err


def _passed_on(training: Future[Any], post: Any, tell: Tell) -> bool:
    """Pass on what was told since, and tell whether more will come. Raises the error that ends the fit."""
    is_over, stops = training.done(), tell.stop()
    if has_ended():
        raise RayError("the processes of Ray on this machine are gone")
    told, has_begun, error = ray.get(post.collect.remote(stops))
    for name, words in told:
        getattr(tell, name)(*words)
    if error is not None:
        raise error
    return not is_over and not (stops and not has_begun)


def _begun(function: Callable[[], Any]) -> Future[Any]:
    """Begin a call on a thread of its own: on the main one Ray Train would take Ctrl-C for itself."""
    place: Future[Any] = Future()

    def call() -> None:
        try:
            place.set_result(function())
        except BaseException as err:
            place.set_exception(err)

    threading.Thread(target=call, daemon=True).start()
    return place


@contextmanager
def _joined(address: str | None, n_workers: int) -> Iterator[None]:
    """Join or start Ray, unless that was done, and leave it in the end: with it end workers that still run."""
    was_joined = ray.is_initialized()
    start_ray(address, n_workers)
    try:
        yield
    finally:
        if not was_joined:
            stop_ray()


@contextmanager
def _probe(out: Path) -> Iterator[Path]:
    """Put a file into the folder by which a worker knows that it sees the same one."""
    path = out / RUN / f"seen-{uuid.uuid4().hex}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _absolute(plan: FitPlan) -> FitPlan:
    """Return a plan that means the same in another folder: Ray Train's workers run in one of their own."""

    def each(paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Path(path).absolute()) for path in paths)

    return replace(
        plan,
        start=plan.start if plan.start in (SCRATCH, IMAGENET) else str(Path(plan.start).absolute()),
        plates=each(plan.plates),
        pictures=each(plan.pictures),
        held_pictures=each(plan.held_pictures),
        foregrounds=each(plan.foregrounds),
    )


def _ray_train() -> Any:
    """Import Ray Train, which needs a package that nothing else here does. Raises UsageError where that is missing."""
    try:
        import ray.train.torch
    except ImportError as err:
        raise UsageError(f'--workers: Ray Train cannot be imported ({err}): pip install "cleanplate[train]"') from err
    return ray.train
