"""Decisions: what a selection holds, and a log that is only ever appended to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from manifests.decisions import (
    Decision,
    Selection,
    append_decision,
    parse_slice,
    read_decisions,
    slice_mask,
    standing_recipe,
)
from manifests.errors import SchemaUnknown, UsageError
from manifests.recipe import Recipe
from manifests.sharding import FrameTable
from manifests.storage import LocalFolder
from manifests.storage_memory import MemoryFolder

Tables = Callable[..., FrameTable]
Recipes = Callable[..., Recipe]

SEQUENCES, CAMERAS, NUMBERS = ("", "EMO-1"), ("A", "B"), range(12)
KEYS = [(sequence, camera, frame) for sequence in SEQUENCES for camera in CAMERAS for frame in NUMBERS]
BOUND = st.none() | st.integers(0, 40)
SLICES = st.sampled_from(["2:8", "::3", "5", ":4", "2:", "1::2"])
PARTS = ("subjects", "sequences", "cameras", "frames")
SELECTIONS = st.builds(
    Selection,
    subjects=st.none() | st.sets(st.sampled_from(["031", "036"])).map(tuple),
    sequences=st.none() | st.sets(st.sampled_from(SEQUENCES)).map(tuple),
    cameras=st.none() | st.sets(st.sampled_from(CAMERAS)).map(tuple),
    frames=st.none() | SLICES,
    listed=st.none() | st.sets(st.sampled_from(KEYS), max_size=5).map(lambda keys: {"031": tuple(sorted(keys))}),
)


def _text(*bounds: int | None) -> str:
    return ":".join("" if bound is None else str(bound) for bound in bounds)


@given(start=BOUND, stop=BOUND, step=st.none() | st.integers(1, 9), short=st.booleans())
def test_slice_holds_the_frame_numbers_that_a_python_slice_would(
    start: int | None, stop: int | None, step: int | None, short: bool
) -> None:
    assume(not (short and step is not None))
    text = _text(start, stop) if short else _text(start, stop, step)
    numbers = np.arange(50, dtype=np.int32)
    assert numbers[slice_mask(text, numbers)].tolist() == list(range(50))[slice(start, stop, step)]


@given(text=st.tuples(BOUND, BOUND).map(lambda bounds: _text(*bounds)), kept=st.sets(st.integers(0, 49)))
def test_slice_goes_by_frame_numbers_not_positions_when_frames_are_missing(text: str, kept: set[int]) -> None:
    numbers = np.array(sorted(kept), dtype=np.int32)
    whole = np.arange(50, dtype=np.int32)
    assert set(numbers[slice_mask(text, numbers)].tolist()) == set(whole[slice_mask(text, whole)].tolist()) & kept


def test_one_number_is_that_frame_alone() -> None:
    numbers = np.arange(10, dtype=np.int32)
    assert numbers[slice_mask("7", numbers)].tolist() == [7]


def test_no_slice_is_all_frames() -> None:
    assert slice_mask(None, np.arange(10)).all()


@pytest.mark.parametrize("text", ["", "-1", "-3:", "1:-1", "a:b", "1:2:3:4", "::0", "1,2", "1.5", "0x1", "1 2"])
def test_slice_is_refused_when_it_is_not_one_of_frame_numbers(text: str) -> None:
    with pytest.raises(UsageError):
        parse_slice(text)


@pytest.mark.parametrize("text", ["99999999999:", "0:5:99999999999", "99999999999"])
def test_slice_holds_what_there_is_when_its_numbers_are_huge(text: str) -> None:
    numbers = np.arange(3, dtype=np.int32)
    start = int(text.split(":")[0])
    assert numbers[slice_mask(text, numbers)].tolist() == ([0] if start == 0 else [])


def _by_hand(selection: Selection, subject: str, key: tuple[str, str, int]) -> bool:
    sequence, camera, frame = key
    listed = selection.listed
    return (
        (selection.subjects is None or subject in selection.subjects)
        and (selection.sequences is None or sequence in selection.sequences)
        and (selection.cameras is None or camera in selection.cameras)
        and (selection.frames is None or bool(slice_mask(selection.frames, np.array([frame]))[0]))
        and (listed is None or key in listed.get(subject, ()))
    )


@given(selection=SELECTIONS, subject=st.sampled_from(["031", "036"]))
def test_rows_are_those_that_pass_every_part_of_a_selection(
    make_table: Tables, selection: Selection, subject: str
) -> None:
    table = make_table(KEYS, subject)
    chosen = selection.rows(table)
    assert chosen.tolist() == [_by_hand(selection, subject, key) for key in KEYS]
    if chosen.any():
        assert selection.has_subject(subject)


@given(mine=SELECTIONS, mixed=SELECTIONS, parts=st.sets(st.sampled_from(PARTS)))
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_rows_of_another_selection_are_among_mine_when_i_cover_it(
    make_table: Tables, mine: Selection, mixed: Selection, parts: set[str]
) -> None:
    other = replace(mixed, **{part: getattr(mine, part) for part in parts})
    assume(mine.covers(other))
    for subject in ("031", "036"):
        table = make_table(KEYS, subject)
        assert not (other.rows(table) & ~mine.rows(table)).any()


@given(SELECTIONS)
def test_everything_covers_any_selection(selection: Selection) -> None:
    assert Selection().covers(selection)


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (Selection(subjects=("031",)), Selection()),
        (Selection(cameras=("A",)), Selection(cameras=("A", "B"))),
        (Selection(sequences=("EMO-1",)), Selection(sequences=("",))),
        (Selection(frames="0:5"), Selection(frames="0:9")),
        (Selection(listed={"031": (("", "A", 1),)}), Selection(subjects=("031",))),
    ],
)
def test_selection_does_not_cover_one_that_holds_more(mine: Selection, other: Selection) -> None:
    assert not mine.covers(other)


@given(SELECTIONS)
def test_selection_is_the_same_when_it_went_through_json(selection: Selection) -> None:
    assert Selection.from_record(json.loads(json.dumps(selection.to_record()))) == selection


def test_name_is_exact_when_another_begins_with_it(make_table: Tables) -> None:
    table = make_table([("", "22", 0), ("", "222", 0)])
    assert table.camera[Selection(cameras=("22",)).rows(table)].tolist() == ["22"]


def test_selection_is_said_in_the_words_of_the_command_line() -> None:
    said = str(Selection(("031", "036"), None, ("A",), "::3", {"031": (("", "A", 3), ("", "A", 6))}))
    assert said == "subjects 031,036, cameras A, frames ::3, 2 listed frames"
    assert str(Selection()) == "everything"


@pytest.fixture(scope="session")
def root(make_recipe: Recipes) -> Decision:
    return Decision(0, Selection(), make_recipe(), "root")


def test_log_is_read_in_order_when_there_are_more_than_ten(root: Decision, make_recipe: Recipes) -> None:
    out, log = MemoryFolder(), [root]
    for quality in range(12):
        recipe = make_recipe(mask_quality=quality)
        log.append(append_decision(out, log, Selection(cameras=("A",), frames="1:2"), recipe, "replace"))
    assert [decision.number for decision in log] == list(range(13))
    assert read_decisions(out, root) == tuple(log)


def test_log_is_decision_0_when_nothing_was_appended(root: Decision) -> None:
    assert read_decisions(MemoryFolder(), root) == (root,)


def test_decision_is_appended_behind_that_of_another_run_when_both_read_the_same_log(
    root: Decision, make_recipe: Recipes
) -> None:
    out = MemoryFolder()
    first = append_decision(out, [root], Selection(subjects=("031",)), make_recipe(), "reprocess")
    second = append_decision(out, [root], Selection(subjects=("036",)), make_recipe(), "reprocess")
    assert read_decisions(out, root) == (root, first, second)


def test_no_decision_is_lost_when_many_runs_append_at_once(
    root: Decision, make_recipe: Recipes, tmp_path: Path
) -> None:
    barrier, appended = threading.Barrier(6), []

    def append(camera: str) -> None:
        barrier.wait(10)
        selection = Selection(cameras=(camera,))
        appended.append(append_decision(LocalFolder(tmp_path), [root], selection, make_recipe(), "replace"))

    threads = [threading.Thread(target=append, args=(camera,)) for camera in "ABCDEF"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    log = read_decisions(LocalFolder(tmp_path), root)
    assert [decision.number for decision in log] == list(range(7))
    assert sorted(appended, key=lambda decision: decision.number) == list(log[1:])


def test_log_passes_over_files_that_are_no_decisions(root: Decision, make_recipe: Recipes) -> None:
    out = MemoryFolder({"_cleanplate/decisions/1.json.claim": b"", "_cleanplate/decisions/notes.json": b"{}"})
    added = append_decision(out, [root], Selection(), make_recipe(), "replace")
    assert read_decisions(out, root) == (root, added)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}", b'{"selection": {}}', b"\xff"])
def test_log_is_refused_by_the_name_of_the_file_when_one_is_damaged(root: Decision, data: bytes) -> None:
    out = MemoryFolder({"_cleanplate/decisions/3.json": data})
    with pytest.raises(SchemaUnknown, match=r"3\.json"):
        read_decisions(out, root)


def test_log_is_refused_when_listed_frames_are_no_object(root: Decision, make_recipe: Recipes) -> None:
    out = MemoryFolder()
    added = append_decision(out, [root], Selection(), make_recipe(), "replace")
    path = f"_cleanplate/decisions/{added.number}.json"
    record = json.loads(out.read(path))
    record["selection"]["listed"] = [["", "A", 1]]
    out.write_atomic(path, json.dumps(record).encode())
    with pytest.raises(SchemaUnknown):
        read_decisions(out, root)


def test_standing_recipe_is_that_of_the_last_general_decision_that_covers_the_run(
    root: Decision, make_recipe: Recipes
) -> None:
    one, two, three = (make_recipe(mask_quality=quality) for quality in (1, 2, 3))
    log = [
        root,
        Decision(1, Selection(subjects=("031",)), one, "replace"),
        Decision(2, Selection(subjects=("031",), cameras=("A",)), two, "replace"),
        Decision(3, Selection(subjects=("031",)), three, "reprocess"),
    ]
    assert standing_recipe(log, Selection()) == root.recipe
    assert standing_recipe(log, Selection(subjects=("036",))) == root.recipe
    assert standing_recipe(log, Selection(subjects=("031",))) == one
    assert standing_recipe(log, Selection(subjects=("031",), cameras=("A",), frames="0:3")) == two
    assert standing_recipe(log, Selection(subjects=("031", "036"))) == root.recipe
