from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from qc_tables import judged, qc_frames

from manifests.errors import SchemaUnknown
from manifests.tables_qc import frames_csv, join_cameras, read_camera_measures, read_verdicts, write_camera_measures

BAD = {("", "A", "outside_hull"): [0, 0.9, 0, 0, 0, 0, 0, 0]}


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_verdicts_are_read_without_measures() -> None:
    _, qc = judged(qc_frames(values=BAD))
    data = write_camera_measures(qc)
    alone = read_verdicts(data, "a.parquet")
    assert (alone.subject, alone.verdicts, alone.meta) == (qc.subject, qc.verdicts, qc.meta)
    assert alone.cameras == [] and read_camera_measures(data, "a.parquet").cameras == qc.cameras


def test_tables_of_subjects_are_joined() -> None:
    files = [(name, write_camera_measures(judged(qc_frames(name, values=BAD))[1])) for name in ("031", 'Zoë, "B"')]
    joined = join_cameras(files)
    assert set(joined) == {"cameras.csv", "cameras.parquet", "measures.csv", "measures.parquet"}
    cameras = rows_of(joined["cameras.csv"])
    assert [(row["subject"], row["camera"], row["verdict"]) for row in cameras] == [
        ("031", "A", "fail"),
        ("031", "B", "pass"),
        ('Zoë, "B"', "A", "fail"),
        ('Zoë, "B"', "B", "pass"),
    ]
    assert cameras[0]["measure"] == "outside_hull" and cameras[0]["worst_frames"].startswith("[1")
    measures = rows_of(joined["measures.csv"])
    assert len(measures) == 2 * 2 * 3 and {row["measure"] for row in measures} == {"coverage", "iou", "outside_hull"}


def test_nothing_joined_is_a_table_without_rows() -> None:
    assert rows_of(join_cameras([])["cameras.csv"]) == [] and rows_of(join_cameras([])["measures.csv"]) == []


def test_damage_is_named() -> None:
    with pytest.raises(SchemaUnknown, match="bad.parquet"):
        join_cameras([("bad.parquet", b"PAR1")])


def test_frames_are_written_as_text_with_empty_places_for_what_is_not_known() -> None:
    frames, _ = judged(qc_frames("031", values={("", "B", "iou"): [np.nan] * 8}))
    rows = rows_of(frames_csv(frames))
    assert len(rows) == 16 and rows[0]["subject"] == "031" and rows[0]["source_frame"] == "0"
    assert rows[15]["iou"] == "" and float(rows[0]["iou"]) == pytest.approx(frames.measures["iou"][0])
