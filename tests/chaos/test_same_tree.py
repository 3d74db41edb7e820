"""The same tree of masks, byte for byte, on a disk and on two S3 servers, undisturbed and disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.checking import check
from chaos.fault_proxy import Faults, fault_proxy
from chaos.job import Job
from chaos.packs import serve_moto_with_small_parts
from chaos.s3_faults import CLIENT, S3Faults, S3Stage, matte_words
from chaos.stage import zygote
from s3_servers import NotServed, serve_rclone

SERVERS = {"moto": serve_moto_with_small_parts, "rclone": serve_rclone}

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]


@pytest.fixture(scope="module", params=["moto", pytest.param("rclone", marks=pytest.mark.slow)])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Stage]:
    try:
        made = S3Stage(tmp_path_factory.mktemp(request.param), SERVERS[request.param], n_frames=6)
    except NotServed as reason:
        pytest.skip(str(reason))
    yield made
    made.close()


def test_an_undisturbed_run_on_a_store_leaves_the_tree_of_a_disk(stage: S3Stage, tmp_path: Path) -> None:
    out = f"{stage.bucket}/undisturbed"
    assert run(stage, stage.on_store, out, stage.server.endpoint, tmp_path) == 0
    assert check(stage.folder(out), stage.beside).are_none
    assert len(stage.beside.files) == 2 * stage.n_model_frames


def test_a_disturbed_run_on_a_store_leaves_the_tree_of_a_disk(stage: S3Stage, tmp_path: Path) -> None:
    seed = 2 if stage.serve is serve_rclone else 0  # one of them in place
    one = S3Faults("short", stage.serve).play(stage, seed, tmp_path)
    assert one.is_good, one
    assert one.faults > 5


@pytest.mark.slow
def test_packs_uploaded_in_parts_through_faults_hold_the_masks_of_a_disk(stage: S3Stage, tmp_path: Path) -> None:
    one = S3Faults("packs, short", stage.serve, part_bytes=4000).play(stage, 0, tmp_path, "packs")
    assert one.is_good, one
    assert one.faults > 3


def test_a_fault_that_outlasts_all_tries_is_a_shard_by_name_and_the_same_command_completes_it(
    stage: S3Stage, tmp_path: Path
) -> None:
    out = f"{stage.bucket}/lost"
    faults = Faults(lost_path="lost/031/images/0003/mask_cam1.jpg")
    with fault_proxy(stage.server.endpoint, faults) as endpoint:
        assert run(stage, stage.on_store, out, endpoint, tmp_path, max_attempts="1") == 1
        said = (tmp_path / "log").read_text()
        assert "_cam1_0-5_" in said and "the store failed" in said and "_cam0_0-5_" not in said
        kept = {stat.path for stat in stage.folder(out).list("_cleanplate/ledger/031")}
        assert [path.split("/")[-1][:9] for path in kept] == ["_cam0_0-5"]
        faults.lost_path = ""
        assert run(stage, stage.on_store, out, endpoint, tmp_path, max_attempts="1") == 0
    assert check(stage.folder(out), stage.beside).are_none


def run(stage: S3Stage, capture: str, out: str, endpoint: str, folder: Path, **options: str) -> int:
    """Run the command in a process of its own, and return its exit code."""
    words = matte_words(capture, out, **(stage.server.options | CLIENT | {"endpoint_url": endpoint} | options))
    return zygote().run(Job(words, log=str(folder / "log")))
