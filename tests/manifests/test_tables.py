"""Tables: what is written is read, older files too, and foreign ones are refused by name."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import tables
from manifests.errors import SchemaUnknown
from manifests.records import STATUSES, FrameRow, Plate
from manifests.sharding import FrameTable

Tables = Callable[..., FrameTable]

META = {"subject": "031", "capture": "/data", "fingerprint_rule": "stat", "layout": "gha"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.none() | st.integers(0, 2**40)
SHARE = st.none() | st.floats(allow_nan=False)
ROWS = st.builds(
    FrameRow,
    subject=TEXT,
    sequence=TEXT,
    camera=TEXT,
    shard_id=TEXT,
    status=st.sampled_from(STATUSES),
    **{name: st.integers(0, 2**31 - 1) for name in ("frame", "source_frame", "decision")},
    **{
        name: st.none() | TEXT for name in ("error", "note", "mask_path", "mask_sha256", "lowres_path", "lowres_sha256")
    },
    **{name: NUMBER for name in ("mask_bytes", "lowres_bytes", "n_components")},
    **{name: SHARE for name in ("coverage", "error_mean", "error_p99", "border_top", "decode_s", "encode_s")},
)
ROW = FrameRow("031", "", "A", 3, 3, "shard", 0, "ok", coverage=0.25, mask_bytes=100)


def _rewritten(data: bytes, change: Callable[[pa.Table], pa.Table], **meta: Any) -> bytes:
    """Return the file after `change`, with the stored meta overridden."""
    table = pq.read_table(io.BytesIO(data))
    stored = json.loads(table.schema.metadata[b"cleanplate"]) | meta
    sink = io.BytesIO()
    pq.write_table(change(table).replace_schema_metadata({b"cleanplate": json.dumps(stored).encode()}), sink)
    return sink.getvalue()


def _assert_same(one: FrameTable, other: FrameTable) -> None:
    for field in fields(FrameTable):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name == "subject":
            assert mine == theirs
        else:
            assert mine.dtype == theirs.dtype, field.name
            assert mine.tolist() == theirs.tolist(), field.name


@given(st.lists(ROWS, max_size=5))
def test_rows_are_read_as_they_were_written(rows: list[FrameRow]) -> None:
    read, meta = tables.read_rows(tables.write_rows(rows, {"recipe_id": "r", "host": "node"}), "receipt")
    assert read == rows
    assert (meta["recipe_id"], meta["host"]) == ("r", "node")


@given(keys=st.sets(st.tuples(TEXT, TEXT, st.integers(0, 2**31 - 1)), max_size=8))
def test_frames_are_read_as_they_were_written(make_table: Tables, keys: set[tuple[str, str, int]]) -> None:
    table = make_table(keys)
    read, meta = tables.read_frames(tables.write_frames(table, META), "manifest")
    _assert_same(read, table)
    assert meta["capture"] == "/data"


def test_frames_keep_what_is_not_known_when_they_are_written(make_table: Tables) -> None:
    plain = make_table([("", "A", 0), ("", "A", 1)])
    seen, mark = plain.visible_path.copy(), plain.visible_fingerprint.copy()
    seen[1], mark[1] = "031/images/0001/visible_A.jpg", "5-5"
    table = replace(
        plain,
        visible_path=seen,
        visible_fingerprint=mark,
        mtime_ns=np.array([-1, 2**60], dtype=np.int64),
        size_bytes=np.array([0, 2**40], dtype=np.int64),
        width=np.array([0, 2200], dtype=np.int32),
        height=np.array([0, 3208], dtype=np.int32),
    )
    read, _ = tables.read_frames(tables.write_frames(table, META), "manifest")
    _assert_same(read, table)
    assert read.frames(np.array([0]))[0].visible_path is None
    assert read.frames(np.array([1]))[0].visible_path == "031/images/0001/visible_A.jpg"


def test_plates_are_read_as_they_were_written() -> None:
    plates = {
        "A": Plate("031", "A", "031/background/image_A.jpg", "7-1", "ok", 7, 2200, 3208),
        "B": Plate("031", "B", None, "", "missing"),
        "C": Plate("031", "C", "031/background/image_C.jpg", "7-2", "unreadable", 7),
    }
    assert tables.read_plates(tables.write_plates(plates.values(), META), "plates") == plates


def test_failed_counts_are_those_of_the_rows_of_each_shard() -> None:
    statuses = {"one": ["ok", "ok"], "two": ["ok", "undecodable", "crashed"], "three": ["missing_plate"]}
    rows = [replace(ROW, shard_id=shard, status=status) for shard, found in statuses.items() for status in found]
    assert tables.read_failed_counts(tables.write_rows(rows, {}), "f") == {"one": 0, "two": 2, "three": 1}


@pytest.mark.parametrize("name", ["note", "coverage", "lowres_bytes", "border_right"])
def test_rows_have_none_when_an_older_file_lacks_the_column(name: str) -> None:
    old = _rewritten(tables.write_rows([ROW, ROW], {}), lambda table: table.drop_columns([name]))
    read, _ = tables.read_rows(old, "receipt")
    assert read == [replace(ROW, **{name: None})] * 2


@pytest.mark.parametrize(
    ("name", "unknown"), [("etag", ""), ("visible_path", ""), ("width", 0), ("mtime_ns", -1), ("kind", "")]
)
def test_frames_have_the_unknown_value_when_an_older_file_lacks_the_column(
    make_table: Tables, name: str, unknown: object
) -> None:
    table = replace(make_table([("", "A", 0), ("", "A", 1)]), width=np.array([5, 5], dtype=np.int32))
    old = _rewritten(tables.write_frames(table, META), lambda found: found.drop_columns([name]))
    read, _ = tables.read_frames(old, "manifest")
    assert getattr(read, name).tolist() == [unknown] * 2
    _assert_same(replace(read, **{name: getattr(table, name)}), table)


def test_plates_are_read_when_an_older_file_lacks_the_sizes_in_pixels() -> None:
    plate = Plate("031", "A", "a.jpg", "7-1", "ok", 7, 10, 20)
    old = _rewritten(tables.write_plates([plate], META), lambda table: table.drop_columns(["width", "height"]))
    assert tables.read_plates(old, "plates") == {"A": replace(plate, width=None, height=None)}


def _with_later_column(table: pa.Table) -> pa.Table:
    return table.append_column("added_later", pa.array(["x"] * len(table)))


def test_rows_and_frames_are_read_when_a_file_has_a_column_more(make_table: Tables) -> None:
    assert tables.read_rows(_rewritten(tables.write_rows([ROW], {}), _with_later_column), "f")[0] == [ROW]
    table = make_table([("", "A", 0)])
    _assert_same(tables.read_frames(_rewritten(tables.write_frames(table, META), _with_later_column), "f")[0], table)


def test_plates_are_read_when_a_file_has_a_column_more() -> None:
    plate = Plate("031", "A", "a.jpg", "7-1", "ok", 7, 10, 20)
    assert tables.read_plates(_rewritten(tables.write_plates([plate], META), _with_later_column), "f") == {"A": plate}


READERS: dict[str, Callable[[bytes, str], object]] = {
    "frames": tables.read_frames,
    "plates": tables.read_plates,
    "rows": tables.read_rows,
    "counts": tables.read_failed_counts,
}


@pytest.fixture(scope="session")
def written(make_table: Tables) -> dict[str, bytes]:
    """Return a file for each reader."""
    rows = tables.write_rows([ROW] * 3, {})
    return {
        "frames": tables.write_frames(make_table([("", "A", frame) for frame in range(3)]), META),
        "plates": tables.write_plates([Plate("031", "A", "a.jpg", "7-1", "ok", 7, 10, 20)], META),
        "rows": rows,
        "counts": rows,
    }


@pytest.mark.parametrize("kind", READERS)
def test_file_is_refused_by_its_name_when_its_schema_is_newer(written: dict[str, bytes], kind: str) -> None:
    newer = _rewritten(written[kind], lambda table: table, schema=tables.SCHEMA_VERSION + 1)
    with pytest.raises(SchemaUnknown, match=r"some/file\.parquet.*update"):
        READERS[kind](newer, "some/file.parquet")


@pytest.mark.parametrize("kind", READERS)
def test_file_is_refused_by_its_name_when_it_is_cut_off_anywhere(written: dict[str, bytes], kind: str) -> None:
    whole = written[kind]
    for size_bytes in range(0, len(whole), 7):
        with pytest.raises(SchemaUnknown, match=r"some/file\.parquet"):
            READERS[kind](whole[:size_bytes], "some/file.parquet")


def _foreign() -> dict[str, bytes]:
    sink = io.BytesIO()
    pq.write_table(pa.table({"shard_id": ["x"], "status": ["ok"]}), sink)
    return {"parquet": sink.getvalue(), "text": b"subject,camera\n031,A\n", "empty": b"", "zeros": b"\x00" * 4096}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("foreign", ["parquet", "text", "empty", "zeros"])
def test_file_is_refused_by_its_name_when_it_is_foreign(kind: str, foreign: str) -> None:
    with pytest.raises(SchemaUnknown, match=r"some/file\.parquet"):
        READERS[kind](_foreign()[foreign], "some/file.parquet")


@pytest.mark.parametrize(
    ("kind", "other"), [("frames", "rows"), ("rows", "frames"), ("plates", "rows"), ("counts", "frames")]
)
def test_file_is_refused_when_it_is_the_table_of_another_record(
    written: dict[str, bytes], kind: str, other: str
) -> None:
    with pytest.raises(SchemaUnknown):
        READERS[kind](written[other], "some/file.parquet")


def test_columns_of_rows_are_tuples_and_those_that_an_older_version_lacked_are_none() -> None:
    row = FrameRow("031", "", "A", 3, 3, "one", 0, "ok", mask_bytes=5)
    data = tables.write_rows([row], {})
    assert tables.read_row_columns(data, "f", ["frame", "status", "mask_bytes", "lowres_path"]) == [(3, "ok", 5, None)]
    assert tables.read_row_columns(data, "f", ["frame", "not_yet"]) == [(3, None)]
    with pytest.raises(SchemaUnknown):
        tables.read_row_columns(data[:-9], "f", ["frame"])


READ_AND_COUNT_THREADS = """
import os, sys
from manifests.records import FrameRow
from manifests.tables import read_failed_counts, read_rows, write_rows

rows = [FrameRow("031", "", "cam", frame, frame, "shard", 0, "ok") for frame in range(20_000)]
data = write_rows(rows, {})
before = set(os.listdir("/proc/self/task"))
for _ in range(3):
    read_rows(data, "receipt")
    read_failed_counts(data, "receipt")
started = set(os.listdir("/proc/self/task")) - before
print([open(f"/proc/self/task/{task}/comm").read() for task in started])
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks Linux for the threads of a process")
def test_no_thread_is_left_that_could_hold_what_was_read_while_python_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", READ_AND_COUNT_THREADS], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


def test_records_for_other_programs_keep_their_types_where_all_are_missing(tmp_path: Path) -> None:
    records = [{"file": "a", "mad": None, "n": 3, "left out": 1}, {"file": "b", "mad": None, "n": None}]
    (tmp_path / "t.parquet").write_bytes(
        tables.write_records("made up", {"file": str, "mad": float, "n": int}, records)
    )
    read = pq.read_table(tmp_path / "t.parquet")
    assert [str(field.type) for field in read.schema] == ["string", "double", "int64"]
    assert read.to_pylist() == [{"file": "a", "mad": None, "n": 3}, {"file": "b", "mad": None, "n": None}]
