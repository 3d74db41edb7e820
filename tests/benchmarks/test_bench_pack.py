"""The benchmark of packs on a tiny capture: requests are counted, and the masks of both ways are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.bench_pack import SERVERS, measure, open_bench
from benchmarks.drawn_capture import Drawn
from s3_servers import NotServed

pytestmark = [
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*"),
]


@pytest.mark.slow
def test_packs_are_fewer_objects_and_requests_than_files(tmp_path: Path) -> None:
    try:
        with SERVERS["rclone"](tmp_path) as server:
            bench = open_bench(server, tmp_path, Drawn(2, 8, 64, 64, pads=False), 4)
            table = measure(bench, [0.0, 1.0], 1)
    except NotServed as reason:
        pytest.skip(str(reason))
    rows = {str(what): cells for what, *cells in table.rows}
    assert rows["of them masks or packs"] == ["32", "2"]
    puts = bench.requests("matte", "files")["put"] - bench.requests("matte", "packs")["put"]
    assert puts == 30
    assert bench.requests("qc", "packs")["get"] <= bench.requests("qc", "files")["get"]
    assert bench.requests("unpack", "packs")["put"] == 32
    assert "32 masks, the same bytes" in table.note
