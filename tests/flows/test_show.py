from __future__ import annotations

import io

from rich.console import Console
from shards import recipe_for

from flows.costs import Hold
from flows.show import show_cameras, show_plan, show_summary
from flows.summary import Pending, Summary, Todo
from manifests.plan import CameraStatus
from manifests.records import ShardFailure
from manifests.traffic import Traffic


def shown(show: object, *values: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    show(console, *values)  # type: ignore[operator]
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_plan_counts_shards_frames_and_bytes_by_subject() -> None:
    recipe = recipe_for()
    summary = Summary("/out", todo=[Todo("031", {recipe: Pending(3, 150)}, 20_000, 10), Todo("032", {}, 0, 64)])
    text = shown(show_plan, summary)
    assert recipe.recipe_id in text
    assert "To do: 3 shards, 150 frames, about 3.0 MB; done already: 74 frames." in text


def test_the_summary_lists_what_went_wrong_and_what_to_do() -> None:
    cameras = [
        CameraStatus("031", "", "a", 10, 8, 0, {"undecodable": 2}, ("image_a.jpg is truncated",)),
        CameraStatus("031", "", "b", 10, 6, 4),
    ]
    failure = ShardFailure("_b_0-3_x", "031", "", "b", 4, "store", "the store failed")
    summary = Summary("/out", n_written=14, seconds=2.0, cameras=cameras, failures=[failure], run_id="r")
    text = shown(show_summary, summary, "cleanplate matte ...")
    for words in (
        "2 undecodable",
        "image_a.jpg is truncated",
        "shard _b_0-3_x: the store failed",
        "14 frames matted in 2.0 s (7.0 frames/s)",
        "4 frames still pending. Go on with: cleanplate matte ...",
        "Masks: /out",
    ):
        assert words in text


def test_the_summary_of_a_run_says_what_it_cost() -> None:
    traffic = {"/a": Traffic({"get": 3}, 1, 2_000_000, 0), "/b": Traffic({"get": 1, "put": 4}, 0, 0, 5_000_000)}
    summary = Summary("/out", n_written=50, run_id="r", hold=Hold(180.0, 1, 1.0, 90.0), device_s=61.0, traffic=traffic)
    text = shown(show_summary, summary, "")
    assert "180 GPU-seconds (2.0 workers on average for 90.0 s), 1,000 frames per GPU-hour; 61.0 s" in text
    assert "8 requests (4 get, 4 put), 1 of them again; 2.0 MB read, 5.0 MB written." in text
    assert "Cost" not in shown(show_summary, Summary("/out"), "")


def test_many_cameras_are_shown_by_subject_but_for_those_with_trouble() -> None:
    cameras = [CameraStatus(f"{s:03d}", "", f"cam{c}", 5, 5, 0) for s in range(30) for c in range(16)]
    cameras[17] = CameraStatus("001", "", "cam1", 5, 4, 0, {"crashed": 1})
    text = shown(show_cameras, cameras)
    assert text.count("all") == 30 and text.count("cam") == 2  # the heading and the one with trouble
    assert text.count("1 crashed") == 2
