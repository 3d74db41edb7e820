"""What Prometheus would scrape of a real run on a real Ray cluster: the frames that the ledger shows."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from captures import make_tiny
from infra.panels import exported, metrics_in, queries

from manifests.ledger import read_receipts
from manifests.records import FrameRow
from manifests.storage import LocalFolder

pytestmark = pytest.mark.ray

N_FRAMES, SUBJECTS = 8, ("031", "032")
LINE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
NEEDS_GPU = {"ray_node_gpus_utilization", "ray_cleanplate_gpu_memory_bytes", "ray_cleanplate_gpu_memory_peak_bytes"}
NOTHING_TO_RETRY = {"ray_cleanplate_store_retries_total"}

MAIN_JOB = """
import os, sys
from flows.matte import list_capture, matte
from flows.settings import MatteSettings
from flows.watch import QuietWatcher
from manifests.storage import open_folder

class Watcher(QuietWatcher):
    def settled(self, outcome):
        from matting_tasks.actor import note_death
        super().settled(outcome)
        if outcome.camera == "cam2":
            note_death("cluster")

capture, out, address, changed = sys.argv[1:]
settings = MatteSettings(model="plate-difference", device="cpu", workers=2, ray_address=address, enumerate=False)
list_capture(open_folder(capture), open_folder(out), settings, Watcher())
os.utime(changed, (0, 0))
sys.exit(10 + matte(capture, out, settings, Watcher()).exit_code)
"""
"""The main job as `cleanplate matte` calls it, but for Prefect; one frame changes after the capture was listed, and
the death of a worker is noted for two of the shards."""


@dataclass
class Cluster:
    """A Ray cluster of one node: where it answers, where its files lie, and what joins it."""

    address: str
    metrics_port: int
    temp: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes]

    def scrape(self) -> Counter[tuple[str, ...]]:
        """Return the numbers by (name, labels that are not the node's or the worker's), summed over workers."""
        found: Counter[tuple[str, ...]] = Counter()
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                match = LINE.fullmatch(line)
                if match is not None:
                    labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"] or ""))
                    ours = [f"{key}={labels[key]}" for key in sorted(labels) if key[0].islower() and "otel" not in key]
                    found[match["name"], *ours] += float(match["value"])  # type: ignore[assignment]
        return found

    def scrape_until(self, name: str, total: float, timeout_s: float = 20.0) -> Counter[tuple[str, ...]]:
        """Scrape until a metric adds up to a total, or the time is over; return the last scrape."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.scrape()
            if added(found, name) == total or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def added(found: Counter[tuple[str, ...]], name: str, *labels: str) -> float:
    """Return the sum of a metric over all series that have the labels."""
    return sum(value for (one, *its), value in found.items() if one == name and set(labels) <= set(its))


def by_status(found: Counter[tuple[str, ...]], name: str) -> dict[str, float]:
    """Return a metric by its label `status`."""
    every = {
        label.removeprefix("status=") for one, *its in found for label in its if one == name and "status=" in label
    }
    return {status: added(found, name, f"status={status}") for status in every}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start a node by `ray start`, with its dashboard, and end it."""
    temp = Path(tempfile.mkdtemp(prefix="cp-", dir="/tmp"))  # sockets lie in it: their paths must be short
    tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
    env = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "PREFECT_API_URL")} | tokens
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_HOME": str(temp / "prefect")}
    port, metrics_port, pages_port = free_ports(3)
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=4"]
    ray += ["--node-ip-address=127.0.0.1", f"--port={port}", f"--metrics-export-port={metrics_port}"]
    ray += [f"--dashboard-port={pages_port}", f"--temp-dir={temp}", "--object-store-memory=100000000"]
    log = (temp / "ray.log").open("wb")
    process = subprocess.Popen(ray, env=env | quiet, stdout=log, stderr=log)
    try:
        started = Cluster(f"127.0.0.1:{port}", metrics_port, temp, env | quiet, process)
        wait_for(started)
        yield started
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(temp, ignore_errors=True)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(cluster: Cluster, timeout_s: float = 60.0) -> None:
    """Wait until a node answers."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            cluster.scrape()
            return
        except (URLError, ConnectionError):
            if cluster.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError((cluster.temp / "ray.log").read_text()) from None
            time.sleep(0.1)


@pytest.fixture(scope="module")
def ran(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output root of a run with a broken frame, and one shard that cannot be committed."""
    home = tmp_path_factory.mktemp("scraped")
    capture, out = make_tiny(home / "capture", SUBJECTS, 3, N_FRAMES), home / "out"
    (capture / "031/images/0004/image_cam1.jpg").write_bytes(b"broken")
    changed = capture / "032/images/0002/image_cam0.jpg"
    words = [sys.executable, "-c", MAIN_JOB, str(capture), str(out), cluster.address, str(changed)]
    ended = subprocess.run(words, env=cluster.env, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ended.returncode == 11, ended.stderr  # one shard is pending
    return out


def ledger(out: Path) -> list[FrameRow]:
    """Return all rows of an output root."""
    return [row for subject in SUBJECTS for row in read_receipts(LocalFolder(out), subject)]


def test_the_frames_that_are_scraped_are_those_of_the_ledger(cluster: Cluster, ran: Path) -> None:
    statuses = Counter(row.status for row in ledger(ran))
    assert statuses == {"ok": 5 * N_FRAMES - 1, "undecodable": 1}
    found = cluster.scrape_until("ray_cleanplate_frames_total", sum(statuses.values()))
    assert by_status(found, "ray_cleanplate_frames_total") == statuses
    assert by_status(found, "ray_cleanplate_run_frames_total") == statuses
    assert added(found, "ray_cleanplate_frames_matted_total") >= statuses["ok"]
    assert added(found, "ray_cleanplate_shard_failures_total", "kind=changed") == 1
    assert added(found, "ray_cleanplate_worker_deaths_total", "kind=cluster") == 2


def test_the_requests_that_are_scraped_are_those_of_the_files(cluster: Cluster, ran: Path) -> None:
    rows, found = ledger(ran), cluster.scrape()
    n_ok = sum(row.status == "ok" for row in rows)
    of_masks = sum((row.mask_bytes or 0) + (row.lowres_bytes or 0) for row in rows)
    # of the shard that failed masks may have been written before, and its plate was read
    n_puts = added(found, "ray_cleanplate_store_requests_total", "store=out", "operation=put")
    assert 2 * n_ok + 5 <= n_puts <= 2 * n_ok + 5 + 2 * N_FRAMES
    n_written = added(found, "ray_cleanplate_store_written_bytes_total", "store=out")
    assert of_masks < n_written < of_masks + 6 * 64_000
    n_gets = added(found, "ray_cleanplate_store_requests_total", "store=capture", "operation=get")
    assert 5 * N_FRAMES + 6 <= n_gets <= 6 * N_FRAMES + 6
    (record,) = (json.loads(path.read_text()) for path in (ran / "_cleanplate/runs").glob("*.json"))
    assert n_puts <= record["cost"]["requests"]["put"] and n_written <= record["cost"]["bytes_written"]


def test_the_phases_that_are_scraped_add_up_to_the_time_of_the_shards(cluster: Cluster, ran: Path) -> None:
    found = cluster.scrape()
    (record,) = (json.loads(path.read_text()) for path in (ran / "_cleanplate/runs").glob("*.json"))
    seconds = added(found, "ray_cleanplate_shard_seconds_total")
    assert 0 < seconds <= 2 * 2 * record["cost"]["held_s"]  # two workers, two shards in the hands of each
    of_rows = sum(row.device_s or 0.0 for row in ledger(ran))
    assert added(found, "ray_cleanplate_shard_seconds_total", "phase=device") >= 0.99 * of_rows


def test_every_metric_of_the_dashboard_is_scraped(cluster: Cluster, ran: Path) -> None:
    names = {name for name, *_ in cluster.scrape_until("ray_cleanplate_shards_in_hand", 0)}
    shown = set().union(*map(metrics_in, queries()))
    assert shown - names == NEEDS_GPU | NOTHING_TO_RETRY
    assert exported() - names == (NEEDS_GPU | NOTHING_TO_RETRY) & exported()


def test_what_a_gpu_would_show_has_the_names_that_ray_gives() -> None:
    from ray.dashboard.modules.reporter import reporter_agent

    shown = set().union(*map(metrics_in, queries())) - exported()
    assert {name.removeprefix("ray_") for name in shown} <= set(reporter_agent.METRICS_GAUGES)


def test_the_list_that_prometheus_reads_has_the_node(cluster: Cluster) -> None:
    listed, deadline = cluster.temp / "prom_metrics_service_discovery.json", time.monotonic() + 20
    while True:
        targets = [one for group in json.loads(listed.read_text()) for one in group["targets"]]
        if any(target.endswith(f":{cluster.metrics_port}") for target in targets):
            return
        assert time.monotonic() < deadline, targets
        time.sleep(0.2)


def test_each_line_of_a_workers_log_says_what_it_is_about(cluster: Cluster, ran: Path) -> None:
    logs = [path.read_text() for path in (cluster.temp / "session_latest/logs").glob("worker-*.err")]
    lines = [json.loads(line) for log in logs for line in log.splitlines() if line.startswith("{")]
    ended = [line for line in lines if "committed" in line["text"] or "changed" in line["text"]]
    assert {(line["subject"], line["camera"]) for line in ended} == {(s, f"cam{n}") for s in SUBJECTS for n in range(3)}
    begun = [line for line in lines if line["text"] == "begun"]
    assert {line["shard"] for line in begun} == {line["shard"] for line in ended} and len(begun) == 6
    assert all(line["worker"].endswith(tuple("0123456789")) for line in lines)


@pytest.mark.slow
def test_the_command_line_is_counted_as_well(cluster: Cluster, ran: Path, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031",), 2, 5), tmp_path / "out"
    before = cluster.scrape()
    command = [str(Path(sys.executable).with_name("cleanplate")), "matte", str(capture), "--out", str(out)]
    command += ["--model", "plate-difference", "--ray-address", cluster.address, "--workers", "2", "--json-lines"]
    ended = subprocess.run(command, env=cluster.env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    n_before = added(before, "ray_cleanplate_frames_total")
    found = cluster.scrape_until("ray_cleanplate_frames_total", n_before + 10)
    assert added(found, "ray_cleanplate_frames_total") == n_before + 10
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    (summary,) = (event for event in events if event["event"] == "summary")
    names = ("ray_cleanplate_store_requests_total", "store=out", "operation=put")
    of_workers = added(found, *names) - added(before, *names)
    assert of_workers == 2 * 10 + 2 <= summary["cost"]["requests"]["put"]
    assert 0 < summary["cost"]["workers"] <= 2 and summary["cost"]["frames_per_core_hour"] > 0
