from __future__ import annotations

import json

import pytest

from manifests.scrub import naming, pages_of, scrub_records
from manifests.storage_memory import MemoryFolder


@pytest.mark.parametrize("text", ["subject 031 shard", "031/images/0000", '"031"', "s3://lab/031", "_031_"])
def test_a_name_is_found_as_a_word(text: str) -> None:
    assert naming("031").search(text)


@pytest.mark.parametrize("text", ["0310", "1031", "20310314T", "a031"])
def test_a_name_inside_another_word_is_not_found(text: str) -> None:
    assert not naming("031").search(text)


@pytest.mark.parametrize("text", ["Zoë B", "Zo%C3%AB%20B", json.dumps("Zoë B")])
def test_a_name_is_found_as_file_names_and_json_spell_it(text: str) -> None:
    assert naming("Zoë B").search(text)


def test_records_lose_the_subject_and_keep_a_camera_of_the_same_name() -> None:
    run = {
        "subjects": ["031", "036"],
        "announced": {"031": [["", "A", [[0, 3]]]], "036": [["", "031", [[0, 3]]]]},
        "selection": "subjects 031,036",
        "settings": {"subjects": ["031", "036"], "cameras": ["031"]},
    }
    selection = {"subjects": ["036"], "sequences": None, "cameras": ["031"], "frames": None, "listed": None}
    decision = json.dumps({"reason": "replace", "recipe": {}, "selection": selection}).encode()
    out = MemoryFolder({"_cleanplate/runs/a.json": json.dumps(run).encode(), "_cleanplate/decisions/1.json": decision})
    scrub_records(out, "031")
    left = json.loads(out.read("_cleanplate/runs/a.json"))
    assert left["subjects"] == ["036"] and left["announced"] == {"036": [["", "031", [[0, 3]]]]}
    assert left["settings"] == {"subjects": ["036"], "cameras": ["031"]} and "031" not in left["selection"]
    assert out.read("_cleanplate/decisions/1.json") == decision


def test_an_unreadable_record_that_names_the_subject_is_emptied() -> None:
    out = MemoryFolder({"_cleanplate/runs/a.json": b'{"subjects": ["031"', "_cleanplate/runs/b.json": b"{"})
    scrub_records(out, "031")
    assert out.files == {"_cleanplate/runs/a.json": b"", "_cleanplate/runs/b.json": b"{"}


def test_pages_are_a_subjects_by_name_or_because_they_name_it() -> None:
    names = ["qc/031.parquet", "qc/0310.parquet", "qc/031-b.parquet", "report/031/a.jpg", "report/036.html"]
    out = MemoryFolder({f"_cleanplate/{name}": b"a page" for name in names})
    out.write_atomic("_cleanplate/report/index.html", b"<b>031</b>")
    found = pages_of(out, "031", ("031", "0310", "031-b", "036"))
    assert sorted(found) == [f"_cleanplate/{n}" for n in ("qc/031.parquet", "report/031/a.jpg", "report/index.html")]


def test_numbers_from_before_a_decision_are_a_subjects_too_whatever_the_decisions_number() -> None:
    names = ["3/031.parquet", "3/036.parquet", "31/031.parquet", "31/036.parquet"]
    out = MemoryFolder({f"_cleanplate/qc/before/{name}": b"rows" for name in names})
    out.write_atomic("_cleanplate/qc/before/3/asked.json", b'{"selection": {"subjects": ["031"]}}')
    out.write_atomic("_cleanplate/qc/before/31/asked.json", b'{"selection": {"subjects": null}}')
    found = sorted(path.removeprefix("_cleanplate/qc/before/") for path in pages_of(out, "031", ("031", "036", "31")))
    assert found == ["3/031.parquet", "3/asked.json", "31/031.parquet"]
    assert pages_of(out, "31", ("031", "036", "31")) == []
