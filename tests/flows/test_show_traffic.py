from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from captures import make_tiny
from chaos.fault_proxy import Faults, fault_proxy
from command_line import cleanplate, matte
from s3_servers import S3Server

from flows.show import plain_console
from flows.show_traffic import show_traffic, traffic_record
from manifests.storage import LocalFolder, open_folder
from manifests.traffic import KINDS, Traffic

TRAFFIC = {"s3://b/out": Traffic({"put": 1200, "get": 3}, 7, 2_000_000, 45_600_000), "/data": Traffic({"list": 1})}


def told(text: str) -> dict[str, dict[str, int]]:
    """Read the lines: requests by store and kind."""
    lines = re.findall(r"^Requests to (\S+): (.*?);", text, re.MULTILINE)
    return {url: {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", counts)} for url, counts in lines}


def test_a_line_says_what_a_store_was_asked() -> None:
    page = io.StringIO()
    show_traffic(plain_console(file=page, width=40), TRAFFIC)
    lines = page.getvalue().splitlines()
    assert lines[0] == "Requests to /data: 1 list, 0 get, 0 put, 0 head, 0 delete; 0 of them again; " + (
        "0.0 MB read, 0.0 MB written."
    )
    assert "1,200 put" in lines[1] and "7 of them again; 2.0 MB read, 45.6 MB written." in lines[1]


def test_the_record_is_json() -> None:
    record = json.loads(json.dumps(traffic_record(TRAFFIC)))
    assert record["s3://b/out"] == {
        "requests": {"put": 1200, "get": 3},
        "n_retries": 7,
        "bytes_in": 2_000_000,
        "bytes_out": 45_600_000,
    }


def test_a_run_on_disks_counts_frames_read_and_masks_written(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_frames=5), tmp_path / "out"
    ended = matte(capture, out, "--verbose")
    asked = told(ended.out)
    assert set(asked) == {str(capture), str(out)}
    assert asked[str(capture)]["get"] >= 10 + 2 and asked[str(capture)]["put"] == 0
    assert asked[str(out)]["put"] >= 20 + 2
    again = told(matte(capture, out, "--verbose").out)
    assert "Requests" not in matte(capture, out).out
    assert again[str(capture)]["get"] == 0 and again[str(out)]["put"] == 0
    for words in (("verify", out, "--deep"), ("enumerate", capture, "--out", out), ("reprocess", out, "--subject=031")):
        executor = ("--executor", "local") if words[0] == "reprocess" else ()
        assert told(cleanplate(*words, *executor, "-v").out)[str(out)]["get"] > 0
    record = json.loads(cleanplate("verify", out, "--deep", "--json").out)
    assert record["traffic"][str(out)]["requests"]["get"] >= 20


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_a_run_says_how_many_requests_the_server_saw(moto_s3: S3Server, tmp_path: Path) -> None:
    capture, faults, bucket = make_tiny(tmp_path / "capture"), Faults(), moto_s3.new_bucket()
    source, store = LocalFolder(capture), open_folder(bucket, moto_s3.options)
    for stat in source.list():
        store.write_atomic(f"capture/{stat.path}", source.read(stat.path))
    with fault_proxy(moto_s3.endpoint, faults) as endpoint:
        options = moto_s3.options | {"endpoint_url": endpoint}
        words = [word for name, value in options.items() for word in ("--storage-option", f"{name}={value}")]
        ended = matte(f"{bucket}/capture", f"{bucket}/out", "--verbose", *words)
        seen = dict(faults.passed)
        faults.passed.clear()
        checked = cleanplate("verify", f"{bucket}/out", "--verbose", *words)
    assert ended.code == checked.code == 0
    asked = told(ended.out)
    assert {kind: sum(one[kind] for one in asked.values()) for kind in KINDS} == {
        kind: seen.get(kind, 0) for kind in KINDS
    }
    assert told(checked.out)[f"{bucket}/out"] == {kind: faults.passed[kind] for kind in KINDS}


@pytest.mark.ray
def test_what_workers_on_ray_asked_is_counted(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_frames=5), tmp_path / "out"
    words = "--model", "plate-difference", "--workers", 2, "--json-lines"
    ended = cleanplate("matte", capture, "--out", out, *words)
    assert ended.code == 0
    traffic = json.loads(ended.out.splitlines()[-1])["traffic"]
    assert traffic[str(capture)]["requests"]["get"] >= 10 and traffic[str(out)]["requests"]["put"] >= 20
