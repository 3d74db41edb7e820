from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import make_synth
from command_line import Ended, cleanplate
from nersemble_tree import SEQUENCES, RawTree, Stream, make_v2

from manifests.layouts.rig import RIG_CAMERAS
from manifests.storage import LocalFolder

GOOD = "222200038"
BAD = {
    "220700191": "missing",
    "221501007": "unreadable",
    "222200036": "size",
    "222200037": "swapped",
    "222200039": "shifted",
    "222200041": "relit",
    "222200043": "contaminated",
    "222200045": "frame_set",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a capture with each fault in one camera."""
    faults = [f"{fault}:{camera}" for camera, fault in BAD.items()]
    return make_synth(tmp_path_factory.mktemp("made") / "c", *faults, n_cameras=12, n_frames=3, size_px=160)


def findings(ended: Ended) -> list[dict[str, object]]:
    found = json.loads(ended.out)
    assert isinstance(found, list)
    return found


def test_each_fault_is_named_with_its_camera_and_nothing_else(faulty: Path) -> None:
    ended = cleanplate("check", faulty, "--json")
    found = findings(ended)
    assert ended.code == 3
    assert {str(one["camera"]): one["fault"] for one in found} == BAD
    assert len(found) == len(BAD)
    verdicts = {one["fault"]: one["verdict"] for one in found}
    assert verdicts.pop("frame_set") == "warn" and set(verdicts.values()) == {"fail"}
    assert set(found[0]) == {"subject", "camera", "fault", "verdict", "value", "limit"}


def test_the_table_says_what_to_do(faulty: Path) -> None:
    ended = cleanplate("check", faulty)
    assert ended.code == 3
    assert "relit" in ended.out and "7 cameras failed, 1 with a warning" in ended.out


def test_warnings_alone_end_with_0(faulty: Path) -> None:
    ended = cleanplate("check", faulty, "--cameras", f"222200045,{GOOD}", "--json")
    assert ended.code == 0
    assert [one["fault"] for one in findings(ended)] == ["frame_set"]


def test_a_camera_is_judged_beside_all_others_also_where_it_is_selected_alone(faulty: Path) -> None:
    ended = cleanplate("check", faulty, "--cameras", "222200037", "--json")
    assert [one["fault"] for one in findings(ended)] == ["swapped"]


def test_nothing_is_written(faulty: Path) -> None:
    before = sorted(stat.path for stat in LocalFolder(faulty).list())
    cleanplate("check", faulty, "--json")
    assert sorted(stat.path for stat in LocalFolder(faulty).list()) == before


def test_a_good_capture_has_no_finding(tmp_path: Path) -> None:
    capture = make_synth(tmp_path / "c", n_cameras=6, n_frames=3, size_px=160, seed=4)
    ended = cleanplate("check", capture, "--json")
    assert (ended.code, findings(ended)) == (0, [])


def test_names_that_there_are_not_are_refused(faulty: Path) -> None:
    assert cleanplate("check", faulty, "--subjects", "999").code == 2
    assert cleanplate("check", faulty, "--cameras", "nobody").code == 2


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    assert cleanplate("check", tmp_path).code == 2


def test_short_and_absent_videos_are_warnings(tmp_path: Path) -> None:
    first, second, third = RIG_CAMERAS[:3]
    tree = RawTree(("031",), short=Stream("031", SEQUENCES[0], second), absent=Stream("031", SEQUENCES[1], third))
    ended = cleanplate("check", make_v2(tmp_path / "c", tree), "--json")
    told = {(one["camera"], one["fault"], one["verdict"]): (one["value"], one["limit"]) for one in findings(ended)}
    assert ended.code == 0
    assert told == {(second, "short_video", "warn"): (7, 12), (third, "frame_set", "warn"): (12, 0)}
    assert first not in {camera for camera, _, _ in told}
