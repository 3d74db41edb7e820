"""Preflight: what a node lacks before a worker may work on it, looked at on that node, without its GPUs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from manifests.errors import CleanplateError
from manifests.recipe import ALGORITHM_REVISION, Recipe
from manifests.storage import Folder, open_folder
from models.packaged import here

PROBES = "_cleanplate/preflight"
"""Of an output root: where the driver and the nodes leave a word for each other."""
DRIVERS_WORD = "driver"
LEAST_FREE = 2 << 30
"""Bytes that a node's folder for temporary files should have: packs that grow and copies of videos lie there."""
SAME = ("cleanplate", "torch", "numpy", "opencv-python-headless", "simplejpeg", "av")
"""Packages whose versions decide the bytes of masks."""
GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a node must have. `versions` are those of the driver, `sample` is a file of the capture.

    `probe` is the folder, below PROBES, in which the driver has left its word; options of stores are not shown.
    """

    recipe: Recipe
    weights: str | None
    capture_url: str
    out_url: str
    sample: str | None
    probe: str
    versions: Mapping[str, str]
    revision: int = ALGORITHM_REVISION
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What is wrong with a node: it cannot be worked on with any `faults`, `doubts` are only worth a word."""

    host: str
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def look_at_node(wanted: Wanted) -> NodeReport:
    """Look at this machine; whatever fails is a fault of the report and not an error."""
    faults = [*_code_faults(wanted), *_weights_faults(wanted), *_capture_faults(wanted), *_out_faults(wanted)]
    faults += _gpu_faults(wanted)
    doubts = [*_version_doubts(wanted), *_room_doubts()]
    return NodeReport(socket.gethostname(), tuple(faults), tuple(doubts))


@contextmanager
def left_word(out: Folder, probe: str) -> Iterator[None]:
    """Leave the driver's word in an output root for the nodes to read, and take all of it away again."""
    out.write_atomic(f"{PROBES}/{probe}/{DRIVERS_WORD}", b"1")
    try:
        yield
    finally:
        paths = [stat.path for stat in out.list(f"{PROBES}/{probe}")]
        out.delete(paths)
        out.prune(paths)


def versions_here() -> dict[str, str]:
    """Return the versions of what decides the bytes of masks, of what is installed; `python` by its first two parts."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in SAME:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _code_faults(wanted: Wanted) -> Iterator[str]:
    if wanted.revision != ALGORITHM_REVISION:
        yield (
            f"its cleanplate makes other masks (revision {ALGORITHM_REVISION}, the driver's is {wanted.revision}): "
            "install the driver's version there"
        )
    here = versions_here()
    lacking = [name for name in wanted.versions if name not in here and name != "cleanplate"]
    if lacking:
        yield f"{', '.join(lacking)} cannot be found there: install what constraints.txt names"


def _version_doubts(wanted: Wanted) -> Iterator[str]:
    here = versions_here()
    differing = [
        f"{name} {here[name]} (the driver has {version})"
        for name, version in wanted.versions.items()
        if here.get(name, version) != version
    ]
    if differing:
        yield f"masks of this node may differ in their last bits: {', '.join(differing)}"


def _weights_faults(wanted: Wanted) -> Iterator[str]:
    if wanted.weights is None:
        return
    path = here(Path(wanted.weights))
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        yield (
            f"the weights {path} are not there: put them there, or set CLEANPLATE_WEIGHTS to a folder that all nodes "
            "share, for the driver too"
        )
    except OSError as err:
        yield f"the weights {path} cannot be read ({err})"
    else:
        if found not in (wanted.recipe.weights_sha256, _fallback_hash(wanted.recipe)):
            yield f"the weights {path} are another file there ({found[:12]}...): copy the driver's"


def _fallback_hash(recipe: Recipe) -> str | None:
    return None if recipe.fallback is None else recipe.fallback.weights_sha256


def _capture_faults(wanted: Wanted) -> Iterator[str]:
    def read() -> None:
        if wanted.sample is not None:
            open_folder(wanted.capture_url, wanted.storage_options).read_range(wanted.sample, 0, 1)

    share = _share(wanted.capture_url)
    yield from _failing(read, f"it cannot read the capture {wanted.capture_url}", f"no {wanted.sample} there: {share}")


def _out_faults(wanted: Wanted) -> Iterator[str]:
    def write() -> None:
        out, folder = open_folder(wanted.out_url, wanted.storage_options), f"{PROBES}/{wanted.probe}"
        out.read(f"{folder}/{DRIVERS_WORD}")
        mine = f"{folder}/{socket.gethostname()}-{uuid.uuid4().hex[:6]}"
        out.write_atomic(mine, b"1")
        out.delete([mine])

    lacking = f"what the driver wrote is not there: {_share(wanted.out_url)}"
    yield from _failing(write, f"it cannot write to the output root {wanted.out_url}", lacking)


def _failing(attempt: Callable[[], None], what: str, lacking: str) -> Iterator[str]:
    """Yield what went wrong with a store."""
    try:
        attempt()
    except FileNotFoundError:
        yield f"{what}: {lacking}"
    except (OSError, CleanplateError) as err:
        yield f"{what}: {err}"


def _share(url: str) -> str:
    if url.startswith("s3://"):
        return "check its credentials and endpoint (the AWS environment of that node)"
    return "mount the same folder at the same path on all nodes, or use s3://"


def _room_doubts() -> Iterator[str]:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        yield f"only {free / 1e9:.1f} GB are free in {folder}"


def _gpu_faults(wanted: Wanted) -> Iterator[str]:
    """Yield a fault where the driver of the GPUs names others than the recipe is for; where it names none, nothing."""
    kind, _, model = wanted.recipe.numerics.device_class.partition(":")
    here = gpu_names()
    if kind == "cuda" and here and model not in here:
        yield f"its GPUs are {', '.join(sorted(set(here)))}, and the output root is pinned to {model}"


def gpu_names() -> list[str]:
    """Return the names of this machine's GPUs as the NVIDIA driver tells them; empty where it does not."""
    names = []
    for information in sorted(GPUS.glob("*/information")):
        lines = information.read_text(errors="replace").splitlines()
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return names
