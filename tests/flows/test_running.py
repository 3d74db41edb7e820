from __future__ import annotations

import json
from pathlib import Path

from captures import make_tiny
from command_line import cleanplate, matte


def test_json_lines_are_all_that_is_printed(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    events = [json.loads(line) for line in matte(capture, tmp_path / "out", "--json-lines").out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("shard") == 2 and kinds[-1] == "summary" and events[-1]["exit_code"] == 0
    cost, traffic = events[-1]["cost"], events[-1]["traffic"].values()
    assert 0 < cost["workers"] <= 1 and cost["core_s"] > 0 and cost["device_s"] > 0
    assert cost["bytes_written"] == sum(one["bytes_out"] for one in traffic) > 0
    assert events[-1]["cameras"][0]["n_ok"] == 3


def test_quiet_prints_nothing_when_all_is_well(tmp_path: Path) -> None:
    ended = matte(make_tiny(tmp_path / "capture"), tmp_path / "out", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_enumerate_says_what_it_found(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"))
    (capture / "031/background/image_cam0.jpg").unlink()
    ended = cleanplate("enumerate", capture, "--out", tmp_path / "out")
    assert ended.code == 0 and "2 subjects, 12 frames" in ended.out and "camera cam0: plate missing" in ended.out
    assert not (tmp_path / "out/_cleanplate/root.json").exists()


def test_a_plan_is_told_as_json_too(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    lines = matte(capture, tmp_path / "out", "--json-lines", "--dry-run").out.splitlines()
    (todo,) = (event for event in map(json.loads, lines) if event["event"] == "todo")
    assert (todo["subject"], todo["n_shards"], todo["n_frames"]) == ("031", 2, 6)


def test_what_may_be_secret_is_not_repeated(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    cleanplate("enumerate", capture, "--out", out)
    path = capture / "031/images/0000/image_cam0.jpg"
    path.write_bytes(path.read_bytes() + b"x")
    ended = matte(capture, out, "--no-enumerate", "--storage-option", "secret=hunter2")
    assert ended.code == 1 and "Go on with" in ended.out and "hunter2" not in ended.out + ended.err
