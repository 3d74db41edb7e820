from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate, matte

from flows.cli import COMMANDS

HEAVY = ("torch", "ray", "prefect", "pyarrow", "cv2", "numpy", "fsspec", "s3fs")


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS), ["weights", "list", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['cleanplate', *{words!r}]\n"
        "from flows.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        f"    found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    sys.exit(end.code or (f'imported: {found}' if found else 0))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Usage: cleanplate" in ended.stdout


def test_the_overview_names_every_command_and_the_exit_codes() -> None:
    shown = cleanplate("--help")
    assert shown.code == 0
    assert all(name in shown.out for name in COMMANDS) and "Exit codes" in shown.out


def test_what_is_not_understood_is_a_usage_error(tmp_path: Path) -> None:
    assert cleanplate("mat").code == 2
    assert cleanplate("matte").code == 2
    unknown = matte(make_tiny(tmp_path / "capture"), tmp_path / "out", "--wrokers", 2)
    assert unknown.code == 2 and "--workers" in unknown.err
    wrong = matte(tmp_path / "capture", tmp_path / "out", "--batch-size", 0)
    assert wrong.code == 2 and "--batch-size" in wrong.err


def test_a_store_that_fails_is_a_message_and_not_a_traceback(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    (tmp_path / "file").write_text("not a folder")
    ended = matte(capture, tmp_path / "file" / "out")
    assert ended.code == 1 and "Traceback" not in ended.err and "not a" in ended.err.lower()


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_leaves_nothing_half_done_and_goes_on(tmp_path: Path, sent: int, code: int) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=4, n_frames=130)
    out = tmp_path / "out"
    words = ["matte", str(capture), "--out", str(out), "--model", "plate-difference", "--executor", "local"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 60
    while len(masks_below(out)) < 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(sent)
    said, _ = process.communicate(timeout=10)
    assert process.returncode == code, said
    assert "run the same command again" in said and "Traceback" not in said
    assert not list(out.rglob(".cleanplate-*"))
    (record,) = (out / "_cleanplate/runs").glob("*.json")
    assert '"state": "interrupted"' in record.read_text()
    n_masks = len(masks_below(out))
    assert n_masks < 1040
    assert matte(capture, out).code == 0
    assert len(masks_below(out)) == 1040


def test_all_four_packages_come_from_this_repository() -> None:
    import flows
    import manifests
    import matting_tasks
    import models

    home = Path(__file__).parents[2].resolve()
    for package in (flows, manifests, matting_tasks, models):
        assert Path(str(package.__file__)).resolve().parent.parent == home


def test_a_closed_pipe_ends_a_run_without_a_complaint(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture")
    words = f"matte {capture} --out {tmp_path / 'out'} --model plate-difference --executor local"
    ended = subprocess.run(
        f"{sys.executable} -m flows.cli {words} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
    )
    assert ended.stdout.startswith("Listing") and "fileno" not in ended.stderr and "Traceback" not in ended.stderr


def test_the_version_is_printed() -> None:
    assert cleanplate("--version").out.startswith("cleanplate 0.")
