from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from captures import make_tiny, masks_below

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

HOME = Path(__file__).parents[2]


def environment(tmp_path: Path) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return known | {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(HOME)}


@pytest.mark.ray
def test_ctrl_c_at_a_terminal_stops_a_run_on_ray_cleanly(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=4, n_frames=400), tmp_path / "out"
    words = ["matte", str(capture), "--out", str(out), "--model", "plate-difference", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(tmp_path),
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while len(masks_below(out)) < 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all in the foreground
    said, _ = process.communicate(timeout=40)
    assert process.returncode == 130, said
    assert "run the same command again" in said and "Traceback" not in said
    assert not list(out.rglob(".cleanplate-*"))
    (record,) = (out / "_cleanplate/runs").glob("*.json")
    assert '"state": "interrupted"' in record.read_text()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_server_of_ours_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from flows.server import prefect_server\n"
        "from prefect.settings import PREFECT_API_URL\n"
        "with prefect_server():\n"
        "    print(PREFECT_API_URL.value(), flush=True)\n"
        "    time.sleep(100)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        assert answer.status == 200
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.kill()
    process.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_named_server_is_used_and_none_started(tmp_path: Path) -> None:
    """A server that answers at all is used, whatever it says of its health."""
    code = (
        "import psutil, threading\n"
        "from http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "server = HTTPServer(('127.0.0.1', 0), BaseHTTPRequestHandler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "import os\n"
        "os.environ['PREFECT_API_URL'] = url = f'http://127.0.0.1:{server.server_port}/api'\n"
        "from flows.server import prefect_server\n"
        "from prefect.settings import PREFECT_API_URL\n"
        "with prefect_server():\n"
        "    print(PREFECT_API_URL.value() == url, len(psutil.Process().children()))\n"
    )
    known = environment(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=known, timeout=100, check=True
    )
    assert ended.stdout.split() == ["True", "0"]


def test_a_named_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1, n_frames=1), tmp_path / "out"
    words = ["matte", str(capture), "--out", str(out), "--model", "plate-difference"]
    nowhere = environment(tmp_path) | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    command = [sys.executable, "-m", "flows.cli", *words]
    ended = subprocess.run(command, capture_output=True, text=True, env=nowhere)
    assert ended.returncode == 1 and "No Prefect server answers at PREFECT_API_URL=http://127.0.0.1:9" in ended.stderr
    assert "Traceback" not in ended.stderr and "--executor local" in ended.stderr
