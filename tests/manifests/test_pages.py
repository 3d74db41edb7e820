from __future__ import annotations

import csv
import io

import pytest
from qc_tables import qc_frames, write_judged
from roots import make_root

from manifests.forget import forget
from manifests.pages import (
    GENERATOR,
    INDEX,
    OVERVIEW,
    TABLES,
    own_pages,
    owner_of,
    page_path,
    pictures_folder,
    read_overview,
    series_path,
    stored_subjects,
    take_out,
    write_overview,
    write_tables,
)
from manifests.qc import cameras_path
from manifests.storage_memory import MemoryFolder

WHO, OTHER = "031", "Zoë +B"


def site() -> MemoryFolder:
    out = MemoryFolder()
    for subject in (WHO, OTHER):
        write_judged(out, qc_frames(subject))
        for path in (page_path(subject), series_path(subject, 0), f"{pictures_folder(subject)}/_A_0_mask.webp"):
            out.write_atomic(path, b"0.031 of the width")
    write_overview(out, {"subjects": [{"name": WHO}, {"name": OTHER}]})
    write_tables(out)
    return out


def subjects_in(table: bytes) -> set[str]:
    return {row["subject"] for row in csv.DictReader(io.StringIO(table.decode()))}


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("subjects/031.html", "031"),
        ("data/031/series-0.js", "031"),
        ("pictures/%25/a.webp", "%25"),
        ("tables/frames/031.csv", "031"),
        ("data/overview.js", ""),
        ("tables/cameras.csv", ""),
        ("assets/base.css", ""),
        ("index.html", None),
        ("031/page.html", None),
    ],
)
def test_a_file_of_the_report_has_an_owner(path: str, owner: str | None) -> None:
    assert owner_of(f"_cleanplate/report/{path}") == owner


def test_pages_are_found_by_their_subject() -> None:
    out = site()
    assert stored_subjects(out) == {"031", "Zo%C3%AB%20+B"}
    assert len(own_pages(out, "031")) == 3 and all("/031" in path for path in own_pages(out, "031"))


def test_a_subject_goes_out_of_overview_and_tables() -> None:
    out = site()
    assert subjects_in(out.read(f"{TABLES}/cameras.csv")) == {WHO, OTHER}
    take_out(out, WHO)
    overview = read_overview(out)
    assert overview is not None and [entry["name"] for entry in overview["subjects"]] == [OTHER]
    for name in ("cameras.csv", "measures.csv"):
        assert subjects_in(out.read(f"{TABLES}/{name}")) == {OTHER}
    assert b"031" not in out.read(f"{TABLES}/cameras.parquet")


def test_an_overview_that_nobody_can_read_goes() -> None:
    out = site()
    out.write_atomic(OVERVIEW, b"window.cleanplateOverview = {")
    assert read_overview(out) is None
    take_out(out, WHO)
    assert OVERVIEW not in out.files


def test_tables_leave_out_what_is_damaged() -> None:
    out = site()
    out.write_atomic(cameras_path(OTHER), b"PAR1")
    write_tables(out)
    assert subjects_in(out.read(f"{TABLES}/cameras.csv")) == {WHO}


def test_forgetting_deletes_a_subjects_pages_and_spares_numbers_that_look_like_its_name() -> None:
    out = make_root(MemoryFolder(), subjects=(WHO, "036"))
    for subject in (WHO, "036"):
        write_judged(out, qc_frames(subject))
        out.write_atomic(page_path(subject), f"{subject}: 0.031".encode())
        out.write_atomic(f"{pictures_folder(subject)}/_A_0_mask.webp", b"picture")
    out.write_atomic(INDEX, f"{GENERATOR} 031".encode())
    write_overview(out, {"subjects": [{"name": WHO}, {"name": "036"}]})
    write_tables(out)
    forget(out, WHO, "ada", "now")
    assert stored_subjects(out) == {"036"} and INDEX in out.files
    assert out.read(page_path("036")) == b"036: 0.031"
    assert subjects_in(out.read(f"{TABLES}/measures.csv")) == {"036"}
    overview = read_overview(out)
    assert overview is not None and overview["subjects"] == [{"name": "036"}]
