"""Resolve: settings, the machine and what the output root pins -> the workers of a run and its weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.settings import MatteSettings, weights_folder
from manifests.errors import DeviceFault, UsageError, WeightsRefused
from manifests.recipe import Recipe
from models.checkpoints import check_fits
from models.errors import DownloadFailed, ModelError, UnknownModel
from models.fitted import parameters_of, weights_of
from models.registry import entry
from models.weights import PACKAGED, Fetched, fetch, file_sha256, locate

if TYPE_CHECKING:
    from flows.video_settings import VideoSettings
    from matting_tasks.cluster import Cluster

    AnyMatting = TypeVar("AnyMatting", MatteSettings, VideoSettings)

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]

CPU_THREADS = 2
"""Threads of one operation on a CPU. Always the same, for the last bits of a network's output depend on it: masks are
then equal for any number of workers, on Ray or in this process."""

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run works: `device` as settings name it, its class, GPUs and CPU cores of the workers' hosts.

    `has_bf16` says that the CPUs compute in bf16; of the hosts of a cluster nothing is known.
    """

    device: str
    device_class: str
    n_gpus: int
    n_cores: int
    has_bf16: bool = False


@dataclass(frozen=True, slots=True)
class Workforce:
    """The workers of a run: how many, and for each its CPUs, GPUs and I/O threads."""

    n_workers: int
    n_cpus: float
    n_gpus: float
    n_threads: int


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file with weights, and its hash."""

    path: Path
    sha256: str


def resolve_machine(settings: MatteSettings, pinned: Recipe | None, cluster: Cluster | None) -> Machine:
    """Find the device, on a joined cluster or, where that is None, on this machine; raises DeviceFault.

    A device that the root pins is taken for `auto`, so that another run of it makes the same bytes.
    """
    device = settings.device
    if device == "auto" and pinned is not None:
        device = "cpu" if pinned.numerics.device_class == "cpu" else "cuda"
    if cluster is not None:
        if device.startswith("cuda") and not cluster.n_gpus:
            raise DeviceFault("A GPU is asked for, and the Ray cluster has none: add GPU nodes, or use --device cpu.")
        found = "cpu" if device == "cpu" or not cluster.n_gpus else f"cuda:{cluster.gpu_name}"
        return Machine(device, found, cluster.n_gpus, cluster.n_cores)
    n_cores = len(os.sched_getaffinity(0))
    if device == "cpu":
        return Machine(device, "cpu", 0, n_cores, cpu_has_bf16())

    from matting_tasks.device import count_gpus, device_class

    if pinned is not None and settings.device == "auto" and not count_gpus():
        raise DeviceFault(
            f"The output root is pinned to {pinned.numerics.device_class}, and this machine shows no GPU. Run where "
            "there is one, or matte the selected frames anew with --device cpu --replace."
        )
    found = device_class(device)
    return Machine(device, found, 0 if found == "cpu" else count_gpus(), n_cores, cpu_has_bf16())


def cpu_has_bf16() -> bool:
    """Tell whether this machine's CPU multiplies in bf16; False where the system does not say."""
    try:
        flags = CPU_INFO.read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def resolve_workforce(settings: MatteSettings, machine: Machine) -> Workforce:
    """Share the machine out: one worker a GPU (or share of one), else one for two cores."""
    on_gpu = machine.device_class != "cpu"
    n_gpus = settings.gpus_per_worker if on_gpu and ":" not in machine.device else 0.0
    if settings.executor == "local":
        n_workers = 1
    elif settings.workers is not None:
        n_workers = settings.workers
    elif on_gpu:
        n_workers = max(1, int(machine.n_gpus / n_gpus)) if n_gpus else 1
    else:
        n_workers = max(1, int(machine.n_cores / (settings.cpus_per_worker or CPU_THREADS)))
    n_cores = max(1, machine.n_cores // n_workers)
    n_cpus = settings.cpus_per_worker or (1 if on_gpu else min(CPU_THREADS, n_cores))
    n_threads = settings.io_threads or min(8, max(2, int(settings.cpus_per_worker or n_cores)))
    return Workforce(n_workers, n_cpus, n_gpus, n_threads)


def as_fitted(settings: AnyMatting, file: str | None) -> AnyMatting:
    """Return settings in which weights that a fit wrote speak for parameters that were not said.

    file: where the weights of the settings lie on this machine. Raises WeightsRefused.
    """
    path = Path(file or "").expanduser()
    if file is None or not path.exists():
        return settings
    try:
        fitted = parameters_of(path)
    except ModelError as err:
        raise WeightsRefused(f"Weights {settings.weights}: {err}") from err
    return settings.model_copy(
        update={name: value for name, value in fitted.items() if name not in settings.model_fields_set}
    )


def resolve_weights(
    model: str, file: str | None, trusted_sha256: str | None, say: Say, progress: Progress | None = None
) -> WeightsFile | None:
    """Return a model's weights, fetched once if need be, and checked to fit the model unless their hash is trusted.

    file: a file with weights, or the folder that a fit wrote. None for a model without weights. Raises
    WeightsRefused and UsageError.
    """
    try:
        known = entry(model)
    except UnknownModel as err:
        raise UsageError(f"--model {model}: {err}") from err
    if known.weights is None:
        if file is not None:
            raise UsageError(f"Weights {file}: the model {model} has no weights; leave the option out.")
        return None
    try:
        if file is not None:
            found = _named(model, file, trusted_sha256)
        else:
            fetched = _fetch(model, say, progress)
            found = WeightsFile(fetched.path, fetched.sha256)
        if found.sha256 != trusted_sha256:
            check_fits(model, found.path)
    except ModelError as err:
        raise WeightsRefused(str(err)) from err
    return found


def _named(model: str, file: str, trusted_sha256: str | None) -> WeightsFile:
    """Return the file with weights that the user names; a model of the package takes no others than its own."""
    named = Path(file).expanduser().absolute()
    if not named.exists():
        raise WeightsRefused(f"Weights {file}: there is no such file.")
    path = weights_of(named)
    found = WeightsFile(path, file_sha256(path))
    if model in PACKAGED and found.sha256 not in (PACKAGED[model][0], trusted_sha256):
        raise UsageError(
            f"Weights {file}: {model} has weights of its own, which are part of the package, and these are others. "
            f"For these say --model {entry(model).architecture}."
        )
    return found


def _fetch(model: str, say: Say, progress: Progress | None) -> Fetched:
    folder = weights_folder()
    if locate(model, folder) is None:
        say(f"Fetching the weights of {model} into {folder} (once).")
    try:
        fetched = fetch(model, folder, progress, say)
    except DownloadFailed as err:
        raise WeightsRefused(f"{err}; or name a local file with --weights FILE") from err
    if fetched.first_use:
        say(
            f"No hash of {fetched.path.name} is published: its SHA-256 {fetched.sha256[:16]}... was recorded now, "
            "and another file will be refused from here on."
        )
    return fetched


def check_model(name: str) -> None:
    """Raise UsageError for a model that is not in the registry."""
    try:
        entry(name)
    except UnknownModel as err:
        raise UsageError(f"--model {name}: {err}") from err
