from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference_weights import write_reference_checkpoint
from shards import recipe_for

from flows.resolve import (
    Machine,
    cpu_has_bf16,
    resolve_machine,
    resolve_weights,
    resolve_workforce,
)
from flows.settings import MatteSettings
from manifests.errors import DeviceFault, WeightsRefused
from matting_tasks.cluster import Cluster

CPU = Machine("auto", "cpu", 0, 8)
GPUS = Machine("auto", "cuda:NVIDIA Test", 4, 32)


@pytest.mark.parametrize(
    ("settings", "machine", "wanted"),
    [
        ({}, CPU, (4, 2, 0)),
        ({"workers": 2}, CPU, (2, 2, 0)),
        ({"executor": "local", "workers": 3}, CPU, (1, 2, 0)),
        ({}, GPUS, (4, 1, 1)),
        ({"gpus_per_worker": 0.5}, GPUS, (8, 1, 0.5)),
        ({"device": "cuda:1"}, replace(GPUS, device="cuda:1"), (1, 1, 0)),
    ],
)
def test_the_machine_is_shared_out(settings: dict[str, object], machine: Machine, wanted: tuple[float, ...]) -> None:
    force = resolve_workforce(MatteSettings(**settings), machine)  # type: ignore[arg-type]
    assert (force.n_workers, force.n_cpus, force.n_gpus) == wanted


def test_a_cluster_speaks_for_its_gpus() -> None:
    machine = resolve_machine(MatteSettings(), None, Cluster(64, 3, "NVIDIA Test"))
    assert (machine.device_class, machine.n_gpus, machine.n_cores) == ("cuda:NVIDIA Test", 3, 64)
    assert resolve_machine(MatteSettings(device="cpu"), None, Cluster(64, 3, "x")).device_class == "cpu"
    assert resolve_machine(MatteSettings(), None, Cluster(64, 0, None)).device_class == "cpu"
    with pytest.raises(DeviceFault, match="the Ray cluster has none"):
        resolve_machine(MatteSettings(device="cuda"), None, Cluster(64, 0, None))


def test_a_checkpoint_of_another_network_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_reference_checkpoint("mattingrefine-mobilenetv2", tmp_path / "weights.pth")
    with pytest.raises(WeightsRefused, match="mattingrefine-mobilenetv2"):
        resolve_weights("mattingrefine-resnet101", str(path), None, print)
    found = resolve_weights("mattingrefine-mobilenetv2", str(path), None, print)
    assert found is not None and found.path == path and len(found.sha256) == 64


def test_a_trusted_hash_spares_the_check_of_the_keys(tmp_path: Path) -> None:
    from models.weights import file_sha256

    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsRefused):
        resolve_weights("mattingrefine-resnet101", str(path), None, print)
    assert resolve_weights("mattingrefine-resnet101", str(path), file_sha256(path), print) is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_root_that_is_pinned_to_a_gpu_says_so_where_there_is_none() -> None:
    pinned = recipe_for("plate-difference")
    pinned = replace(pinned, numerics=replace(pinned.numerics, device_class="cuda:NVIDIA Test"))
    with pytest.raises(DeviceFault, match="pinned to cuda:NVIDIA Test.*--device cpu --replace"):
        resolve_machine(MatteSettings(model="plate-difference"), pinned, None)


@pytest.mark.parametrize(
    ("flags", "wanted"), [("fpu avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx2", False), (None, False)]
)
def test_bf16_is_found_where_the_system_tells(
    flags: str | None, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr("flows.resolve.CPU_INFO", tmp_path / "cpuinfo")
    assert cpu_has_bf16() is wanted
