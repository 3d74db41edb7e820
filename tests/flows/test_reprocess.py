from __future__ import annotations

import json
from pathlib import Path

from captures import make_tiny, masks_below
from command_line import cleanplate, matte

from manifests.ledger import read_receipts
from manifests.storage import LocalFolder


def reprocess(out: Path, *words: object) -> object:
    return cleanplate("reprocess", out, "--executor", "local", *words)


def decided(out: Path) -> list[tuple[str, int, int]]:
    return sorted((row.camera, row.frame, row.decision) for row in read_receipts(LocalFolder(out), "031"))


def test_reprocess_redoes_only_what_is_selected_as_it_was_made(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    matte(capture, out)
    before = masks_below(out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("*/images/*/mask_*")}
    ended = reprocess(out, "--subject", "031", "--cameras", "cam1", "--frames", "1:")
    assert ended.code == 0, ended.err
    assert masks_below(out) == before
    rewritten = {path.relative_to(out).as_posix() for path in times if path.stat().st_mtime_ns != times[path]}
    assert rewritten == {f"031/images/000{f}/mask_{kind}cam1.jpg" for f in (1, 2) for kind in ("", "lowres_")}
    assert [row for row in decided(out) if row[2] == 1] == [("cam1", 1, 1), ("cam1", 2, 1)]
    assert "Nothing to do" in matte(capture, out).out


def test_reprocess_with_another_setting_changes_only_that(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out, "--missing-plate", "zeros")
    assert reprocess(out, "--subject", "031", "--batch-size", "2").code == 0
    recipe = json.loads((out / "_cleanplate/decisions/1.json").read_text())["recipe"]
    assert recipe["numerics"]["batch"] == 2
    assert (recipe["model"], recipe["missing_plate"]) == ("plate-difference", "zeros")


def test_reprocess_again_after_it_is_done_decides_again(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    for _ in range(2):
        assert reprocess(out, "--subject", "031").code == 0
    assert sorted(path.name for path in (out / "_cleanplate/decisions").iterdir()) == ["1.json", "2.json"]


def test_reprocess_goes_on_with_an_unfinished_decision(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    reprocess(out, "--subject", "031")
    # as if killed in the middle: one shard of the decision has no receipt
    [receipt.unlink() for receipt in (out / "_cleanplate/ledger/031").glob("*.parquet")]
    last = max((out / "_cleanplate/runs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    last.write_text(last.read_text().replace('"state": "finished"', '"state": "running"'))
    assert reprocess(out, "--subject", "031").code == 0
    assert [path.name for path in (out / "_cleanplate/decisions").iterdir()] == ["1.json"]


def test_reprocess_says_what_is_wrong_with_what_it_is_given(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    assert reprocess(tmp_path / "nothing", "--subject", "031").code == 2
    matte(capture, out)
    unknown = reprocess(out, "--subject", "099")
    assert unknown.code == 2 and "099" in unknown.err
    assert cleanplate("reprocess", out).code == 2
    wrong = reprocess(out, "--subject", "031", "--refine-threshold", "0.5")
    assert wrong.code == 2 and "refine_threshold" in wrong.err


def test_reprocess_keeps_what_each_part_was_made_by(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    reprocess(out, "--subject", "031", "--cameras", "cam1", "--batch-size", "3")
    assert reprocess(out, "--subject", "031", "--missing-plate", "zeros").code == 0
    decisions = [json.loads(path.read_text()) for path in sorted((out / "_cleanplate/decisions").iterdir())[1:]]
    assert sorted((d["recipe"]["numerics"]["batch"], d["recipe"]["missing_plate"]) for d in decisions) == [
        (1, "zeros"),
        (3, "zeros"),
    ]
