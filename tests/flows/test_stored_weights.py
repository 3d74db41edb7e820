from __future__ import annotations

from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate
from reference_weights import write_reference_checkpoint
from s3_servers import S3Server

from flows.fit_plan import make_plan
from flows.fit_settings import FitSettings
from flows.resolve import resolve_weights
from flows.stored_weights import local_weights
from manifests.errors import WeightsRefused
from manifests.root import read_root
from manifests.storage import LocalFolder, open_folder
from models.checkpoints import load_state_dict
from models.registry import DEFAULT
from models.safetensors_file import write_safetensors

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]
MODEL = "mattingbase-mobilenetv2"


@pytest.fixture(autouse=True)
def folder_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_a_local_file_stays_where_it_is() -> None:
    assert local_weights("/data/w.pth", {}, print) == "/data/w.pth"
    assert local_weights(None, {}, print) is None


def test_weights_are_copied_from_the_store_as_they_are_now(moto_s3: S3Server, folder_of_weights: Path) -> None:
    url, said = moto_s3.new_bucket(), list[str]()
    store = open_folder(url, moto_s3.options)
    for data in (b"old", b"new"):
        store.write_atomic("deep/w.pth", data)
        path = local_weights(f"{url}/deep/w.pth", moto_s3.options, said.append)
        assert path is not None and Path(path).read_bytes() == data and Path(path).name == "w.pth"
    assert [path for path in folder_of_weights.rglob("*") if path.is_file()] == [Path(path)]
    assert url in said[0]


def test_weights_that_are_not_there_are_named(moto_s3: S3Server) -> None:
    url = moto_s3.new_bucket()
    with pytest.raises(WeightsRefused, match=f"{url}/w.pth: there is no such object"):
        local_weights(f"{url}/w.pth", moto_s3.options, print)
    with pytest.raises(WeightsRefused, match="cannot be copied"):
        local_weights(f"{url}/w.pth", {"endpoint_url": "http://127.0.0.1:9", "max_attempts": "0"}, print)


def test_a_fit_in_a_store_is_used_and_gone_on_with_as_it_was_fitted(moto_s3: S3Server, tmp_path: Path) -> None:
    file, url = tmp_path / "rig.safetensors", moto_s3.new_bucket()
    usual = resolve_weights(DEFAULT, None, None, print)
    assert usual is not None
    state = load_state_dict(usual.path)
    write_safetensors(file, state, {"parameters": '{"backbone_scale": 0.5, "refine_sample_pixels": 320}'}, half=True)
    open_folder(url, moto_s3.options).write_atomic("rig.safetensors", file.read_bytes())
    network, there = DEFAULT.partition("@")[0], f"{url}/rig.safetensors"
    options = [word for name, value in moto_s3.options.items() for word in ("--storage-option", f"{name}={value}")]
    common = ("--model", network, "--executor", "local", *options)
    ended = cleanplate("matte", make_tiny(tmp_path / "capture"), "--out", tmp_path / "out", "--weights", there, *common)
    assert ended.code == 0, ended.out + ended.err
    root = read_root(LocalFolder(tmp_path / "out"))
    assert root is not None
    found = dict(root.recipe.parameters)
    assert (found["backbone_scale"], found["refine_sample_pixels"]) == (0.5, 320)
    settings = FitSettings(model=network, start=there, storage_option=moto_s3.options)
    plan = make_plan(None, tmp_path / "fit", settings, "cpu", print)
    assert plan.parameters == {"backbone_scale": 0.5, "refine_sample_pixels": 320}


def test_a_run_takes_its_weights_from_a_store(moto_s3: S3Server, tmp_path: Path) -> None:
    file, url = write_reference_checkpoint(MODEL, tmp_path / "w.pth"), moto_s3.new_bucket()
    open_folder(url, moto_s3.options).write_atomic("w.pth", file.read_bytes())
    capture, common = make_tiny(tmp_path / "capture"), ("--model", MODEL, "--executor", "local")
    assert cleanplate("matte", capture, "--out", tmp_path / "wanted", "--weights", file, *common).code == 0
    options = [word for name, value in moto_s3.options.items() for word in ("--storage-option", f"{name}={value}")]
    ended = cleanplate("matte", capture, "--out", tmp_path / "out", "--weights", f"{url}/w.pth", *common, *options)
    assert ended.code == 0, ended.out + ended.err
    assert masks_below(tmp_path / "out") == masks_below(tmp_path / "wanted")
