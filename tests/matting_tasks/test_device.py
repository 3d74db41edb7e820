from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace

import cv2
import pytest
import torch
from fakes import make_recipe

from manifests.errors import DeviceFault
from manifests.recipe import Numerics
from matting_tasks.device import DTYPES, count_gpus, device_class, set_up_device

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens on a machine without a GPU")


pytestmark = pytest.mark.usefixtures("threads_as_before")


def numerics(device_class: str, intra_op_threads: int = 1) -> Numerics:
    return Numerics(device_class, "fp32", 1, intra_op_threads)


def test_the_cpu_is_always_there() -> None:
    assert device_class("cpu") == "cpu"
    assert set_up_device("cpu", numerics("cpu")) == torch.device("cpu")


@without_gpu
def test_auto_is_the_cpu_when_there_is_no_gpu() -> None:
    assert count_gpus() == 0
    assert device_class("auto") == "cpu"
    assert set_up_device("auto", numerics("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "cuda:64"])
def test_a_gpu_that_is_not_there_is_a_fault_that_says_what_was_found(device: str) -> None:
    with pytest.raises(DeviceFault, match=f"--device {device} .* shows {count_gpus()} GPUs .* --device cpu"):
        device_class(device)


@without_gpu
def test_any_gpu_is_a_fault_when_there_is_none() -> None:
    with pytest.raises(DeviceFault, match="shows 0 GPUs"):
        device_class("cuda")


@without_gpu
@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_a_worker_without_a_gpu_refuses_a_recipe_of_one(device: str) -> None:
    with pytest.raises(DeviceFault):
        set_up_device(device, numerics("cuda:NVIDIA H100"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_worker_with_another_gpu_refuses_and_names_both() -> None:
    name = torch.cuda.get_device_name(0)
    assert device_class("auto") == device_class("cuda") == device_class("cuda:0") == f"cuda:{name}"
    assert set_up_device("auto", numerics(f"cuda:{name}")).type == "cuda"
    with pytest.raises(DeviceFault, match=f"{name}, the recipe is pinned to cuda:Another"):
        set_up_device("auto", numerics("cuda:Another"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_computes_in_full_precision() -> None:
    device = set_up_device("cuda:0", numerics(device_class("cuda:0")))
    a, b = (torch.rand(512, 512, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    exact = (a.double() @ b.double()).float()
    assert (a.to(device) @ b.to(device)).cpu().sub(exact).abs().max() < 1e-3
    kernel = torch.rand(8, 8, 3, 3, generator=torch.Generator().manual_seed(3))
    picture = a[None, None].expand(1, 8, -1, -1)
    exact = torch.conv2d(picture.double(), kernel.double()).float()
    assert torch.conv2d(picture.to(device), kernel.to(device)).cpu().sub(exact).abs().max() < 1e-3


def test_a_recipe_of_the_cpu_is_matted_there_on_any_machine() -> None:
    assert set_up_device("cuda:0", numerics("cpu")) == torch.device("cpu")


def test_the_threads_of_the_process_are_those_of_the_recipe() -> None:
    for intra_op_threads in (2, 1):
        set_up_device("cpu", numerics("cpu", intra_op_threads))
        assert torch.get_num_threads() == intra_op_threads
        assert cv2.getNumThreads() == 1


def test_a_machine_without_the_codec_of_the_recipe_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = replace(numerics("cpu"), decoder="simplejpeg")
    set_up_device("cpu", pinned)
    monkeypatch.setattr("matting_tasks.device.find_spec", lambda name: None)
    with pytest.raises(DeviceFault, match="pip install simplejpeg"):
        set_up_device("cpu", pinned)


def test_every_precision_of_the_models_has_a_type() -> None:
    assert DTYPES[make_recipe().numerics.precision] == torch.float32
    assert (DTYPES["fp16"], DTYPES["bf16"]) == (torch.float16, torch.bfloat16)


FAULTS = """
import resource, sys, threading
import torch
from matting_tasks.device import keep_memory

def take_and_free():
    for _ in range(10):
        torch.full((64 << 18,), 1.0)  # 64 MiB

if sys.argv[1] == "keep":
    keep_memory()
for _ in range(4):
    thread = threading.Thread(target=take_and_free)
    thread.start()
    thread.join()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=take_and_free)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc what to keep")
def test_memory_that_was_used_once_is_not_asked_for_again() -> None:
    kept, not_kept = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("keep", "leave")
    )
    assert kept < not_kept / 4
