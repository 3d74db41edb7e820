from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cleanplate, matte
from nersemble_tree import RawTree, make_v2

from flows.enumerate import enumerate_capture
from flows.planning import subject_load
from flows.settings import EnumerateSettings
from manifests.manifest import read_manifest
from manifests.storage_memory import MemoryFolder
from matting_tasks.synth import SynthSettings, make_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planned") / "capture"
    make_capture(root, SynthSettings(n_cameras=3, n_frames=5, size_px=64))
    return root


def files_under(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_plan_counts_what_the_capture_holds_and_writes_nothing(capture: Path) -> None:
    before = files_under(capture)
    ended = cleanplate("plan", capture, "--gpus", 2, "--rate", 10, "--cpu", 0.1, "--json")
    assert ended.code == 0 and files_under(capture) == before
    told = json.loads(ended.out)
    load = told["load"]
    assert (load["n_frames"], load["n_shards"], load["n_streams"], load["n_plates"]) == (15, 3, 3, 3)
    images = [*capture.glob("*/images/*/image_2*.jpg"), *capture.glob("*/background/*.jpg")]
    assert load["bytes_in"] == sum(path.stat().st_size for path in images)
    # 15 frames: 30 masks and 3 receipts; 15 pictures, 15 visible masks, 7 files of each camera to check and matte with
    # its plate, 15 lowres masks, receipts twice; 3 cameras make no visual hull
    assert (told["requests"]["n_puts"], told["requests"]["n_gets"]) == (33, 72)
    assert told["requests"]["n_objects"] == 33 and load["n_instants"] == 0
    assert told["hours"]["devices"] == pytest.approx(15 / 20 / 3600)
    assert told["bottleneck"] == max(told["hours"], key=lambda name: told["hours"][name])


def test_packs_are_two_objects_a_shard(capture: Path) -> None:
    words = ("--gpus", 1, "--rate", 10, "--cpu", 0.1, "--pack")
    told = json.loads(cleanplate("plan", capture, *words, "--json").out)
    assert (told["requests"]["n_puts"], told["requests"]["n_objects"]) == (6, 6)
    assert "6: 3 packs and 3 receipts" in cleanplate("plan", capture, *words).out


def test_a_run_asks_its_stores_about_as_often_as_was_planned(capture: Path, tmp_path: Path) -> None:
    told = json.loads(cleanplate("plan", capture, "--rate", 10, "--cpu", 0.1, "--json").out)["requests"]
    ended = matte(capture, tmp_path / "out", "--json-lines")
    summary = next(line for line in map(json.loads, ended.out.splitlines()) if line["event"] == "summary")
    asked = [of_store["requests"] for of_store in summary["traffic"].values()]
    n_puts, n_gets = (sum(one.get(kind, 0) for one in asked) for kind in ("put", "get"))
    assert told["n_puts"] <= n_puts <= told["n_puts"] + 20  # the books: manifest, root, run, QC
    assert 0.75 * told["n_gets"] <= n_gets <= told["n_gets"] + 60


def test_raw_videos_of_a_store_are_fetched_by_each_shard(tmp_path: Path) -> None:
    raw = make_v2(tmp_path / "raw", RawTree(subjects=("031",), sequences=("EXP-1-head",), n_cameras=4, n_frames=70))
    near = json.loads(cleanplate("plan", raw, "--rate", 10, "--cpu", 0.1, "--json").out)["load"]
    videos = sum(path.stat().st_size for path in raw.rglob("*.mp4"))
    plates = sum(path.stat().st_size for path in raw.rglob("image_*.jpg"))
    assert (near["n_videos"], near["n_video_reads"], near["n_shards"], near["n_instants"]) == (4, 4, 8, 70)
    assert near["bytes_in"] == videos + plates
    books = MemoryFolder()
    far = MemoryFolder({str(path.relative_to(raw)): path.read_bytes() for path in raw.rglob("*.*")})
    list(enumerate_capture(far, books, EnumerateSettings()))
    manifest = read_manifest(books, "031")
    assert manifest is not None
    load = subject_load(manifest, EnumerateSettings(), is_near=False)
    assert (load.n_video_reads, load.bytes_in) == (8, 2 * videos + plates)


def test_the_size_of_masks_comes_from_receipts_where_there_are_some(capture: Path, tmp_path: Path) -> None:
    assert matte(capture, tmp_path / "try").code == 0
    written = sum(path.stat().st_size for path in (tmp_path / "try").glob("*/images/*/mask_*"))
    told = json.loads(cleanplate("plan", capture, "--out", tmp_path / "try", "--json").out)
    assert told["load"]["bytes_out"] == pytest.approx(written + 15 * 500, rel=0.1)


def test_a_selection_is_all_that_counts(capture: Path) -> None:
    words = ("--gpus", 1, "--rate", 10, "--cpu", 0.1, "--json", "--frames", "0:2")
    load = json.loads(cleanplate("plan", capture, *words).out)["load"]
    assert (load["n_frames"], load["n_shards"]) == (6, 3)


def test_without_rates_it_says_how_to_get_them(capture: Path) -> None:
    ended = cleanplate("plan", capture)
    assert ended.code == 2 and "--rate" in ended.err and "--out TRY" in ended.err


def test_rates_come_from_the_receipts_of_a_run(capture: Path, tmp_path: Path) -> None:
    assert matte(capture, tmp_path / "try", "--frames", "0:1").code == 0
    ended = cleanplate("plan", capture, "--out", tmp_path / "try", "--gpus", 1, "--json")
    rates = json.loads(ended.out)["rates"]
    assert ended.code == 0 and rates["frames_per_s"] > 0 and rates["cpu_s"] > 0


def test_the_table_names_what_is_slowest(capture: Path) -> None:
    ended = cleanplate("plan", capture, "--gpus", 1, "--rate", 0.001, "--cpu", 0.1)
    assert ended.code == 0 and "Slowest: devices. About 4.2 h" in ended.out
