"""The flows on a real embedded Prefect server and a real Ray, as the command line and deployments start them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import FRONT, make_synth, make_tiny, masks_below
from command_line import cleanplate, matte

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from flows.engines import prepare_engines

    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.delenv("PREFECT_API_URL", raising=False)
        prepare_engines()
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            yield


def on_ray(capture: Path, out: Path, *words: object) -> object:
    return cleanplate("matte", capture, "--out", out, "--model", "plate-difference", "--workers", 2, *words)


def test_the_default_run_is_a_flow_on_ray_with_the_bytes_of_the_in_process_run(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=3, n_frames=4)
    ended = on_ray(capture, tmp_path / "ray")
    assert ended.code == 0, ended.err
    assert "2 workers" in ended.out and "24 frames matted" in ended.out and "raylet" not in ended.out
    matte(capture, tmp_path / "local")
    assert masks_below(tmp_path / "ray") == masks_below(tmp_path / "local")
    assert "Nothing to do" in on_ray(capture, tmp_path / "ray").out


def test_one_task_a_subject_and_a_summary_artifact_are_recorded(tmp_path: Path) -> None:
    import asyncio

    from prefect.client.orchestration import get_client

    capture = make_synth(tmp_path / "capture", f"missing:{FRONT}", n_subjects=2, n_cameras=2, n_frames=1, size_px=64)
    assert on_ray(capture, tmp_path / "out").code == 3

    async def recorded() -> tuple[list[str], str, list[str]]:
        async with get_client() as client:
            flow_run = (await client.read_flow_runs())[-1]
            latest = max(await client.read_flow_runs(), key=lambda run: run.expected_start_time)
            tasks = [run.name for run in await client.read_task_runs() if run.flow_run_id == latest.id]
            artifacts = [str(a.data) for a in await client.read_artifacts() if a.flow_run_id == latest.id]
            return tasks, f"{flow_run.name and latest.state_name}: {latest.state.message}", artifacts

    tasks, state, artifacts = asyncio.run(recorded())
    deadline = time.monotonic() + 60
    while len(tasks) < 2 and time.monotonic() < deadline:  # Prefect writes the rows of tasks some time after
        time.sleep(0.5)
        tasks, state, artifacts = asyncio.run(recorded())
    assert sorted(tasks) == ["matte-031", "matte-032"]
    assert state.startswith("Failed: 2 frames matted, 2 not ok, 0 pending")
    assert any("missing_plate" in data for data in artifacts)


def test_flows_take_plain_parameters_as_a_deployment_gives_them(tmp_path: Path) -> None:
    from flows.prefect_flows import enumerate_captures, matte_captures, reprocess_subject

    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    settings = {"model": "plate-difference", "executor": "local"}
    assert enumerate_captures(str(capture), str(out), return_state=True).message == "1 subject, 6 frames"
    state = matte_captures(str(capture), str(out), settings, return_state=True)  # type: ignore[arg-type]
    assert state.is_completed() and state.message.startswith("6 frames matted")
    again = {"executor": "local", "cameras": ["cam1"]}
    state = reprocess_subject(str(out), "031", again, return_state=True)  # type: ignore[arg-type]
    assert state.is_completed() and state.message.startswith("3 frames matted")


def test_a_bad_parameter_is_refused_before_anything_runs(tmp_path: Path) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.prefect_flows import matte_captures

    with pytest.raises(ParameterTypeError, match="refine_mode"):
        matte_captures("a", str(tmp_path / "out"), {"refine_mode": "best"})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_refusal_inside_the_flow_keeps_its_message_and_exit_code(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    matte(capture, tmp_path / "out")
    refused = on_ray(capture, tmp_path / "out", "--missing-plate", "zeros")
    assert refused.code == 4 and "missing_plate: error here, zeros asked for" in refused.err


def test_options_of_the_store_are_nowhere_in_prefects_books(tmp_path: Path) -> None:
    import os

    capture = make_tiny(tmp_path / "capture")
    assert on_ray(capture, tmp_path / "out", "--storage-option", "secret=hunter2-in-the-open").code == 0
    kept = [path for path in Path(os.environ["PREFECT_HOME"]).rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2-in-the-open" in path.read_bytes()]


def artifacts_of_the_last_run() -> dict[str, list[object]]:
    """Return what the server keeps of the last flow run: (type, data, description) by key, the oldest first."""
    import asyncio

    from prefect.client.orchestration import get_client

    async def read() -> dict[str, list[object]]:
        async with get_client() as client:
            latest = max(await client.read_flow_runs(), key=lambda run: run.expected_start_time)
            mine = [one for one in await client.read_artifacts() if one.flow_run_id == latest.id]
            found: dict[str, list[object]] = {}
            for one in sorted(mine, key=lambda one: one.created):
                found.setdefault(one.key, []).append((one.type, one.data, one.description))
            return found

    return asyncio.run(read())


def test_a_run_leaves_its_artifacts_in_the_server(tmp_path: Path) -> None:
    from flows.prefect_flows import matte_captures, reprocess_flagged, write_report

    capture, out = make_synth(tmp_path / "capture", n_cameras=2, n_frames=2, size_px=64), tmp_path / "out"
    limits = tmp_path / "limits.toml"
    limits.write_text("[border_top]\nreview = -1\nfail = -0.5\n")  # every value is above
    settings = {"model": "plate-difference", "executor": "local", "limits": str(limits)}
    matte_captures(str(capture), str(out), settings, return_state=True)  # type: ignore[arg-type]
    found = artifacts_of_the_last_run()
    assert set(found) == {"matte-summary", "matte-worst", "matte-progress"}  # no report yet
    ((kind, data, words),) = found["matte-progress"]
    assert (kind, float(data), words) == ("progress", 100.0, "4 of 4 frames")
    ((kind, data, _),) = found["matte-summary"]
    rows = json.loads(data)
    assert kind == "table" and [(row["verdict"], row["measure"]) for row in rows] == [("fail", "border_top")] * 2
    ((kind, data, _),) = found["matte-worst"]
    assert kind == "markdown" and "2 cameras: 0 pass, 0 review, 2 fail" in data and "border top" in data

    state = write_report(str(out), return_state=True)
    assert state.is_completed(), state.message
    link = f"file://{out}/_cleanplate/report/index.html"
    assert [data for _, data, _ in artifacts_of_the_last_run()["matte-report"]] == [f"[Report of the mattes]({link})"]

    again = {"executor": "local", "flagged": "fail", "quality": 60}
    state = reprocess_flagged(str(out), again, return_state=True)  # type: ignore[arg-type]
    assert state.is_completed() and state.message.startswith("4 frames matted")
    assert set(artifacts_of_the_last_run()) == {"matte-summary", "matte-worst", "matte-progress", "matte-report"}


def test_progress_is_told_while_a_run_is_under_way(tmp_path: Path) -> None:
    from prefect import flow

    from flows.progress_artifact import told_progress
    from flows.watch import QuietWatcher
    from manifests.records import ShardSummary

    seen: list[float] = []

    @flow
    def run() -> None:
        with told_progress(QuietWatcher(), every_s=0.1) as watcher:
            watcher.planned(10, 2)
            watcher.settled(ShardSummary("s", "031", "", "7", "r", 5, {"ok": 5}, None, 0.1, 9, "w"))
            deadline = time.monotonic() + 20
            while not seen or (seen[-1] != 50 and time.monotonic() < deadline):
                time.sleep(0.1)
                seen.extend(float(data) for _, data, _ in artifacts_of_the_last_run()["matte-progress"])

    run()
    assert seen[-1] == 50.0


def test_a_store_that_fails_once_is_tried_again_and_a_refusal_is_not() -> None:
    from prefect import flow

    from flows.prefect_tasks import as_tasks
    from manifests.errors import Refused, StoreFault

    tried: list[str] = []

    def work_on(subject: str) -> None:
        tried.append(subject)
        if subject == "refused":
            raise Refused("no")
        if tried.count(subject) == 1:
            raise StoreFault("not now") if subject == "031" else OSError("not now")

    @flow
    def run(*subjects: str) -> None:
        as_tasks(delays_s=(0.1, 0.2))(subjects, work_on)

    run("031", "032")
    assert sorted(tried) == ["031", "031", "032", "032"]
    with pytest.raises(Refused):
        run("refused")
    assert tried.count("refused") == 1
