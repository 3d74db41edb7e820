"""Preflight: each thing that a node may lack is named, with what to do; a good node is passed without a word."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from roots import RECIPE

import matting_tasks.preflight
from manifests.recipe import ALGORITHM_REVISION
from manifests.storage import LocalFolder
from matting_tasks.preflight import PROBES, NodeReport, Wanted, gpu_names, left_word, look_at_node, versions_here

WEIGHTS = b"the weights"


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    """Return what this machine has: a capture, an output root with the driver's word, weights."""
    (tmp_path / "capture").mkdir()
    (tmp_path / "capture/frame.jpg").write_bytes(b"picture")
    (tmp_path / "w.pth").write_bytes(WEIGHTS)
    LocalFolder(tmp_path / "out").write_atomic(f"{PROBES}/p/driver", b"1")
    recipe = replace(RECIPE, weights_sha256=hashlib.sha256(WEIGHTS).hexdigest())
    urls = str(tmp_path / "capture"), str(tmp_path / "out")
    return Wanted(recipe, str(tmp_path / "w.pth"), *urls, "frame.jpg", "p", versions_here())


def only_fault(report: NodeReport) -> str:
    (fault,) = report.faults
    return fault


def test_a_good_node_has_no_faults_and_keeps_nothing(wanted: Wanted, tmp_path: Path) -> None:
    report = look_at_node(wanted)
    assert report.faults == () and report.host
    assert [stat.path for stat in LocalFolder(tmp_path / "out").list()] == [f"{PROBES}/p/driver"]


def test_missing_and_other_weights_are_told_apart(wanted: Wanted, tmp_path: Path) -> None:
    assert "are another file there" in only_fault(
        look_at_node(replace(wanted, recipe=replace(wanted.recipe, weights_sha256="0" * 64)))
    )
    (tmp_path / "w.pth").unlink()
    fault = only_fault(look_at_node(wanted))
    assert f"{tmp_path / 'w.pth'} are not there" in fault and "CLEANPLATE_WEIGHTS" in fault
    assert look_at_node(replace(wanted, weights=None)).faults == ()


def test_a_fallbacks_weights_are_right_too(wanted: Wanted) -> None:
    fallback = replace(RECIPE, weights_sha256=wanted.recipe.weights_sha256)
    other = replace(wanted.recipe, weights_sha256="0" * 64, fallback=fallback)
    assert look_at_node(replace(wanted, recipe=other)).faults == ()


def test_a_capture_that_is_not_mounted_is_a_fault(wanted: Wanted) -> None:
    fault = only_fault(look_at_node(replace(wanted, sample="another.jpg")))
    assert "cannot read the capture" in fault and "no another.jpg there" in fault and "same path on all nodes" in fault


def test_an_output_root_of_the_nodes_own_is_a_fault(wanted: Wanted, tmp_path: Path) -> None:
    """A path that is a folder of its own on each machine would swallow masks unseen."""
    fault = only_fault(look_at_node(replace(wanted, out_url=str(tmp_path / "elsewhere"))))
    assert "what the driver wrote is not there" in fault and "mount the same folder" in fault


def test_a_store_that_cannot_be_written_is_a_fault(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: LocalFolder, path: str, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("manifests.storage_counted.CountedFolder.write_atomic", full)
    assert "cannot write to the output root" in only_fault(look_at_node(wanted))


def test_an_object_store_that_does_not_answer_is_a_fault(wanted: Wanted) -> None:
    nowhere = {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": "s", "max_attempts": "0"}
    report = look_at_node(replace(wanted, out_url="s3://bucket/out", storage_options=nowhere))
    assert "cannot write to the output root s3://bucket/out" in only_fault(report)
    assert "secret" not in repr(replace(wanted, storage_options=nowhere))


def test_another_revision_is_a_fault_and_other_versions_are_a_doubt(wanted: Wanted) -> None:
    fault = only_fault(look_at_node(replace(wanted, revision=ALGORITHM_REVISION + 1)))
    assert "makes other masks" in fault
    report = look_at_node(replace(wanted, versions={**wanted.versions, "torch": "1.0", "numpy": "9.9"}))
    assert report.faults == ()
    assert any("last bits: numpy" in doubt or "last bits: torch" in doubt for doubt in report.doubts)


def test_a_package_that_is_not_there_is_a_fault(wanted: Wanted) -> None:
    assert "no-such-package cannot be found" in only_fault(
        look_at_node(replace(wanted, versions={**wanted.versions, "no-such-package": "1"}))
    )


def test_gpus_of_another_kind_are_a_fault(wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "gpus/0000:01:00.0/information"
    information.parent.mkdir(parents=True)
    information.write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 24\n")
    monkeypatch.setattr(matting_tasks.preflight, "GPUS", tmp_path / "gpus")
    assert gpu_names() == ["NVIDIA H200"]

    def of(name: str) -> Wanted:
        numerics = replace(wanted.recipe.numerics, device_class=f"cuda:{name}")
        return replace(wanted, recipe=replace(wanted.recipe, numerics=numerics))

    assert look_at_node(of("NVIDIA H200")).faults == ()
    fault = only_fault(look_at_node(of("NVIDIA A100-SXM4-80GB")))
    assert "its GPUs are NVIDIA H200" in fault and "pinned to NVIDIA A100-SXM4-80GB" in fault


def test_the_word_is_taken_away_whatever_happens(tmp_path: Path) -> None:
    out = LocalFolder(tmp_path / "out")
    with pytest.raises(KeyError), left_word(out, "p"):
        assert out.read(f"{PROBES}/p/driver")
        out.write_atomic(f"{PROBES}/p/of-a-node-that-died", b"1")
        raise KeyError
    assert not list(out.list()) and not (tmp_path / "out/_cleanplate/preflight").exists()
