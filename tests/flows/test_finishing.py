"""Runs on a cluster that was joined: as one in process, finished beside, with the nodes that can."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import make_tiny
from command_line import cleanplate, matte
from output_roots import all_masks
from ray_heads import Head, can_mount, ray_head
from reference_weights import write_reference_checkpoint

from manifests.ledger import list_receipts
from manifests.qc import read_subject_qc
from manifests.storage import LocalFolder

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

MODEL = ("--model", "plate-difference", "--device", "cpu")


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head() as one:
        yield one


def test_a_run_on_a_cluster_is_as_one_in_process(head: Head, tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=2, n_frames=3)
    out, alone = tmp_path / "out", tmp_path / "alone"
    ended = head.run("matte", capture, "--out", out, *MODEL, "--ray-address", head.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert matte(capture, alone).code == 0
    assert all_masks(out) == all_masks(alone)
    for subject in ("031", "032"):
        mine, theirs = (read_subject_qc(LocalFolder(root), subject) for root in (out, alone))
        assert mine is not None and theirs is not None
        assert [camera.verdict for camera in mine.cameras] == [camera.verdict for camera in theirs.cameras]
    receipts = list_receipts(LocalFolder(out))
    assert [len(paths) for paths in receipts.values()] == [1, 1], "the receipts of complete subjects are joined"
    assert not list((out / "_cleanplate").glob("preflight/*")), "what the nodes were left to read is gone"
    again = head.run("matte", capture, "--out", out, *MODEL, "--ray-address", head.address)
    assert again.returncode == 0 and "Nothing to do" in again.stdout


@pytest.mark.slow
def test_nodes_that_lack_something_get_no_worker_and_are_named(tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("no right to make mounts, which let two nodes of one machine see different files")
    capture, out, empty = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=3), tmp_path / "out", tmp_path / "empty"
    weights = tmp_path / "weights/mattingbase.pth"
    for folder in (out, empty, weights.parent):
        folder.mkdir()
    write_reference_checkpoint("mattingbase-resnet50", weights)
    words = ("matte", capture, "--out", out, "--model", "mattingbase-resnet50", "--weights", weights)
    with ray_head(n_cpus=0) as one:
        one.add_node(f"mount --bind {empty} {weights.parent}")
        ended = one.run(*words, "--ray-address", one.address)
        assert ended.returncode == 1 and "No node of the Ray cluster can work (1 looked at)" in ended.stderr
        assert f"the weights {weights} are not there" in ended.stderr and "CLEANPLATE_WEIGHTS" in ended.stderr
        one.add_node(f"mount --bind {out} {out} && mount -o remount,ro,bind {out}")
        one.add_node()
        ended = one.run(*words, "--ray-address", one.address)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        said = ended.stdout + ended.stderr
        assert "are not there" in said and "cannot write to the output root" in said
        assert said.count("it gets no worker") == 2


@pytest.mark.slow
def test_a_cluster_with_another_ray_is_named_with_both_versions(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=1)
    with ray_head(version="2.57.0") as one:
        ended = one.run("matte", capture, "--out", tmp_path / "out", *MODEL, "--ray-address", one.address)
    assert (
        ended.returncode == 1 and "the cluster runs Ray: 2.57.0" in ended.stderr and "cleanplate submit" in ended.stderr
    )


@pytest.mark.slow
def test_a_command_is_sent_followed_listed_and_stopped(head: Head, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031",), n_cameras=2, n_frames=3), tmp_path / "out"
    send = ("submit", "--ray-address", head.dashboard)
    ended = head.run(*send, "--", "matte", capture, "--out", out, *MODEL)
    assert ended.returncode == 0 and "6 frames matted" in ended.stdout, ended.stdout + ended.stderr
    assert len(all_masks(out)) == 12
    failed = head.run(*send, "--", "status", tmp_path / "nowhere")
    assert failed.returncode == 2 and "is not an output root" in failed.stdout
    large = make_tiny(tmp_path / "large", ("031", "032"), n_cameras=4, n_frames=256)
    sent = head.run(*send, "--no-wait", "--", "matte", large, "--out", tmp_path / "later", *MODEL, "--no-qc")
    name = sent.stdout.split("Submitted as ")[1].split(".")[0]
    deadline = time.monotonic() + 120
    while not list((tmp_path / "later").glob("_cleanplate/ledger/*/*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    stopped = head.run(*send, "--stop", name)
    assert stopped.returncode == 0 and f"{name}: stopped" in stopped.stdout
    listed = head.run(*send, "--list").stdout
    assert listed.count("raysubmit_") == 3 and "stopped" in listed and "exit code 2" in listed
    assert cleanplate("verify", tmp_path / "later").code == 1, "frames are pending, and nothing is damaged"
    again = head.run(*send, "--", "matte", large, "--out", tmp_path / "later", *MODEL, "--no-qc")
    assert again.returncode == 0 and cleanplate("verify", tmp_path / "later", "--deep").code == 0
    followed = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, send), "--follow", name],
        env=head.environment,
        capture_output=True,
        text=True,
    )
    assert "Matting with" in followed.stdout, "what a command printed can be read when it has ended"
