from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from captures import make_tiny, masks_below
from prefect_servers import HOME, Prefect, free_port

from flows.engines import prepare_engines
from flows.serving import ServeSettings, check_schedule
from manifests.errors import UsageError

pytestmark = [pytest.mark.timeout(400), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ServeSettings(cron="0 2 * * *"), "give --capture-default and --out-default"),
        (ServeSettings("c", "o", "0 2 * *"), "minute, hour, day of the month"),
        (ServeSettings("c", "o", "0 2 * * *", "Mars/North"), "Europe/Berlin"),
    ],
)
def test_a_night_that_cannot_begin_is_refused_at_once(settings: ServeSettings, said: str) -> None:
    prepare_engines()  # before Prefect is imported
    with pytest.raises(UsageError, match=said):
        check_schedule(settings)
    check_schedule(ServeSettings("c", "o", "0 2 * * *", "Europe/Berlin"))
    check_schedule(ServeSettings())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_process_serves_a_schedule_and_ends_cleanly_with_a_run_under_way(
    tmp_path: Path, number: signal.Signals
) -> None:
    small, out = make_tiny(tmp_path / "small"), tmp_path / "out"
    big = make_tiny(tmp_path / "big", ("031", "032"), n_cameras=4, n_frames=256)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(HOME), "COLUMNS": "500"}
    environment["PREFECT_RUNNER_POLL_FREQUENCY"] = "2"
    (tmp_path / "home").mkdir()
    config = tmp_path / "run.toml"
    config.write_text('model = "plate-difference"\ncheck = "off"\n')
    words = [
        "serve",
        "--config",
        str(config),
        "--out-default",
        str(out),
        "--capture-default",
        str(small),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words, "--cron", "* * * * *"],
        stdout=(log := tmp_path / "serve.log").open("wb"),
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        wait_for(lambda: "Ctrl-C stops" in log.read_text(), log)
        assert f"http://127.0.0.1:{port} " in log.read_text()
        known = environment | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        prefect = Prefect(known["PREFECT_API_URL"], tmp_path, known)
        nights = prefect.runs_of
        wait_for(lambda: any(run["state"]["type"] == "COMPLETED" for run in nights("nightly")), log)
        prefect.run("deployment", "schedule", "clear", "nightly/nightly", "--accept-yes")
        run = prefect.start("matte-captures", capture=str(big), out=str(out / "big"))
        wait_for(lambda: len(masks_below(out / "big")) >= 64, log)
        family = psutil.Process(process.pid).children(recursive=True)
        engine = prefect.engine(run)
        started = time.monotonic()
        process.send_signal(number)
        process.wait(60)
        seconds = time.monotonic() - started
    finally:
        process.kill()
        process.wait()
    print(f"ended after {seconds:.1f} s")
    said = log.read_text()
    assert process.returncode == 0 and "Stopped; what runs have finished is kept" in said
    assert "Traceback" not in said and re.search("Cancelled flow run", said), said
    assert not engine.is_running() and psutil.wait_procs(family, timeout=60)[1] == []
    (record,) = (out / "big/_cleanplate/runs").glob("*.json")
    assert '"state": "interrupted"' in record.read_text()


def wait_for(is_so: object, log: Path, timeout_s: float = 150) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
