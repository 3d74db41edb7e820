"""The deployments on a real server, over SQLite and PostgreSQL: schedules, cancelling, crashes, events, turns."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from captures import make_tiny, masks_below
from command_line import matte
from prefect_servers import FILE, HOME, NotServed, Prefect, serve_postgres, serve_prefect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]

MOST_S = 15.0
"""Between the word that a run is to be cancelled, and the end of the last of its workers."""
EVENTS = HOME / "infra/events"


@dataclass(frozen=True)
class Site:
    """A server with the deployments, a worker, and a capture of some thousand small frames."""

    prefect: Prefect
    worker: psutil.Process
    capture: Path
    folder: Path

    def wait_for_shards(self, out: Path, n_shards: int, run: str) -> None:
        deadline = time.monotonic() + 200
        while len(list(out.glob("_cleanplate/ledger/*/*.parquet"))) < n_shards:
            assert self.prefect.state(run)["type"] != "FAILED", self.prefect.state(run)
            assert time.monotonic() < deadline, self.prefect.logs()
            time.sleep(0.1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    capture = make_tiny(folder / "capture", ("031", "032"), n_cameras=4, n_frames=256)
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(serve_postgres()) if request.param == "postgresql" else None
        except NotServed as reason:
            pytest.skip(str(reason))
        prefect = stack.enter_context(serve_prefect(folder, url))
        prefect.deploy(capture, folder / "out", with_interval(folder, 20))
        yield Site(prefect, stack.enter_context(prefect.worker()), capture, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of all masks of a run in one process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    capture = make_tiny(folder / "capture", ("031", "032"), n_cameras=4, n_frames=256)
    assert matte(capture, folder / "out").code == 0
    return hashes(folder / "out")


def hashes(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in masks_below(out).items()}


def with_interval(folder: Path, interval_s: int) -> Path:
    """Write a copy of the file whose night begins every so many seconds, with a model that needs no weights."""
    told = yaml.safe_load(FILE.read_text())
    for deployment in told["deployments"]:
        if deployment["name"] != "report":
            deployment["parameters"]["model"] = "plate-difference"
        if deployment["name"] == "nightly":
            small = make_tiny(folder / "small", n_frames=3)
            deployment["parameters"] |= {"capture": str(small), "out": str(folder / "nights")}
            deployment["parameters"]["more"] = 'executor = "local"'
            deployment["schedules"] = [{"interval": interval_s}]
    copy = folder / "prefect.yaml"
    copy.write_text(yaml.safe_dump(told))
    return copy


def test_a_scheduled_run_fires_by_itself(site: Site) -> None:
    prefect = site.prefect
    deadline = time.monotonic() + 120
    while not (done := [run for run in prefect.runs_of("nightly") if run["state"]["type"] == "COMPLETED"]):
        assert time.monotonic() < deadline, prefect.logs()
        time.sleep(0.5)
    assert done[-1]["auto_scheduled"]
    assert done[-1]["state"]["message"].startswith("6 frames matted; 0 newly not ok (0 in all), 0 pending")
    assert {"matte-nightly", "matte-summary", "matte-report"} <= set(prefect.artifacts(done[-1]["id"]))
    assert len(masks_below(site.folder / "nights")) == 12
    prefect.run("deployment", "schedule", "clear", "nightly/nightly", "--accept-yes")
    waiting = {
        "deployments": {"name": {"any_": ["nightly"]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    assert prefect.ask("flow_runs/filter", waiting) == []


def test_a_cancelled_run_stops_its_workers_and_the_next_goes_on_to_the_same_bytes(
    site: Site, undisturbed: dict[str, str]
) -> None:
    prefect, out = site.prefect, site.folder / "cancelled"
    run = prefect.start("matte-captures", out=str(out), workers=2)
    site.wait_for_shards(out, 3, run)
    engine = prefect.engine(run)
    family = [engine, *engine.children(recursive=True)]
    workers = [member for member in family if "MattingActor" in " ".join(member.cmdline())]
    assert len(workers) == 2
    said = time.monotonic()
    prefect.ask(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})  # as the button on the page does
    assert psutil.wait_procs(workers, timeout=MOST_S)[1] == []
    workers_s = time.monotonic() - said
    state = prefect.wait(run, "CANCELLED", timeout_s=60)
    state_s = time.monotonic() - said
    assert psutil.wait_procs(family, timeout=60)[1] == []
    print(f"workers gone after {workers_s:.1f} s, run {state['name']} after {state_s:.1f} s")
    kept = len(masks_below(out))
    assert 3 * 128 <= kept < len(undisturbed)
    (record,) = (out / "_cleanplate/runs").glob("*.json")
    assert json.loads(record.read_text())["state"] == "interrupted"

    again = prefect.wait(prefect.start("matte-captures", out=str(out), workers=2), timeout_s=200)
    assert again["type"] == "COMPLETED", again
    assert int(again["message"].split()[0]) <= 2048 - 3 * 64  # what was finished is not done again
    assert hashes(out) == undisturbed


def test_a_run_that_is_killed_is_crashed_and_the_next_goes_on(site: Site, undisturbed: dict[str, str]) -> None:
    prefect, out = site.prefect, site.folder / "killed"
    run = prefect.start("matte-captures", out=str(out), workers=2)
    site.wait_for_shards(out, 3, run)
    engine = prefect.engine(run)
    family = engine.children(recursive=True)
    engine.kill()
    assert "status code: -9" in prefect.wait(run, "CRASHED", timeout_s=30)["message"]
    again = prefect.wait(prefect.start("matte-captures", out=str(out), workers=2), timeout_s=300)
    assert again["type"] == "COMPLETED" and hashes(out) == undisturbed
    psutil.wait_procs(family, timeout=60)


def test_one_subject_is_matted_again_by_parameters(site: Site) -> None:
    prefect, out = site.prefect, site.folder / "killed"
    run = prefect.start("reprocess-subject", out=str(out), subject="031", cameras="cam0,cam2", frames="0:10")
    assert prefect.wait(run)["message"].startswith("20 frames matted, 0 not ok, 0 pending")
    refused = json.dumps({"subject": "031", "out": str(out), "frames": "x"})
    said = prefect.run(
        *("deployment", "run", "reprocess-subject/reprocess-subject", "--params", refused),
        fails=True,
    )
    assert "Validation failed for field 'frames'" in said
    run = prefect.start("reprocess-subject", out=str(out), subject="031", more="colour = 'blue'")
    assert prefect.wait(run, "FAILED")["message"] == "colour: there is no such setting."


def test_a_marker_file_starts_the_run_of_its_subject(site: Site) -> None:
    prefect = site.prefect
    small, told = make_tiny(site.folder / "uploads", ("041", "042")), site.folder / "told"
    words = ["sh", str(EVENTS / "watch-markers.sh"), str(small), "UPLOADED", str(told)]
    assert subprocess.run(words, env=prefect.environment, check=True, capture_output=True).stdout == b""
    before = {run["id"] for run in prefect.runs_of("matte-captures")}
    (small / "042/UPLOADED").touch()
    for _ in range(2):  # the second time there is nothing to tell
        subprocess.run(words, env=prefect.environment, check=True)
    deadline = time.monotonic() + 60
    while not (new := [run for run in prefect.runs_of("matte-captures") if run["id"] not in before]):
        assert time.monotonic() < deadline, prefect.logs()
        time.sleep(0.5)
    assert [run["parameters"]["subjects"] for run in new] == ["042"] and told.read_text() == "042\n"
    prefect.run("flow-run", "cancel", new[0]["id"])  # the capture of the deployment has no such subject
    prefect.wait(new[0]["id"])


def test_two_runs_take_turns_at_a_subject(site: Site) -> None:
    prefect, out = site.prefect, site.folder / "turns"
    first = prefect.start("matte-captures", out=str(out), subjects="031")
    site.wait_for_shards(out, 1, first)
    second = prefect.start(
        "nightly", capture=str(site.capture), out=str(out), subjects="031", more='executor = "local"\nreplace = true'
    )
    assert prefect.wait(first, timeout_s=200)["type"] == "COMPLETED"
    said = prefect.wait(second, timeout_s=200)
    logs = prefect.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [second]}}, "limit": 200})
    assert any("Another run is at work on this subject" in line["message"] for line in logs)
    assert said["type"] == "COMPLETED" and said["message"].startswith("0 frames matted")


def test_somebody_is_told_of_a_failed_run(site: Site) -> None:
    prefect, heard = site.prefect, []

    class Listening(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    code = (
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
        f"block = Block(name='lab', url='{url}', json_data={{'text': '{{{{body}}}}'}})\n"
        "print(block.save('failures', overwrite=True))\n"
    )
    saved = subprocess.run(
        [sys.executable, "-c", code], env=prefect.environment, cwd=HOME, capture_output=True, text=True, check=True
    )
    file = site.folder / "failed-runs.yaml"
    file.write_text((EVENTS / "failed-runs.yaml").read_text().replace("BLOCK_ID", saved.stdout.split()[-1]))
    prefect.run("automation", "create", "--from-file", str(file))
    prefect.wait(prefect.start("report", out=str(site.folder / "nowhere")), "FAILED")
    deadline = time.monotonic() + 60
    while not heard:
        assert time.monotonic() < deadline, prefect.logs()
        time.sleep(0.5)
    server.shutdown()
    assert "report, run " in heard[0] and "is not an output root of cleanplate" in heard[0]


def test_a_run_that_died_with_its_worker_is_marked_as_crashed(site: Site) -> None:
    prefect, out = site.prefect, site.folder / "dead"
    prefect.run("automation", "create", "--from-file", str(EVENTS / "dead-runs.yaml"))
    run = prefect.start("matte-captures", out=str(out), workers=1)
    site.wait_for_shards(out, 1, run)
    engine = prefect.engine(run)
    for process in (site.worker, engine):
        process.kill()
    assert prefect.wait(run, "CRASHED", timeout_s=200)["message"].startswith("Nothing was heard of this run for 90 s")
