"""The Ray cluster of a run: joined or started, looked at, left; and which deaths are its own doing."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import ActorUnschedulableError, GetTimeoutError, OutOfMemoryError, RayActorError, RayError

from manifests.errors import DeviceFault, WorkersDied

Answer = TypeVar("Answer")

GPU_WAIT_S = 60.0
NOT_SENT = (".git", ".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "build", "bench", "demo", "tests", "docs")
"""Of a source checkout: what no worker needs."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a joined cluster has: CPU cores, GPUs, and the name of a GPU as torch there says it."""

    n_cores: int
    n_gpus: int
    gpu_name: str | None


def start_ray(address: str | None, n_cpus: int) -> None:
    """Join the cluster at `address`, or start one on this machine with so many CPUs and no dashboard."""
    if ray.is_initialized():
        return
    on_sigterm = signal.getsignal(signal.SIGTERM)
    quiet = {"logging_level": "ERROR", "log_to_driver": False, "ignore_reinit_error": True}
    try:
        if address is not None:
            _check_reachable(address)
            of_a_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ  # which has its code and environment already
            runtime_env = {} if of_a_job else code_for_workers() | {"env_vars": {"OMP_WAIT_POLICY": "passive"}}
            ray.init(address=address, namespace="cleanplate", runtime_env=runtime_env, **quiet)
        else:
            ray.init(
                address="local",  # also where another cluster runs on this machine, or RAY_ADDRESS names one
                num_cpus=n_cpus,
                include_dashboard=False,
                object_store_memory=128 << 20,  # pixels never cross Ray
                **quiet,
            )
    except (ConnectionError, RayError, ValueError, OSError, RuntimeError) as err:
        if "ersion mismatch" in str(err):
            raise WorkersDied(_other_version(address, str(err))) from err
        where = f"No Ray cluster answers at {address}" if address else "Ray could not be started on this machine"
        advice = "Check the address and the token (RAY_AUTH_TOKEN, or ~/.ray/auth_token)" if address else "See above"
        raise WorkersDied(f"{where}: {err}. {advice}, or run with --executor local.") from err
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own in, which aborts the process


def stop_ray() -> None:
    """Leave the cluster, or end the one that was started here."""
    ray.shutdown()


def has_ended() -> bool:
    """Tell whether the Ray that was started here has lost its own processes, as by a signal to all of a group."""
    node = getattr(ray._private.worker, "_global_node", None)
    return node is not None and bool(node.dead_processes())


def look_at_cluster() -> Cluster:
    """Count what the joined cluster has; one of its GPUs is asked for its name."""
    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0))
    return Cluster(int(resources.get("CPU", 1)), n_gpus, _commonest_gpu() if n_gpus else None)


def _commonest_gpu() -> str:
    """Ask one free GPU of the commonest kind for its name; raises DeviceFault if none becomes free."""
    kinds = Counter(
        {
            kind: sum(node["Resources"].get("GPU", 0) for node in ray.nodes() if kind in node["Resources"])
            for kind in ray.cluster_resources()
            if kind.startswith("accelerator_type:")
        }
    )
    of_kind = {kinds.most_common(1)[0][0]: 0.001} if kinds else {}
    asked = ray.remote(num_gpus=1, resources=of_kind)(_gpu_name).remote()
    try:
        return str(ray.get(asked, timeout=GPU_WAIT_S))
    except GetTimeoutError as err:
        ray.cancel(asked, force=True)
        raise DeviceFault(
            f"No GPU of the Ray cluster became free within {GPU_WAIT_S:.0f} s to be asked for its name: others hold "
            "all of them. Wait for them, or run again later."
        ) from err
    except RayError as err:
        raise DeviceFault(f"The Ray cluster has GPUs by name, and torch there finds none: {first_line(err)}") from err


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name(0)


def beside(function: Callable[..., Answer], *words: Any) -> Callable[[], Answer]:
    """Begin a call on a core of the cluster that no worker takes; return what waits for its answer.

    That raises WorkersDied if the call cannot be made, twice; errors of the function's own are of that kind as well.
    """
    task: Any = ray.remote(num_cpus=1, max_retries=1)(function)
    asked = task.remote(*words)

    def answer() -> Answer:
        try:
            found: Answer = ray.get(asked)
        except RayError as err:
            raise WorkersDied(f"the cluster could not do it: {first_line(err)}") from err
        return found

    return answer


def is_infrastructure(err: RayError) -> bool:
    """Tell whether a death is the node's, a preemption's or the memory killer's, and not the shard's own doing."""
    text = str(err).lower()
    signs = (
        *("node has died", "node_died", "node preemption", "receives a sigterm"),
        *("exit type: node_out_of_memory", "running low on memory"),
    )
    preempted = isinstance(err, RayActorError) and err.preempted
    is_of_ray = isinstance(err, OutOfMemoryError | ActorUnschedulableError)
    return preempted or is_of_ray or any(sign in text for sign in signs)


def first_line(err: RayError) -> str:
    """Return what an error says in one line, cut."""
    return " ".join(str(err).split())[:500]


def _other_version(address: str | None, said: str) -> str:
    """Say which versions of Ray and Python do not go together, from Ray's own lines."""
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith(("Ray:", "Python:"))]
    versions = [" ".join(lines[place : place + 2]) for place in (0, 2)] if len(lines) >= 4 else [first_words(said), ""]
    return (
        f"The Ray cluster at {address} and this machine do not go together: the cluster runs {versions[0]}, here is "
        f"{versions[1]}. Install the cluster's versions here, or send the command to the cluster with "
        "cleanplate submit."
    )


def first_words(text: str) -> str:
    """Return a text in one line, cut."""
    return " ".join(text.split())[:300]


def _check_reachable(address: str) -> None:
    """Open and close a connection to a `host:port` address: where none answers, Ray would end this process."""
    host, _, port = address.rpartition(":")
    if "://" not in address and host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def code_for_workers() -> dict[str, Any]:
    """Send a source checkout along to a remote cluster; an installed cleanplate is expected to be there already."""
    home = Path(__file__).resolve().parent.parent
    if not (home / "pyproject.toml").is_file():
        return {}
    return {"working_dir": str(home), "excludes": [*NOT_SENT, "*.pth", "*.onnx"]}
