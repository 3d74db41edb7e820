from __future__ import annotations

from qc_tables import judged, qc_frames

from flows.report_overview import CODES, count_cells, judged_row, overview_record, unjudged_row
from manifests.plan import CameraStatus

BAD = [0.0, 0.9, 0, 0, 0, 0, 0, 0]


def test_a_cell_is_the_worst_of_its_sequences_and_says_which() -> None:
    values = {("b", "A", "outside_hull"): BAD, ("c", "A", "outside_hull"): [0.01] * 8}
    _, qc = judged(qc_frames(sequences=("a", "b", "c"), values=values))
    row = judged_row(qc)
    code, place, measure, text = row.cells["A"]
    assert (code, place, measure) == (CODES["fail"], 1, "outside_hull")
    assert text.startswith("b: outside hull 90") and "in frame 1" in text
    assert row.cells["B"][0] == CODES["pass"] and (row.n_frames, row.n_ok) == (48, 48)


def test_a_subject_without_qc_is_pending_or_not_judged() -> None:
    statuses = [CameraStatus("031", "", "A", 8, 3, 5), CameraStatus("031", "", "B", 8, 8, 0)]
    row = unjudged_row("031", statuses)
    assert row.cells["A"][0] == CODES["pending"] and "5 of 8" in row.cells["A"][3]
    assert row.cells["B"][0] == CODES["not judged"] and not row.has_page


def test_the_record_has_a_place_for_each_camera_of_any_subject() -> None:
    rows = [judged_row(judged(qc_frames("031", cameras=("A", "B")))[1])]
    rows += [judged_row(judged(qc_frames("Zoë +B", ("B", "C"), values={("", "C", "iou"): [0.1] * 8}))[1])]
    record = overview_record(rows, {"out": "/data"})
    assert record["cameras"] == ["A", "B", "C"] and record["out"] == "/data"
    first, second = record["subjects"]
    assert first["cells"] == [0, 0, None] and second["cells"][:2] == [None, 0] and second["cells"][2][0] == 2
    assert second["folder"] == "Zo%C3%AB%20+B"
    assert count_cells(rows) == {"pass": 3, "fail": 1}
