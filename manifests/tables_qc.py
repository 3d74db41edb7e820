"""Tables of QC: frames as columns and camera measures as rows <-> Parquet. Lives beside `tables`, pyarrow's home."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from manifests.errors import SchemaUnknown
from manifests.measures import FRAME_MEASURES
from manifests.qc import CameraMeasure, CameraVerdict, QcFrames, SubjectQc
from manifests.tables import from_parquet, to_parquet

_NAME = pa.dictionary(pa.int32(), pa.string())
_KINDS: Mapping[str, pa.DataType] = {
    "sequence": _NAME,
    "camera": _NAME,
    "frame": pa.int32(),
    "source_frame": pa.int32(),
    "decision": pa.int32(),
    "status": _NAME,
    "model": _NAME,
    "mask_path": pa.string(),
    "lowres_path": pa.string(),
    "verdict": _NAME,
    "measure": _NAME,
}

QC_FRAMES = pa.schema([*_KINDS.items(), *((name, pa.float64()) for name in FRAME_MEASURES)])

QC_CAMERAS = pa.schema(
    [
        ("sequence", pa.string()),
        ("camera", pa.string()),
        ("measure", pa.string()),
        ("n_frames", pa.int64()),
        ("median", pa.float64()),
        ("p95", pa.float64()),
        ("worst", pa.float64()),
        ("worst_frames", pa.string()),
        ("value", pa.float64()),
        ("limit", pa.float64()),
        ("verdict", pa.string()),
    ]
)

QC_VERDICTS = pa.schema(
    [
        ("subject", pa.string()),
        ("sequence", pa.string()),
        ("camera", pa.string()),
        ("n_frames", pa.int64()),
        ("n_ok", pa.int64()),
        ("n_review", pa.int64()),
        ("n_fail", pa.int64()),
        ("verdict", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("limit", pa.float64()),
        ("worst_frames", pa.string()),
    ]
)


def write_qc_frames(frames: QcFrames, meta: Mapping[str, Any]) -> bytes:
    """Return the QC of a subject's frames as Parquet."""
    columns = [pa.array(getattr(frames, name)).cast(kind) for name, kind in _KINDS.items()]
    for name in FRAME_MEASURES:
        values = frames.measures.get(name)
        columns.append(
            pa.nulls(len(frames), pa.float64()) if values is None else pa.array(values, pa.float64(), from_pandas=True)
        )
    return to_parquet("qc", pa.table(columns, schema=QC_FRAMES), {"subject": frames.subject, **meta})


def read_qc_frames(data: bytes, path: str, measures: Sequence[str] | None = None) -> QcFrames:
    """Return the QC of a subject's frames with some or all measures; raises SchemaUnknown."""
    wanted = FRAME_MEASURES if measures is None else tuple(measures)
    arrow, meta = from_parquet("qc", data, path, QC_FRAMES)
    with _named(path):
        texts = {name: _plain(arrow[name], kind) for name, kind in _KINDS.items()}
        numbers = {name: arrow[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in wanted}
        return QcFrames(subject=meta["subject"], **texts, measures=numbers)


def write_camera_measures(subject: SubjectQc) -> bytes:
    """Return the measures of a subject's cameras as Parquet, the verdicts in its metadata."""
    told = [asdict(row) | {"worst_frames": json.dumps(row.worst_frames)} for row in subject.cameras]
    arrow = pa.Table.from_pylist(told, schema=QC_CAMERAS)
    verdicts = [asdict(verdict) for verdict in subject.verdicts]
    meta = {**subject.meta, "subject": subject.subject, "verdicts": verdicts}
    return to_parquet("qc of cameras", arrow, meta)


def read_camera_measures(data: bytes, path: str) -> SubjectQc:
    """Return the verdicts and measures of a subject's cameras; raises SchemaUnknown."""
    arrow, meta = from_parquet("qc of cameras", data, path, QC_CAMERAS)
    with _named(path):
        name = meta["subject"]
        rows = [
            CameraMeasure(**{**row, "subject": name, "worst_frames": tuple(json.loads(row["worst_frames"]))})
            for row in arrow.select(QC_CAMERAS.names).to_pylist()
        ]
        return _subject(meta, rows)


def read_verdicts(data: bytes, path: str) -> SubjectQc:
    """Return the verdicts of a subject's cameras without their measures, which takes a tenth of the time.

    Raises SchemaUnknown.
    """
    _, meta = from_parquet("qc of cameras", data, path, QC_CAMERAS, ["sequence"])
    with _named(path):
        return _subject(meta, [])


def join_cameras(files: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return the verdicts (cameras.*) and measures (measures.*) of many subjects, each as Parquet and CSV.

    files: path and bytes of tables of cameras. Raises SchemaUnknown.
    """
    tables = [pa.table([pa.array([], pa.string()), *QC_CAMERAS.empty_table().columns], ["subject", *QC_CAMERAS.names])]
    verdicts: list[dict[str, Any]] = []
    for path, data in files:
        arrow, meta = from_parquet("qc of cameras", data, path, QC_CAMERAS)
        with _named(path):
            subject = pa.array([meta["subject"]] * len(arrow), pa.string())
            tables.append(arrow.select(QC_CAMERAS.names).add_column(0, "subject", subject))
            told = [asdict(_verdict(said)) for said in meta["verdicts"]]
            verdicts += [row | {"worst_frames": json.dumps(row["worst_frames"])} for row in told]
    joined = {"cameras": pa.Table.from_pylist(verdicts, schema=QC_VERDICTS), "measures": pa.concat_tables(tables)}
    parquet = {f"{name}.parquet": to_parquet(f"report of {name}", arrow, {}) for name, arrow in joined.items()}
    return parquet | {f"{name}.csv": _csv(arrow) for name, arrow in joined.items()}


def frames_csv(frames: QcFrames) -> bytes:
    """Return the QC of a subject's frames as CSV."""
    columns = {name: pa.array(getattr(frames, name)).cast(_text(kind)) for name, kind in _KINDS.items()}
    numbers = {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in frames.measures.items()}
    return _csv(pa.table({"subject": pa.array([frames.subject] * len(frames), pa.string()), **columns, **numbers}))


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Name the file whose metadata are not those of a table of QC."""
    try:
        yield
    except (pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as err:
        raise SchemaUnknown(
            f"{path} is no whole table of QC ({type(err).__name__}: {err}): it is damaged or foreign. Delete it; "
            "cleanplate qc makes it again."
        ) from err


def _csv(arrow: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(arrow, sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _subject(meta: Mapping[str, Any], rows: Sequence[CameraMeasure]) -> SubjectQc:
    rest = {key: value for key, value in meta.items() if key not in ("verdicts", "subject", "schema", "table")}
    return SubjectQc(meta["subject"], [_verdict(said) for said in meta["verdicts"]], rows, rest)


def _verdict(said: Mapping[str, Any]) -> CameraVerdict:
    """Return a verdict of its JSON; what a later version says besides is left out."""
    known = {key: said[key] for key in (field.name for field in fields(CameraVerdict)) if key in said}
    return CameraVerdict(**known | {"worst_frames": tuple(said["worst_frames"])})


def _plain(column: pa.ChunkedArray, kind: pa.DataType) -> np.ndarray:
    """Return a column as numpy: integers as int32, texts as objects, each dictionary's text once."""
    joined = column.combine_chunks()
    if pa.types.is_integer(kind):
        return np.asarray(joined.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int32)
    if not pa.types.is_dictionary(kind):
        return np.asarray(joined.fill_null("").to_numpy(zero_copy_only=False), dtype=object)
    encoded = joined if pa.types.is_dictionary(joined.type) else joined.dictionary_encode()
    texts = np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)
    places = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    found: np.ndarray = texts[places]
    return found
