"""The Ray cluster of a run: joined or started, looked at, left; and which deaths are its own doing."""

from __future__ import annotations

import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError

from manifests.errors import WorkersDied


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
            runtime_env = _code_for_workers() | {"env_vars": {"OMP_WAIT_POLICY": "passive"}}
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
        where = f"No Ray cluster answers at {address}" if address else "Ray could not be started on this machine"
        advice = "Check the address and the token (RAY_AUTH_TOKEN, or ~/.ray/auth_token)" if address else "See above"
        raise WorkersDied(f"{where}: {err}. {advice}, or run with --executor local.") from err
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own in, which aborts the process


def stop_ray() -> None:
    """Leave the cluster, or end the one that was started here."""
    ray.shutdown()


def look_at_cluster() -> Cluster:
    """Count what the joined cluster has; one of its GPUs is asked for its name."""
    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0))
    name = str(ray.get(ray.remote(num_gpus=1)(_gpu_name).remote())) if n_gpus else None
    return Cluster(int(resources.get("CPU", 1)), n_gpus, name)


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name(0)


def is_infrastructure(err: RayError) -> bool:
    """Tell whether a death is the node's, a preemption's or the memory killer's, and not the shard's own doing."""
    text = str(err).lower()
    signs = (
        *("node has died", "node_died", "node preemption", "receives a sigterm"),
        *("exit type: node_out_of_memory", "running low on memory"),
    )
    preempted = isinstance(err, RayActorError) and err.preempted
    return preempted or isinstance(err, OutOfMemoryError) or any(sign in text for sign in signs)


def first_line(err: RayError) -> str:
    """Return what an error says in one line, cut."""
    return " ".join(str(err).split())[:500]


def _check_reachable(address: str) -> None:
    """Open and close a connection to a `host:port` address: where none answers, Ray would end this process."""
    host, _, port = address.rpartition(":")
    if "://" not in address and host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _code_for_workers() -> dict[str, Any]:
    """Send a source checkout along to a remote cluster; an installed cleanplate is expected to be there already."""
    home = Path(__file__).resolve().parent.parent
    if not (home / "pyproject.toml").is_file():
        return {}
    return {"working_dir": str(home), "excludes": [".git", ".venv", "demo", "tests", "docs", "*.pth", "*.onnx"]}
