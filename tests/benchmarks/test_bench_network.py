from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from benchmarks import bench_network
from benchmarks.bench_network import Case, cases, make_step


def words(**changes: object) -> argparse.Namespace:
    known: dict[str, object] = {
        "models": "mattingrefine-mobilenetv2,rvm-mobilenetv3",
        "sizes": "64x96",
        "batches": None,
        "precisions": None,
        "ways": "matte,forward",
        "peak_tflops": None,
        "peak_gbs": None,
    }
    return argparse.Namespace(**known | changes)


def test_a_cpu_is_measured_in_two_precisions_and_a_gpu_in_three() -> None:
    assert {(case.precision, case.batch) for case in cases(words(), "cpu")} == {("fp32", 1), ("bf16", 1)}
    on_gpu = list(cases(words(), "cuda"))
    assert {case.precision for case in on_gpu} == {"fp32", "bf16", "fp16"}
    assert len(on_gpu) == 2 * 3 * 3 * 2
    assert (on_gpu[0].width, on_gpu[0].height) == (64, 96)


@pytest.mark.parametrize("model", ["mattingrefine-mobilenetv2", "rvm-mobilenetv3"])
def test_both_ways_into_a_network_give_one_alpha(model: str) -> None:
    with torch.inference_mode():
        matte = make_step(Case(model, 64, 96, 2, "fp32", "matte"), "cpu")()
        published = make_step(Case(model, 64, 96, 2, "fp32", "forward"), "cpu")()
    pha = published[1] if isinstance(published, list | tuple) and "rvm" in model else published.pha  # type: ignore[attr-defined]
    alpha = matte.alpha  # type: ignore[attr-defined]
    assert torch.allclose(alpha.reshape(2, 96, 64).float(), pha.reshape(2, 96, 64).float(), atol=1e-3)


def test_results_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trace = tmp_path / "network.json", tmp_path / "trace.json"
    said = "--models mattingrefine-mobilenetv2 --sizes 64x64 --precisions fp32 --repeat 2 --seconds 0.01 --device cpu"
    monkeypatch.setattr("sys.argv", ["bench", *said.split(), "--json", str(path), "--profile", str(trace)])
    bench_network.main()
    rows = json.loads(path.read_text())["results"]["rows"]
    assert [row["way"] for row in rows] == ["matte", "forward"]
    assert all(row["frames_per_s"] > 0 and row["gflop_a_frame"] > 0 and row["gb_a_frame"] > 0 for row in rows)
    assert "Bare network" in capsys.readouterr().out
    assert json.loads(trace.read_text())["traceEvents"]
