from __future__ import annotations

import io

from flows.show import plain_console
from flows.show_qc import qc_lines, qc_record, show_qc, where
from manifests.qc import CameraVerdict, SubjectQc


def said(camera: str, verdict: str = "pass", subject: str = "031", sequence: str = "") -> CameraVerdict:
    if verdict == "pass":
        return CameraVerdict(subject, sequence, camera, 10, 10, 0, 0, verdict)
    bad = "plate_shift", 0.021, 0.01, (4, 7)
    return CameraVerdict(subject, sequence, camera, 10, 10, 2, 1, verdict, *bad)


def subject(*verdicts: CameraVerdict, **meta: object) -> SubjectQc:
    return SubjectQc("031", verdicts, (), meta)


def test_lines_name_camera_verdict_and_measure_the_worst_first() -> None:
    lines = qc_lines([subject(said("A"), said("B", "review"), said("C", "fail"))], "/out")
    assert [verdict for verdict, _ in lines] == ["fail", "review", "review"]
    text = lines[0][1].replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("QC: subject 031, camera C: fail: ") and "plate shift 2.1 %" in text and "1 %" in text
    assert lines[-1][1] == "QC: see cleanplate report /out"


def test_many_are_cut_short() -> None:
    lines = qc_lines([subject(*(said(f"{number}", "review") for number in range(40)))], "/out")
    assert len(lines) == 14 and "28 cameras more" in lines[-2][1]


def test_nothing_is_said_where_all_is_well() -> None:
    assert qc_lines([subject(said("A"))], "/out") == []


def test_a_sequence_is_named_where_there_is_one() -> None:
    assert where(said("A", sequence="EMO-1")) == "subject 031, sequence EMO-1, camera A"
    assert where(said("A", subject="")) == "camera A"


def test_the_table_has_every_camera_and_what_was_found_besides() -> None:
    page = io.StringIO()
    unread = [f"mask {number}: it is not there" for number in range(4)]
    found = subject(said("A"), said("B", "fail"), notes=["camera A: it has no calibration"], unread=unread, n_unread=9)
    show_qc(plain_console(file=page, width=140), [found])
    text = page.getvalue()
    assert "pass" in text and "fail" in text and "plate shift" in text
    assert "no calibration" in text and "mask 2" in text and "mask 3" not in text and "6 masks more" in text
    assert "sequence" not in text


def test_the_record_has_verdicts_and_limits() -> None:
    record = qc_record("/out", [subject(said("B", "fail"), limits={"iou": [1, 2]}, is_complete=True)])
    (one,) = record["subjects"]
    assert one["cameras"][0]["measure"] == "plate_shift" and one["limits"] == {"iou": [1, 2]} and one["is_complete"]
