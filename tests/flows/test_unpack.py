"""`--pack` and `cleanplate unpack` as commands: the same masks, fewer files, and all that reads masks reads packs."""

from __future__ import annotations

import json
from pathlib import Path

from captures import make_tiny
from command_line import cleanplate, matte
from output_roots import all_masks, rows_of, touched


def packs_of(out: Path) -> list[Path]:
    return sorted((out / "_cleanplate/packs").rglob("*.tar"))


def test_packed_masks_are_those_of_a_run_without_packs(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=2, n_frames=3)
    files, packed, to = tmp_path / "files", tmp_path / "packed", tmp_path / "to"
    assert matte(capture, files).code == matte(capture, packed, "--pack").code == 0
    assert all_masks(packed) == {} and len(packs_of(packed)) == 4
    ended = cleanplate("unpack", packed, "--to", to)
    assert ended.code == 0 and "24 mask files written" in ended.out, ended.out + ended.err
    assert all_masks(to) == all_masks(files)
    before, again = touched(to), cleanplate("unpack", packed, "--to", to, "--json")
    assert json.loads(again.out)["n_kept"] == 24 and touched(to) == before


def test_a_packed_root_goes_on_and_is_verified_and_repaired_as_any_other(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=3), tmp_path / "out"
    assert matte(capture, out, "--pack").code == 0
    before = {path: path.read_bytes() for path in packs_of(out)}
    assert "Nothing to do" in matte(capture, out).out, "what the root was made with need not be said again"
    refused = matte(capture, out, "--no-pack")
    assert refused.code == 4 and "pack: True here, False asked for" in refused.err
    first, second = before
    first.write_bytes(before[first][:-1])
    second.write_bytes(b"!" + before[second][1:])
    found = json.loads(cleanplate("verify", out, "--deep", "--json").out)
    assert sorted(damage["kind"] for damage in found["damages"]) == ["content", "size"]
    assert cleanplate("verify", out, "--deep", "--repair").code == 3
    assert matte(capture, out).code == 0
    assert {path: path.read_bytes() for path in packs_of(out)} == before
    assert cleanplate("verify", out, "--deep").code == 0


def test_what_reads_masks_reads_packs(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=2, n_frames=3), tmp_path / "out"
    files = tmp_path / "files"
    assert matte(capture, files).code == matte(capture, out, "--pack").code == 0
    verdicts = [json.loads(cleanplate("qc", root, "--json").out) for root in (files, out)]
    assert verdicts[0]["subjects"] == verdicts[1]["subjects"] != []
    assert cleanplate("report", out).code == 0
    sheet = cleanplate("contact-sheet", out, "--to", tmp_path / "sheet.png")
    assert sheet.code == 0 and "!" not in sheet.out and (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_reprocessed_frame_is_unpacked_as_it_is_now(tmp_path: Path) -> None:
    capture, out, to = make_tiny(tmp_path / "capture", n_frames=3), tmp_path / "out", tmp_path / "to"
    assert matte(capture, out, "--pack").code == 0
    words = ["--subject", "031", "--frames", "1", "--quality", "60", "--executor", "local"]
    assert cleanplate("reprocess", out, *words).code == 0
    assert cleanplate("unpack", out, "--to", to, "--frames", "0:2").code == 0
    assert {row.decision for row in rows_of(out).values()} == {0, 1}
    sizes = {path.parent.name: path.stat().st_size for path in to.rglob("mask_cam0.jpg")}
    assert set(sizes) == {"0000", "0001"} and sizes["0001"] < sizes["0000"]
    assert cleanplate("verify", out, "--deep").code == 0
    assert matte(capture, out, "--no-pack", "--replace").code == 0
    collected = json.loads(cleanplate("gc", out, "--json").out)
    assert collected["n_young"] >= 1, "packs that nobody names are found, and kept while they are young"


def test_frames_without_a_mask_are_said(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=2), tmp_path / "out"
    (capture / "031/images/0001/image_cam0.jpg").write_bytes(b"no picture")
    assert matte(capture, out, "--pack").code == 3
    ended = cleanplate("unpack", out, "--to", tmp_path / "to")
    assert ended.code == 3 and "1 frame without a mask" in ended.out
    assert len(all_masks(tmp_path / "to")) == 2


def test_who_wants_files_is_told_to_unpack(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=2), tmp_path / "out"
    assert matte(capture, out, "--pack").code == 0
    ended = cleanplate("evaluate", out, capture)
    assert ended.code == 2 and f"cleanplate unpack {out} --to" in ended.err
