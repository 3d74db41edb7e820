"""Bad books: manifests, receipts, the root record, decisions and numbers, as they are read by every command."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from captures import make_tiny
from command_line import matte
from corpus import damage, good
from corpus.verdicts import CRASHED, NAMED, RIGHT, SILENT, VALID, Verdict

from manifests.decisions import Decision, read_decisions
from manifests.errors import SchemaUnknown
from manifests.numbering import read_numbering, settle_numbering
from manifests.qc import CAMERAS, QC, QcFrames
from manifests.receipts import read_all_receipts
from manifests.root import ROOT, read_root
from manifests.sharding import FrameTable
from manifests.storage_memory import MemoryFolder
from manifests.tables import read_frames, read_plates, read_rows
from manifests.tables_qc import read_camera_measures, read_qc_frames

SUBJECTS = "031", "032"
DECISION = "_cleanplate/decisions/1.json"
NUMBERING = "_cleanplate/manifest/031.numbering.json"
Read = Callable[[MemoryFolder, str], object]


@dataclass(frozen=True)
class BadBook:
    """A bad file of the books, at its path; `is_json` where the format has no checksum."""

    kind: str
    path: str
    data: bytes
    is_json: bool


@cache
def books() -> Mapping[str, bytes]:
    """Return the books of an output root with two subjects, one of them joined, a decision and numbers."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        capture = make_tiny(Path(folder) / "capture", SUBJECTS, n_frames=2)
        first = matte(capture, out)
        second = matte(capture, out, "--quality", 80, "--subjects", SUBJECTS[0], "--cameras", "cam0", "--replace")
        assert (first.code, second.code) == (0, 0)
        files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    kept = MemoryFolder({path: data for path, data in files.items() if "/runs/" not in path})
    settle_numbering(kept, SUBJECTS[0], {"EMO-1-shout+laugh": 40, "EXP-1-head": 25})
    return {path: data for path, data in kept.files.items() if path.startswith("_cleanplate/")}


def bad_books(n_each: int, seed: int = 6) -> Iterator[BadBook]:
    """Yield damaged and foreign files of the books."""
    damages = {
        "cut": damage.cut,
        "1 bit flipped": damage.flips(1),
        "32 zeros": damage.hole(32),
        "512 zeros": damage.hole(512),
        "32 bytes of noise": damage.noise(32),
        "bytes lost": damage.lost,
        "bytes doubled": damage.doubled,
        "blocks swapped": damage.swapped,
    }
    tables = {path: data for path, data in books().items() if path.endswith(".parquet")}
    texts = {path: data for path, data in books().items() if path in (ROOT, DECISION, NUMBERING)}
    for kind, files in (("Parquet", tables), ("JSON", texts)):
        for name, path, data in damage.cases(seed, files, damages, n_each):
            yield BadBook(f"{kind}: {name}", path, data, kind == "JSON")
        for path in files:
            for data in _foreign(kind):
                yield BadBook(f"{kind}: foreign", path, data, False)


def judge_books(bads: Iterator[BadBook]) -> list[Verdict]:
    """Put each file in the place of the one that is whole, and read it as commands do."""
    return [_judge(bad) for bad in bads]


def read_book(folder: MemoryFolder, path: str) -> object:
    """Read a file of the books, and return what it says as something that can be compared."""
    if path in (ROOT, DECISION, NUMBERING):
        return _read_text(folder, path)
    if path.startswith("_cleanplate/ledger/"):
        subject = path.split("/")[2]
        _, damages = read_all_receipts(folder, subject)  # as verify reads it
        rows = read_rows(folder.read(path), path)  # as all others do
        if damages:
            raise SchemaUnknown(f"{damages[0].path}: {damages[0].text}")
        return rows
    if path.endswith(".plates.parquet"):
        return read_plates(folder.read(path), path)
    if path.startswith(CAMERAS):
        return read_camera_measures(folder.read(path), path)
    if path.startswith(QC):
        return _said(read_qc_frames(folder.read(path), path))
    frames, meta = read_frames(folder.read(path), path)
    return meta, frames.subject, [_column(frames, name) for name in [field.name for field in fields(FrameTable)][1:]]


def _read_text(folder: MemoryFolder, path: str) -> object:
    if path == ROOT:
        return read_root(folder)
    return read_decisions(folder, _root_decision()) if path == DECISION else read_numbering(folder, SUBJECTS[0])


def _said(frames: QcFrames) -> list[object]:
    """Return the columns of a table of QC; repr tells two unknown numbers to be the same."""
    columns = [getattr(frames, one.name) for one in fields(QcFrames) if one.name not in ("subject", "measures")]
    return [
        frames.subject,
        *(column.tolist() for column in columns),
        repr({k: v.tolist() for k, v in frames.measures.items()}),
    ]


def _judge(bad: BadBook) -> Verdict:
    wanted = read_book(MemoryFolder(dict(books())), bad.path)
    folder = MemoryFolder(dict(books()) | {bad.path: bad.data})
    try:
        found = read_book(folder, bad.path)
    except SchemaUnknown as err:
        return Verdict(bad.kind, NAMED if bad.path in str(err) else SILENT, f"{bad.path}: {err}")
    except Exception as err:  # noqa: BLE001 - whatever it is, no user should see it
        return Verdict(bad.kind, CRASHED, f"{bad.path}: {err!r}")
    if found == wanted:
        return Verdict(bad.kind, RIGHT, bad.path)
    return Verdict(bad.kind, VALID if bad.is_json else SILENT, f"{bad.path}: {found}"[:2000])


def _foreign(kind: str) -> Iterator[bytes]:
    """Yield whole files that are none of ours, or none of this kind."""
    yield from (data for _, data in good.foreign_files())
    for value in (None, True, 7, "text", [], {}, [[]], {"schema": 1}, {"spans": 7}, {"schema": "1", "recipe": []}):
        yield json.dumps(value).encode()
    yield b"[" * 100_000
    for table in _tables() if kind == "Parquet" else ():
        sink = io.BytesIO()
        pq.write_table(table, sink)
        yield sink.getvalue()


def _tables() -> Iterator[pa.Table]:
    yield pa.table({})
    yield pa.table({"a": [1, 2]})
    yield pa.table({"subject": ["031"], "camera": [1], "frame": ["zero"]})
    for said in (b"", b"{}", b"[]", b"7", b'{"table": "rows"}', b'{"schema": "x", "table": "frames"}', b"\xff\xfe"):
        yield pa.table({"subject": ["031"]}).replace_schema_metadata({b"cleanplate": said})
    for kind in ("frames", "plates", "rows", "qc", "qc of cameras"):
        said = json.dumps({"schema": 1, "table": kind, "subject": "031"}).encode()
        yield pa.table({"subject": ["031"]}).replace_schema_metadata({b"cleanplate": said})
        columns = {"subject": [b"\xff"], "camera": [[1]], "shard_id": [None], "status": [2], "frame": ["x"]}
        yield pa.table(columns).replace_schema_metadata({b"cleanplate": said})


def _root_decision() -> Decision:
    root = read_root(MemoryFolder(dict(books())))
    assert root is not None
    return root.decision


def _column(frames: FrameTable, name: str) -> list[object]:
    values = getattr(frames, name)
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
