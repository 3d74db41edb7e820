"""Sharding: every frame decided by one shard, and ids that only their own inputs change."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.decisions import Decision, Selection
from manifests.recipe import Recipe
from manifests.records import CalibrationFile, Plate
from manifests.sharding import FrameTable, PlannedShard, encode_name, in_lockstep, plan_subject, subject_folder

Key = tuple[str, str, int]
Tables = Callable[..., FrameTable]
Plates = Callable[..., dict[str, Plate]]
Recipes = Callable[..., Recipe]

SEQUENCES, CAMERAS, FRAMES = ("", "EMO-1"), ("A", "B"), st.integers(0, 40)
KEYS = st.sets(st.tuples(st.sampled_from(SEQUENCES), st.sampled_from(CAMERAS), FRAMES), max_size=60)
SLICES = st.builds(
    lambda start, length, step: f"{start}:{start + length}:{step}", FRAMES, st.integers(0, 40), st.integers(1, 9)
)
LISTED = KEYS.map(lambda keys: {"031": tuple(sorted(keys))})
SELECTIONS = st.builds(
    Selection,
    subjects=st.none() | st.sampled_from([("031",), ("031", "036"), ("036",)]),
    sequences=st.none() | st.sets(st.sampled_from(SEQUENCES)).map(tuple),
    cameras=st.none() | st.sets(st.sampled_from(CAMERAS)).map(tuple),
    frames=st.none() | SLICES,
    listed=st.none() | LISTED,
)
STEPS = st.lists(st.tuples(SELECTIONS, st.booleans()), max_size=4)


@pytest.fixture(scope="session")
def decide(make_recipe: Recipes) -> Callable[..., list[Decision]]:
    """Return a maker of the log of decisions: decision 0, then one a (selection, temporal)."""

    def make(steps: Sequence[tuple[Selection, bool]] = (), temporal: bool = False) -> list[Decision]:
        root = Decision(0, Selection(), make_recipe(temporal=temporal), "root")
        later = [
            Decision(number, selection, make_recipe(temporal=temporal_step, mask_quality=number), "replace")
            for number, (selection, temporal_step) in enumerate(steps, start=1)
        ]
        return [root, *later]

    return make


def _ids(shards: Sequence[PlannedShard]) -> set[str]:
    return {shard.shard_id for shard in shards}


@given(keys=KEYS, steps=STEPS, temporal=st.booleans(), grid=st.sampled_from([1, 7, 64]))
def test_every_frame_is_decided_by_one_shard_of_the_last_decision_that_selects_it(
    make_table: Tables,
    make_plates: Plates,
    decide: Callable[..., list[Decision]],
    keys: set[Key],
    steps: list[tuple[Selection, bool]],
    temporal: bool,
    grid: int,
) -> None:
    table, decisions = make_table(keys), decide(steps, temporal)
    planned = plan_subject(table, make_plates(*CAMERAS), decisions, grid)
    decided = [row for shard in planned for row in shard.rows.tolist()]
    assert sorted(decided) == list(range(len(table)))
    assert len(_ids(planned)) == len(planned)
    for shard in planned:
        for row in shard.rows:
            last = [decision.number for decision in decisions if decision.selection.rows(table)[row]][-1]
            assert shard.decision == last
            assert shard.recipe == decisions[last].recipe


@given(keys=KEYS, steps=STEPS, grid=st.sampled_from([1, 7, 64]))
def test_shard_lies_in_one_cell_of_one_stream(
    make_table: Tables, decide: Callable[..., list[Decision]], keys: set[Key], steps: list, grid: int
) -> None:
    table = make_table(keys)
    for shard in plan_subject(table, {}, decide(steps), grid):
        assert set(table.camera[shard.rows]) == {shard.camera}
        assert set(table.sequence[shard.rows]) == {shard.sequence}
        if not shard.recipe.temporal:
            assert len(set(table.frame[shard.rows] // grid)) == 1


@given(keys=KEYS)
def test_stream_is_one_shard_when_the_model_has_a_memory(
    make_table: Tables, decide: Callable[..., list[Decision]], keys: set[Key]
) -> None:
    planned = plan_subject(make_table(keys), {}, decide(temporal=True))
    assert sorted((shard.sequence, shard.camera) for shard in planned) == sorted({key[:2] for key in keys})


@given(keys=KEYS, steps=STEPS, later=SELECTIONS, temporal=st.booleans())
def test_ids_of_earlier_decisions_stay_when_a_decision_is_appended(
    make_table: Tables,
    decide: Callable[..., list[Decision]],
    keys: set[Key],
    steps: list[tuple[Selection, bool]],
    later: Selection,
    temporal: bool,
) -> None:
    table = make_table(keys)
    before = plan_subject(table, {}, decide(steps))
    after = plan_subject(table, {}, decide([*steps, (later, temporal)]))
    new = [shard for shard in after if shard.decision == len(steps) + 1]
    old = [shard for shard in after if shard.decision <= len(steps)]
    assert _ids(old) <= _ids(before)
    assert not _ids(new) & _ids(before)
    rows_before = {shard.shard_id: set(shard.rows.tolist()) for shard in before}
    redone = set(np.flatnonzero(later.rows(table)).tolist())
    for shard in old:
        assert set(shard.rows.tolist()) == rows_before[shard.shard_id] - redone
    assert {row for shard in new for row in shard.rows.tolist()} == redone


@pytest.mark.parametrize("temporal", [False, True])
def test_ids_stay_and_work_shrinks_when_one_frame_of_a_shard_is_retried(
    make_table: Tables, decide: Callable[..., list[Decision]], temporal: bool
) -> None:
    table = make_table([("", "A", frame) for frame in range(64)])
    (before,) = plan_subject(table, {}, decide(temporal=temporal))
    retry = Selection(listed={"031": (("", "A", 0), ("", "A", 30), ("", "A", 63))})
    after = plan_subject(table, {}, decide([(retry, temporal)], temporal))
    work = {shard.decision: shard.rows.tolist() for shard in after}
    assert work == {0: [*range(1, 30), *range(31, 63)], 1: [0, 30, 63]}
    assert before.shard_id in _ids(after)


@given(keys=KEYS, steps=STEPS)
def test_plan_is_of_other_shards_only_when_a_camera_is_not_there(
    make_table: Tables, decide: Callable[..., list[Decision]], keys: set[Key], steps: list
) -> None:
    whole = plan_subject(make_table(keys), {}, decide(steps))
    rest = plan_subject(make_table(key for key in keys if key[1] != "B"), {}, decide(steps))
    assert _ids(rest) == {shard.shard_id for shard in whole if shard.camera != "B"}


def _one_id(table: FrameTable, plates: dict[str, Plate], recipe: Recipe, number: int = 0) -> str:
    (shard,) = plan_subject(table, plates, [Decision(number, Selection(), recipe, "root")])
    return shard.shard_id


KEY_LIST = [("", "A", frame) for frame in range(3)]


def test_id_differs_when_any_input_of_the_shard_does(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    table, plates, recipe = make_table(KEY_LIST), make_plates("A"), make_recipe()
    seen = table.visible_fingerprint.copy()
    seen[1] = "9-9"
    ids = [
        _one_id(table, plates, recipe),
        _one_id(make_table(KEY_LIST, subject="036"), plates, recipe),
        _one_id(make_table([("EMO-1", *key[1:]) for key in KEY_LIST]), plates, recipe),
        _one_id(make_table([("", "B", key[2]) for key in KEY_LIST]), {"B": replace(plates["A"], camera="B")}, recipe),
        _one_id(make_table([("", "A", 0), ("", "A", 2)]), plates, recipe),
        _one_id(make_table(KEY_LIST, marks={KEY_LIST[1]: "10-2"}), plates, recipe),
        _one_id(replace(table, visible_fingerprint=seen), plates, recipe),
        _one_id(table, make_plates("A", fingerprint="7-2"), recipe),
        _one_id(table, {}, recipe),
        _one_id(table, plates, make_recipe(mask_quality=80)),
        _one_id(table, plates, recipe, number=1),
    ]
    assert len({found.rsplit("_", 1)[1] for found in ids}) == len(ids)


def test_id_stays_when_what_the_recipe_does_not_read_changes(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    table, recipe = make_table(KEY_LIST), make_recipe(uses_plate=False, visible=False)
    seen = table.visible_fingerprint.copy()
    seen[1] = "9-9"
    first = _one_id(table, make_plates("A"), recipe)
    assert _one_id(table, make_plates("A", fingerprint="7-2"), recipe) == first
    assert _one_id(replace(table, visible_fingerprint=seen), {}, recipe) == first
    assert _one_id(replace(table, width=table.width + 9, mtime_ns=table.mtime_ns + 1), {}, recipe) == first


def test_id_is_the_same_when_another_process_plans(make_table: Tables, make_recipe: Recipes) -> None:
    code = """
import json, sys
import numpy as np
from manifests.decisions import Decision, Selection
from manifests.recipe import Recipe
from manifests.sharding import FrameTable, plan_subject
text = lambda *values: np.array(values, dtype=object)
n = np.arange(3, dtype=np.int32)
none, mark = text("", "", ""), text("10-1", "10-1", "10-1")
table = FrameTable("031", none, text("A", "A", "A"), n, n, none, none, n, n, none, mark, none, none, n, n, n)
recipe = Recipe.from_record(json.load(sys.stdin))
print(plan_subject(table, {}, [Decision(0, Selection(), recipe, "root")])[0].shard_id)
"""
    recipe = make_recipe()
    answer = subprocess.run(
        [sys.executable, "-c", code], input=recipe.to_json(), capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == _one_id(make_table(KEY_LIST), {}, recipe), answer.stderr


def test_shard_for_a_worker_holds_its_frames_and_plate_only(
    make_table: Tables, make_plates: Plates, decide: Callable[..., list[Decision]]
) -> None:
    table = make_table([("", camera, frame) for camera in "AB" for frame in (62, 63, 64, 65)])
    plates, decisions = make_plates("A"), decide([(Selection(frames="63:65"), False)])
    shards = {
        (found.camera, found.decision, found.frames[0].frame): found
        for found in (planned.to_shard(table, plates, "size") for planned in plan_subject(table, plates, decisions))
    }
    numbers = {key: [frame.frame for frame in shard.frames] for key, shard in shards.items() if key[0] == "A"}
    assert numbers == {("A", 0, 62): [62], ("A", 0, 65): [65], ("A", 1, 63): [63], ("A", 1, 64): [64]}
    with_plate, without = shards["A", 1, 63], shards["B", 1, 63]
    assert with_plate.recipe_id == decisions[1].recipe.recipe_id
    assert with_plate.fingerprint_rule == "size"
    assert with_plate.plate == plates["A"]
    assert (without.plate.status, without.plate.path) == ("missing", None)
    assert with_plate.frames[0].path == "031//0063/image_A.jpg"
    assert with_plate.frames[0].visible_path is None


def test_id_tells_stream_and_frames_to_a_person(make_table: Tables, decide: Callable[..., list[Decision]]) -> None:
    (shard,) = plan_subject(make_table([("EMO-1", "222200037", 64), ("EMO-1", "222200037", 70)]), {}, decide())
    assert re.fullmatch(r"EMO-1_222200037_64-70_[0-9a-f]{10}", shard.shard_id)


ANY_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90) | st.sampled_from(
    [".", "..", "../..", "a/../b", "~", "%2E%2E", "C:\\x", "con", "ü" * 40]
)


@given(sequence=ANY_NAME | st.just(""), camera=ANY_NAME, subject=ANY_NAME)
def test_names_stay_in_their_folder_and_fit_a_file_system_whatever_they_are(
    make_table: Tables, decide: Callable[..., list[Decision]], sequence: str, camera: str, subject: str
) -> None:
    (shard,) = plan_subject(make_table([(sequence, camera, 2**31 - 1)], subject), {}, decide())
    for name in (f"{shard.shard_id}.f64.parquet", subject_folder(subject)):
        assert re.fullmatch(r"[A-Za-z0-9._+%~-]+", name)
        assert name not in (".", "..")
        assert len(name) <= 255
    assert len(encode_name(camera)) <= 60


@given(st.lists(ANY_NAME, min_size=2, max_size=2, unique=True))
def test_subjects_have_folders_of_their_own_when_their_names_differ(subjects: list[str]) -> None:
    assert subject_folder(subjects[0]) != subject_folder(subjects[1])


def test_subjects_have_folders_of_their_own_when_only_the_ends_of_long_names_differ() -> None:
    assert subject_folder("x" * 100 + "1") != subject_folder("x" * 100 + "2")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5))
def test_short_name_can_be_read_back_from_its_folder(subject: str) -> None:
    assert unquote(subject_folder(subject)) == subject


@pytest.mark.parametrize("name", ["031", "EMO-1-shout+laugh", "222200037", "a.b_c"])
def test_name_stays_readable_when_it_is_safe(name: str) -> None:
    assert encode_name(name) == subject_folder(name) == name


def test_shards_have_ids_of_their_own_when_only_the_ends_of_long_names_differ(
    make_table: Tables, decide: Callable[..., list[Decision]]
) -> None:
    planned = plan_subject(make_table([("s" * 70 + end, "A", 0) for end in "12"]), {}, decide())
    assert len(_ids(planned)) == 2


def test_plan_is_empty_when_a_subject_has_no_frames(make_table: Tables, decide: Callable[..., list[Decision]]) -> None:
    assert plan_subject(make_table([]), {}, decide([(Selection(), False)])) == []


def _stream(n_frames: int, cameras: Sequence[str] = ("A",), sequence: str = "EMO-1") -> list[Key]:
    return [(sequence, camera, frame) for camera in cameras for frame in range(n_frames)]


def _numbers(table: FrameTable, rows: np.ndarray) -> list[int]:
    return [int(frame) for frame in table.frame[rows]]


def test_a_temporal_model_sees_the_stream_up_to_the_last_frame_that_is_wanted(
    make_table: Tables, make_plates: Plates, decide: Callable[..., list[Decision]]
) -> None:
    table = make_table(_stream(100))
    decisions = decide([(Selection(frames="30:60:10"), True)], temporal=True)
    first, second = sorted(plan_subject(table, make_plates("A"), decisions), key=lambda shard: shard.decision)
    assert _numbers(table, first.rows) == [n for n in range(100) if n not in (30, 40, 50)]
    assert _numbers(table, first.through) == list(range(100))
    assert _numbers(table, second.rows) == [30, 40, 50]
    assert _numbers(table, second.through) == list(range(51))
    shard = second.to_shard(table, make_plates("A"), "stat")
    assert [frame.frame for frame in shard.frames] == list(range(51))
    assert shard.passing == frozenset(range(51)) - {30, 40, 50}
    assert shard.n_frames == 3


def test_a_long_stream_is_split_into_pieces_that_start_early(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    table = make_table(_stream(150))
    recipe = make_recipe(temporal=True, split=64, lead_in=12)
    planned = plan_subject(table, make_plates("A"), [Decision(0, Selection(), recipe, "root")])
    assert [_numbers(table, shard.rows) for shard in planned] == [
        list(range(64)),
        list(range(64, 128)),
        list(range(128, 150)),
    ]
    assert [_numbers(table, shard.through)[0] for shard in planned] == [0, 52, 116]
    assert len({shard.lockstep for shard in planned}) == 3


def test_an_earlier_frame_that_changes_makes_a_new_shard_of_a_temporal_model_only(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    changed = {("EMO-1", "A", 3): "11-2"}
    for temporal in (True, False):
        recipe = make_recipe(temporal=temporal)
        decisions = [Decision(0, Selection(frames="64:128"), recipe, "root")]
        before, after = (
            _ids(plan_subject(make_table(_stream(128), marks=marks), make_plates("A"), decisions))
            for marks in (None, changed)
        )
        assert (before != after) == temporal


def test_cameras_in_lockstep_keep_their_places_whatever_is_selected(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    cameras = ("A", "B", "C", "D", "E")
    recipe = make_recipe(temporal=True, numerics=replace(make_recipe().numerics, batch=2, chunk=4))
    table = make_table([*_stream(4, cameras), *_stream(4, cameras[1:], "EMO-2")])
    places = {}
    for selection in (Selection(), Selection(cameras=("B", "D", "E"))):
        decisions = [Decision(0, Selection(), make_recipe(), "root"), Decision(1, selection, recipe, "replace")]
        planned = [shard for shard in plan_subject(table, make_plates(*cameras), decisions) if shard.decision == 1]
        groups = [[shard.camera for shard in group] for group in in_lockstep(planned)]
        places[str(selection)] = {(shard.sequence, shard.camera): (shard.slot, shard.lockstep) for shard in planned}
        if selection == Selection():
            assert groups == [["A", "B"], ["C", "D"], ["E"], ["B", "C"], ["D", "E"]]
    every, some = places.values()
    assert some == {key: place for key, place in every.items() if key[1] in ("B", "D", "E")}


def test_shards_of_a_model_without_memory_are_alone(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    decisions = [Decision(0, Selection(), make_recipe(), "root")]
    planned = plan_subject(make_table(_stream(200, ("A", "B"))), make_plates("A", "B"), decisions)
    assert [len(group) for group in in_lockstep(planned)] == [1] * 8
    assert all(np.array_equal(shard.rows, shard.through) for shard in planned)


def test_a_camera_without_a_plate_goes_to_the_fallback(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    fallback = make_recipe(model="rvm", uses_plate=False, temporal=True, missing_plate="fallback")
    recipe = make_recipe(missing_plate="model", fallback=fallback)
    plates = make_plates("A", "B")
    plates["B"] = replace(plates["B"], status="unreadable")
    planned = plan_subject(make_table(_stream(100, "ABC")), plates, [Decision(0, Selection(), recipe, "root")])
    assert [(shard.camera, shard.recipe.model) for shard in planned] == [
        ("A", "bgmv2"),
        ("A", "bgmv2"),
        ("B", "rvm"),
        ("C", "rvm"),
    ]


def test_cameras_of_the_fallback_share_a_batch_however_far_apart_they_are(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    numerics = replace(make_recipe().numerics, batch=4)
    fallback = make_recipe(uses_plate=False, temporal=True, missing_plate="fallback", numerics=numerics)
    recipe = make_recipe(missing_plate="model", fallback=fallback)
    cameras, bare = "ABCDEFGHIJKLMNOP", "AEIM"
    table, plates = make_table(_stream(2, cameras)), make_plates(*(camera for camera in cameras if camera not in bare))
    later = Decision(1, Selection(cameras=("I",)), recipe, "retry-failed")
    for decisions in ([Decision(0, Selection(), recipe, "root")], [Decision(0, Selection(), recipe, "root"), later]):
        planned = [shard for shard in plan_subject(table, plates, decisions) if shard.recipe == fallback]
        assert {shard.camera: shard.slot for shard in planned} == {"A": 0, "E": 1, "I": 2, "M": 3}
        assert len({shard.lockstep for shard in planned}) == len(decisions)


def test_a_plate_and_a_calibration_count_where_they_are_written_beside_the_masks(
    make_table: Tables, make_plates: Plates, make_recipe: Recipes
) -> None:
    table = make_table(_stream(10))
    for writes in (True, False):
        recipe = make_recipe(uses_plate=False, write_frames=writes)
        decisions = [Decision(0, Selection(), recipe, "root")]
        ids = {
            shard.shard_id
            for plates in (make_plates("A"), make_plates("A", fingerprint="8-1"))
            for calibration in (CalibrationFile("c.json", "1-1"), CalibrationFile("c.json", "2-1"))
            for shard in plan_subject(table, plates, decisions, calibration=calibration)
        }
        assert len(ids) == (4 if writes else 1)
