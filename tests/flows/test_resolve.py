from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference_weights import write_reference_checkpoint
from shards import recipe_for

from flows.resolve import (
    Machine,
    WeightsFile,
    as_fitted,
    cpu_has_bf16,
    resolve_machine,
    resolve_weights,
    resolve_workforce,
)
from flows.settings import MatteSettings
from flows.video_settings import VideoSettings
from manifests.errors import DeviceFault, UsageError, WeightsRefused
from matting_tasks.cluster import Cluster
from models.fitted import FittedWeights, write_entry
from models.parameters import Parameter
from models.registry import DEFAULT
from models.safetensors_file import write_safetensors
from models.weights import file_sha256, locate

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


def fitted(
    folder: Path, name: str = "mattingrefine-mobilenetv2", parameters: dict[str, Parameter] | None = None
) -> Path:
    """Write what a fit leaves: a file with weights, and its entry."""
    file = write_reference_checkpoint(name, folder / "studio.pth")
    size_bytes = file.stat().st_size
    sha256 = file_sha256(file)
    write_entry(folder, FittedWeights("studio", name, file.name, sha256, "Apache-2.0", size_bytes, parameters or {}))
    return file


@pytest.mark.parametrize("named", ["", "weights.json", "studio.pth"])
def test_a_fit_is_named_by_its_folder_its_entry_or_its_file(named: str, tmp_path: Path) -> None:
    file = fitted(tmp_path)
    found = resolve_weights("mattingrefine-mobilenetv2", str(tmp_path / named), None, print)
    assert found == WeightsFile(file, file_sha256(file))


@pytest.mark.parametrize("kind", [MatteSettings, VideoSettings])
def test_a_fit_is_used_as_it_was_fitted_unless_said(
    kind: type[MatteSettings] | type[VideoSettings], tmp_path: Path
) -> None:
    file = fitted(tmp_path, parameters={"backbone_scale": "auto", "refine_sample_pixels": 40_000})
    asked = kind(model="mattingrefine-mobilenetv2", weights=str(tmp_path), refine_sample_pixels=100)
    assert as_fitted(asked, asked.weights).given_parameters == {"backbone_scale": "auto", "refine_sample_pixels": 100}
    for weights in (None, str(file), str(tmp_path / "gone")):
        assert as_fitted(kind(model="mattingrefine-mobilenetv2", weights=weights), weights).given_parameters == {}
    (tmp_path / "weights.json").write_text("{")
    with pytest.raises(WeightsRefused, match="weights.json cannot be read"):
        as_fitted(asked, asked.weights)


def test_the_file_of_a_fit_alone_is_used_as_it_was_fitted(tmp_path: Path) -> None:
    file = tmp_path / "rig.safetensors"
    asked = MatteSettings(model="mattingrefine-mobilenetv2", weights=str(file), refine_sample_pixels=100)
    write_safetensors(file, {"a": torch.zeros(1)}, {"parameters": '{"backbone_scale": "auto"}'})
    assert as_fitted(asked, asked.weights).given_parameters == {"backbone_scale": "auto", "refine_sample_pixels": 100}
    write_safetensors(file, {"a": torch.zeros(1)}, {"parameters": '{"out": "elsewhere"}'})
    with pytest.raises(WeightsRefused, match="which no model has"):
        as_fitted(asked, asked.weights)


def test_a_fit_whose_file_changed_or_went_is_refused_by_name(tmp_path: Path) -> None:
    file = fitted(tmp_path)
    file.write_bytes(file.read_bytes() + b"!")
    with pytest.raises(WeightsRefused, match=r"studio.pth is not the file that was expected.*weights.json"):
        resolve_weights("mattingrefine-mobilenetv2", str(tmp_path), None, print)
    file.unlink()
    with pytest.raises(WeightsRefused, match="it names studio.pth, which is not there"):
        resolve_weights("mattingrefine-mobilenetv2", str(tmp_path), None, print)
    (tmp_path / "weights.json").unlink()
    with pytest.raises(WeightsRefused, match=r"weights.json cannot be read.*cleanplate fit"):
        resolve_weights("mattingrefine-mobilenetv2", str(tmp_path), None, print)


def test_the_default_takes_no_weights_but_its_own(tmp_path: Path) -> None:
    file = fitted(tmp_path)
    with pytest.raises(UsageError, match="say --model mattingrefine-mobilenetv2"):
        resolve_weights(DEFAULT, str(file), None, print)
    # but for those that a recipe of an older version has
    assert resolve_weights(DEFAULT, str(file), file_sha256(file), print) == WeightsFile(file, file_sha256(file))


def test_the_default_is_at_hand_without_a_folder_for_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path / "none"))
    if locate(DEFAULT, tmp_path) is None:
        pytest.skip("not shipped yet")
    lines: list[str] = []
    found = resolve_weights(DEFAULT, None, None, lines.append)
    assert found is not None and found.path.is_file() and not lines and not list(tmp_path.iterdir())
