"""Capture, manifest and masks on a disk or a store, in any mix: the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate, matte
from s3_servers import S3Server

from manifests.storage import Folder, LocalFolder, open_folder

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]


@pytest.fixture(params=["moto_s3", "rclone_s3"], ids=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> S3Server:
    made: S3Server = request.getfixturevalue(request.param)
    return made


def masks_of(folder: Folder) -> dict[str, bytes]:
    found = (stat.path for stat in folder.list() if "/mask_" in stat.path)
    return {path: folder.read(path) for path in sorted(found)}


def copy(source: Path, target: Folder) -> None:
    folder = LocalFolder(source)
    for stat in folder.list():
        target.write_atomic(stat.path, folder.read(stat.path))


def test_masks_are_the_same_wherever_capture_and_masks_lie(server: S3Server, tmp_path: Path) -> None:
    capture, bucket = make_tiny(tmp_path / "capture"), server.new_bucket()
    assert matte(capture, tmp_path / "wanted").code == 0
    wanted = masks_below(tmp_path / "wanted")
    for name in ("capture", "both"):
        copy(capture, open_folder(f"{bucket}/{name}", server.options))
    options = [word for name, value in server.options.items() for word in ("--storage-option", f"{name}={value}")]
    mixes = [
        (f"{bucket}/capture", str(tmp_path / "from-store")),
        (str(capture), f"{bucket}/from-disk"),
        (f"{bucket}/both", f"{bucket}/both"),
    ]
    for source, out in mixes:
        ended = matte(source, out, *options)
        assert ended.code == 0, ended.out + ended.err
        assert masks_of(open_folder(out, server.options)) == wanted, (source, out)
        assert cleanplate("verify", out, "--deep", *options).code == 0
        assert "Nothing to do" in matte(source, out, *options).out
    assert not [stat for stat in open_folder(f"{bucket}/capture", server.options).list("_cleanplate")]


def test_credentials_and_endpoint_come_from_the_environment_too(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, bucket = make_tiny(tmp_path / "capture"), server.new_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.options["secret"])
    assert matte(capture, f"{bucket}/out", "--storage-option", "region_name=us-east-1").code == 0
    assert len(masks_of(open_folder(f"{bucket}/out", server.options))) == 12


def test_a_profile_names_credentials_and_endpoint(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = (
        f"[lab]\naws_access_key_id = {server.options['key']}\naws_secret_access_key = {server.options['secret']}\n"
    )
    (tmp_path / "credentials").write_text(profile)
    (tmp_path / "config").write_text(f"[profile lab]\nendpoint_url = {server.endpoint}\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    folder = open_folder(server.new_bucket(), {"profile": "lab"})
    folder.write_atomic("a", b"1")
    assert folder.read("a") == b"1"


def test_an_option_that_there_is_not_is_named(server: S3Server, tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    ended = matte(capture, f"{server.new_bucket()}/out", "--storage-option", "endpoint=hunter2")
    assert ended.code == 2 and "--storage-option endpoint:" in ended.err and "hunter2" not in ended.err
