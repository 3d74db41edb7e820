"""Tables: one pyarrow schema a record, rows <-> Parquet. The home of pyarrow."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.errors import SchemaNewer, SchemaUnknown
from manifests.records import FrameRow, Plate
from manifests.sharding import FrameTable

SCHEMA_VERSION = 1

_NAME = pa.dictionary(pa.int32(), pa.string())

FRAMES = pa.schema(
    [
        ("subject", _NAME),
        ("sequence", _NAME),
        ("camera", _NAME),
        ("frame", pa.int32()),
        ("source_frame", pa.int32()),
        ("path", pa.string()),
        ("kind", _NAME),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("etag", pa.string()),
        ("fingerprint", pa.string()),
        ("visible_path", pa.string()),
        ("visible_fingerprint", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("video_frames", pa.int32()),
    ]
)

PLATES = pa.schema(
    [
        ("subject", pa.string()),
        ("camera", pa.string()),
        ("path", pa.string()),
        ("fingerprint", pa.string()),
        ("status", pa.string()),
        ("size_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)

_ARROW = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}

ROWS = pa.schema([(field.name, _ARROW[str(field.type).split(" | ")[0]]) for field in fields(FrameRow)])

Meta = dict[str, Any]

_NEVER_NULL = {
    "frames": ("sequence", "camera", "frame", "path"),
    "plates": ("subject", "camera", "fingerprint", "status"),
    "rows": ("subject", "sequence", "camera", "frame", "shard_id", "decision", "status"),
    "qc": ("sequence", "camera", "frame", "status", "verdict"),
    "qc of cameras": ("sequence", "camera", "measure", "verdict"),
}

_META, _CHECK = b"cleanplate", b"cleanplate.check"
"""Keys of a file's metadata; files of older versions have no check."""


class _StoredFrames(FrameTable):
    """Frames as they were read: a column becomes an array when it is first asked for, for a plan needs only some."""

    __slots__ = ("_arrow",)
    _arrow: pa.Table

    @staticmethod
    def of(subject: str, arrow: pa.Table) -> FrameTable:
        """Return the frames of a table that was checked."""
        table = object.__new__(_StoredFrames)
        object.__setattr__(table, "subject", subject)
        object.__setattr__(table, "_arrow", arrow)
        return table

    def __getattr__(self, name: str) -> np.ndarray:
        """Make the array of a column; called only for one that is not there yet."""
        if name not in FRAMES.names:
            raise AttributeError(name)
        column = _column(self._arrow, name)
        object.__setattr__(self, name, column)
        return column


def write_frames(table: FrameTable, meta: Mapping[str, Any]) -> bytes:
    """Return a subject's frames as Parquet; `meta` is stored as JSON beside the schema version."""
    columns: dict[str, Any] = {"subject": np.full(len(table), table.subject, dtype=object)}
    for name in FRAMES.names[1:]:
        values = getattr(table, name)
        null = _null_mask(name, values)
        columns[name] = pa.array(values, type=_plain_type(FRAMES.field(name).type), mask=null)
    arrow = pa.table(columns).cast(FRAMES)
    return to_parquet("frames", arrow, meta)


def read_frames(data: bytes, path: str) -> tuple[FrameTable, Meta]:
    """Return a subject's frames and the stored meta; raises SchemaUnknown for a file that is not one of ours."""
    arrow, meta = from_parquet("frames", data, path, FRAMES)
    return _StoredFrames.of(meta["subject"], arrow), meta


def write_plates(plates: Iterable[Plate], meta: Mapping[str, Any]) -> bytes:
    """Return the plates of a subject as Parquet."""
    return to_parquet("plates", pa.Table.from_pylist([asdict(plate) for plate in plates], schema=PLATES), meta)


def read_plates(data: bytes, path: str) -> dict[str, Plate]:
    """Return the plates of a subject by camera."""
    arrow, _ = from_parquet("plates", data, path, PLATES)
    return {row["camera"]: Plate(**row) for row in arrow.select(PLATES.names).to_pylist()}


def write_rows(rows: Sequence[FrameRow], meta: Mapping[str, Any]) -> bytes:
    """Return the rows of a receipt as Parquet."""
    columns = [pa.array([getattr(row, field.name) for row in rows], type=field.type) for field in ROWS]
    return to_parquet("rows", pa.table(columns, schema=ROWS), meta)


def read_rows(data: bytes, path: str) -> tuple[list[FrameRow], Meta]:
    """Return the rows of a receipt, or of a compacted file, and its meta."""
    arrow, meta = from_parquet("rows", data, path, ROWS)
    return [FrameRow(**row) for row in arrow.select(ROWS.names).to_pylist()], meta


def read_row_columns(data: bytes, path: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return some columns of the rows of a receipt, as one tuple a row."""
    arrow, _ = from_parquet("rows", data, path, ROWS, names)
    known = set(arrow.column_names)
    empty = [None] * len(arrow)
    return list(zip(*(arrow[name].to_pylist() if name in known else empty for name in names), strict=True))


def read_failed_counts(data: bytes, path: str) -> dict[str, int]:
    """Return shard_id -> number of rows that are not ok, reading two columns of a compacted file."""
    arrow, _ = from_parquet("rows", data, path, ROWS, ["shard_id", "status"])
    shards = arrow["shard_id"].combine_chunks().dictionary_encode()
    is_failed = pc.not_equal(arrow["status"], "ok").fill_null(True).to_numpy()
    counts = np.bincount(shards.indices.to_numpy(), weights=is_failed, minlength=len(shards.dictionary))
    return dict(zip(shards.dictionary.to_pylist(), counts.astype(int).tolist(), strict=True))


def read_failed_rows(data: bytes, path: str) -> list[FrameRow]:
    """Return the rows of a receipt, or of a compacted file, that are not ok."""
    arrow, _ = from_parquet("rows", data, path, ROWS)
    failed = arrow.filter(pc.not_equal(arrow["status"], "ok").fill_null(True))
    return [FrameRow(**row) for row in failed.select(ROWS.names).to_pylist()]


def write_records(kind: str, columns: Mapping[str, type], records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return records as Parquet for other programs; `columns` are their names with str, int or float."""
    schema = pa.schema([(name, _ARROW[of.__name__]) for name, of in columns.items()])
    return to_parquet(kind, pa.Table.from_pylist(list(records), schema=schema), {})


def to_parquet(kind: str, arrow: pa.Table, meta: Mapping[str, Any]) -> bytes:
    """Return a table as Parquet, its kind, schema version and `meta` beside it, pages and footer with checksums."""
    said = json.dumps({"schema": SCHEMA_VERSION, "table": kind, **meta}, sort_keys=True).encode()
    stored = {_META: said, _CHECK: _check(arrow.schema, len(arrow), said)}
    sink = io.BytesIO()
    pq.write_table(arrow.replace_schema_metadata(stored), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def from_parquet(
    kind: str, data: bytes, path: str, schema: pa.Schema, columns: Sequence[str] | None = None
) -> tuple[pa.Table, Meta]:
    """Parse one of our files; columns that an older version did not have are filled with nulls."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False, page_checksum_verification=True)
        stored = file.schema_arrow.metadata or {}
        meta: Meta = json.loads(stored[_META])
        if _CHECK in stored and stored[_CHECK] != _check(file.schema_arrow, file.metadata.num_rows, stored[_META]):
            raise ValueError("its footer does not match its checksum")
        if meta["table"] != kind or not isinstance(meta["schema"], int):
            raise ValueError(f"a table of {meta['table']}, not of {kind}")
        # no thread of Arrow's may hold these bytes: one that lets go of them while Python ends aborts the process
        arrow = file.read(columns=None if columns is None else list(columns), use_threads=False)
        arrow.validate(full=True)
        _check_columns(arrow, schema, _NEVER_NULL[kind] if columns is None else columns[:1])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as err:
        raise SchemaUnknown(
            f"{path} is not a table of {kind} of cleanplate's ({type(err).__name__}: {err}): it is damaged or foreign. "
            "Delete it; a manifest is made again from the capture, a receipt by matting its frames again."
        ) from err
    if meta["schema"] > SCHEMA_VERSION:
        raise SchemaNewer(
            f"{path} has schema {meta['schema']}, this cleanplate reads up to {SCHEMA_VERSION}: update cleanplate."
        )
    for field in schema:
        if columns is None and field.name not in arrow.column_names:
            arrow = arrow.append_column(field, pa.nulls(len(arrow), field.type))
    return arrow, meta


def _check_columns(arrow: pa.Table, schema: pa.Schema, needed: Sequence[str]) -> None:
    """Raise ValueError where a column has another type than ours, KeyError where a needed one is not there."""
    for name in arrow.column_names:
        place = schema.get_field_index(name)
        if place >= 0 and not arrow.schema.field(name).type.equals(schema.field(place).type):
            raise ValueError(f"the column {name} is of type {arrow.schema.field(name).type}")
    for name in needed:
        if arrow[name].null_count:
            raise ValueError(f"the column {name} has no value in {arrow[name].null_count} rows")


def _check(schema: pa.Schema, n_rows: int, said: bytes) -> bytes:
    """Return a checksum of what stands in the footer: those of Parquet cover the pages alone."""
    told = repr([n_rows, *((field.name, str(field.type)) for field in schema)]).encode()
    return f"{zlib.crc32(told + said):08x}".encode()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _null_mask(name: str, values: np.ndarray) -> np.ndarray | None:
    """Say which values mean 'not known': 0 for sizes in pixels, -1 for mtime_ns, empty for optional text."""
    stand_ins: dict[str, Any] = {
        "width": 0,
        "height": 0,
        "mtime_ns": -1,
        "etag": "",
        "visible_path": "",
        "visible_fingerprint": "",
    }
    return np.asarray(values == stand_ins[name], dtype=bool) if name in stand_ins else None


def _mostly_differ(column: pa.Array) -> bool:
    """Tell whether rows that follow each other mostly have different texts."""
    return len(column) > 1 and 2 * (pc.sum(pc.equal(column[1:], column[:-1])).as_py() or 0) < len(column)


def _column(arrow: pa.Table, name: str) -> np.ndarray:
    """Return a column as numpy, with the stand-ins of `_null_mask` for nulls."""
    column, kind = arrow[name].combine_chunks(), FRAMES.field(name).type
    if pa.types.is_integer(kind):
        missing = -1 if name == "mtime_ns" else 0
        return np.asarray(column.fill_null(missing).to_numpy(zero_copy_only=False), dtype=kind.to_pandas_dtype())
    if pa.types.is_string(column.type) and _mostly_differ(column):
        found: np.ndarray = column.fill_null("").to_numpy(zero_copy_only=False)
        return found
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts: np.ndarray = np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)  # shared by their rows
    places: np.ndarray = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    rows: np.ndarray = texts[places]
    return rows
