"""verify, gc and forget as commands, on roots that the main job has made."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate, matte, matte_by_rvm
from nersemble_tree import RawTree, make_v2
from output_roots import touched

from flows.checking import age_s
from manifests.errors import UsageError

WHO = "KAREN-7"


def files_of(out: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in paths if "_cleanplate" not in path.parts}


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"!" + data[len(data) // 2 + 1 :])


@pytest.mark.parametrize("layout", ["in place", "beside", "{camera}/{subject}_{frame:05d}.jpg"])
def test_each_layout_is_healthy_and_repaired_to_the_same_bytes(tmp_path: Path, layout: str) -> None:
    subjects = ("031", "032")
    capture = make_tiny(tmp_path / "capture", subjects, n_cameras=1, n_frames=2)
    out = capture if layout == "in place" else tmp_path / "out"
    words = [] if layout == "in place" else ["--output-layout", layout]
    assert matte(capture, out, *words).code == 0
    cleanplate("reprocess", out, "--subject", "031", "--cameras", "cam0", "--frames", "1", "--executor", "local")
    well = cleanplate("verify", out, "--deep")
    assert well.code == 0 and "All is as it must be" in well.out and "foreign" not in well.out, well.out
    before = files_of(out)
    masks = [out / name for name in before if name not in files_of(make_tiny(tmp_path / "again", subjects, 1, 2))]
    masks[0].unlink()
    masks[1].write_bytes(b"short")
    damage(masks[-1])
    found = json.loads(cleanplate("verify", out, "--deep", "--json").out)
    assert sorted(damage["kind"] for damage in found["damages"]) == ["content", "missing", "size"]
    assert found["exit_code"] == 3 and found["repaired"] is None
    assert cleanplate("verify", out, "--deep", "--repair").code == 3
    assert cleanplate("verify", out).code == 1
    assert matte(capture, out, *words).code == 0
    assert files_of(out) == before and cleanplate("verify", out, "--deep").code == 0


def test_a_dataset_by_a_temporal_model_is_healthy_and_repaired(tmp_path: Path, rvm_weights: Path) -> None:
    raw, out = make_v2(tmp_path / "raw", RawTree(("031",), n_cameras=2, n_frames=7, size=(96, 66))), tmp_path / "out"
    words = ["--geometry", "gha", "--write-frames", "--split", 2, "--lead-in", 1]
    assert matte_by_rvm(raw, out, rvm_weights, *words).code == 0
    assert cleanplate("verify", out, "--deep").code == 0
    before = files_of(out)
    names = [name for name in before if "camera_" in name or "visible_lowres" in name or "mask_lowres" in name]
    for number, name in enumerate(names[::5]):
        damage(out / name) if number % 2 else (out / name).unlink()
    found = json.loads(cleanplate("verify", out, "--deep", "--repair", "--json").out)
    assert {damage["path"] for damage in found["damages"]} == set(names[::5])
    assert matte_by_rvm(raw, out, rvm_weights, *words).code == 0
    assert files_of(out) == before and cleanplate("verify", out, "--deep").code == 0


def test_verify_writes_nothing_and_tells_pending_from_damaged(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=2), tmp_path / "out"
    assert matte(capture, out, "--cameras", "cam0").code == 0
    before = touched(out)
    pending = cleanplate("verify", out)
    assert pending.code == 1 and "3 frames pending" in pending.out and f"--out {out}" in pending.out
    assert touched(out) == before
    (out / "031/images/0000/mask_cam0.jpg").unlink()
    damaged = cleanplate("verify", out)
    assert damaged.code == 3
    assert "031/images/0000/mask_cam0.jpg: the file is not there" in damaged.out and "--repair" in damaged.out
    assert cleanplate("verify", tmp_path / "nothing").code == 2
    assert cleanplate("verify", out, "--subjects", "099").code == 2


def test_gc_shows_first_and_deletes_only_what_is_old(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    matte(capture, out, "--format", "png", "--replace")
    foreign = out / "031/images/0000/mask_other.jpg"
    foreign.write_bytes(b"the old script's")
    before = touched(out)
    assert "younger" in cleanplate("gc", out, "--delete").out
    assert touched(out) == before
    for path in out.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    shown = cleanplate("gc", out)
    assert shown.code == 0 and "Nothing was deleted" in shown.out and "12" in shown.out and "always stay" in shown.out
    found = json.loads(cleanplate("gc", out, "--older-than", "2w", "--delete", "--json").out)
    assert (len(found["masks"]), len(found["receipts"]), found["n_foreign"]) == (12, 2, 1)
    assert all(path.endswith(".jpg") for path in found["masks"]) and foreign.exists()
    assert len(masks_below(out)) == 13 and cleanplate("verify", out, "--deep").code == 0
    refused = cleanplate("gc", out, "--older-than", "5m")
    assert refused.code == 2 and "an hour or more" in refused.err


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("7d", 604_800), (" 2w", 1_209_600)])
def test_ages_are_read(text: str, seconds: int) -> None:
    assert age_s(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "59m", "0w", "1.5d", "7 days"])
def test_other_ages_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="7d"):
        age_s(text)


def test_forget_leaves_nothing_and_matte_does_not_bring_it_back(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", WHO), 1, 2), tmp_path / "out"
    matte(capture, out)
    cleanplate("reprocess", out, "--subject", f"031,{WHO}", "--frames", "0", "--executor", "local")
    inputs, others = touched(capture), touched(out / "031")
    refused = cleanplate("forget", out, "--subject", WHO)
    assert refused.code == 2 and "--yes" in refused.err and len(masks_below(out)) == 8
    done = cleanplate("forget", out, "--subject", WHO, "--yes")
    assert done.code == 0 and "4 masks" in done.out
    assert [path for path in out.rglob("*") if WHO in path.name] == []
    assert [path for path in out.rglob("*") if path.is_file() and WHO.encode() in path.read_bytes()] == []
    assert touched(capture) == inputs and touched(out / "031") == others

    again = matte(capture, out)
    assert again.code == 0 and f"{WHO} was forgotten" in again.out and "Manifest: 1 subject" in again.out
    assert not (out / WHO).exists()
    named = matte(capture, out, "--subjects", WHO)
    assert named.code == 0 and "forgotten" not in named.out and (out / WHO).exists()
    assert "forgotten" not in matte(capture, out).out


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_forget_asks_at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1), tmp_path / "out"
    matte(capture, out)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n" if answer else "n\n"))
    asked = cleanplate("forget", out, "--subject", "031")
    assert asked.code == code and "6 masks" in asked.out
    assert (out / "031").exists() != answer


class Terminal:
    """A terminal at which a person types an answer."""

    encoding = "utf-8"

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self, size: int = -1) -> str:
        return self._answer


def test_a_capture_of_none_but_forgotten_subjects_says_so(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1), tmp_path / "out"
    matte(capture, out)
    cleanplate("forget", out, "--subject", "031", "--yes")
    ended = matte(capture, out)
    assert ended.code == 2 and "031 was forgotten" in ended.out
