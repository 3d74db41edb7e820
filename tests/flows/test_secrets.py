"""Secrets that are planted where a run gets them must be nowhere in what it leaves or says."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from captures import make_tiny
from command_line import Ended, cleanplate, matte
from nersemble_tree import RawTree, make_v2

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("flows", "manifests", "matting_tasks", "models")
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-aws-secret-0001",
    "AWS_SESSION_TOKEN": "planted-aws-session-0002",
    "RAY_AUTH_TOKEN": "planted-ray-token-0003-planted-ray-token",
    "PREFECT_API_AUTH_STRING": "planted-admin:planted-prefect-0004",
}
OPTION = "planted-option-0005"
PLANTED = "planted-"
TEMPORARY = tempfile.gettempdir()


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plant the secrets of the environment, and give every program homes that can be searched."""
    world = tmp_path / "world"
    for name in ("HOME", "TMPDIR", "PREFECT_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        (world / name).mkdir(parents=True)
        monkeypatch.setenv(name, str(world / name))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-no-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "PREFECT_API_URL", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return world


def check_clean(world: Path, *ended: Ended) -> None:
    """Fail where a planted secret is in any file below a folder, or in what a command printed."""
    said = [text for one in ended for text in (one.out, one.err)]
    assert not [text for text in said if PLANTED in text]
    files = [path for path in world.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if PLANTED.encode() in path.read_bytes()]


def options(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--storage-option", pair)]


def test_a_run_leaves_no_secret_anywhere(planted: Path) -> None:
    capture, out = make_tiny(planted / "capture"), planted / "out"
    (capture / "031/images/0001/image_cam0.jpg").write_bytes(b"")
    given = options(f"secret={OPTION}", f"client_kwargs={OPTION}", f"token={OPTION}")
    ended = [matte(capture, out, *given), matte(capture, out, *given, "--json-lines")]
    assert {one.code for one in ended} == {3}
    ended += [cleanplate("status", out, *given), cleanplate("verify", out, "--json", *given)]
    ended.append(matte(capture, out, *given, "--quality", 80))
    assert ended[-1].code == 4
    ended.append(matte(capture, out, *given, "--quality", 80, "--replace"))
    check_clean(planted, *ended)


def test_errors_about_settings_do_not_repeat_a_secret(planted: Path) -> None:
    config = planted / "settings.toml"
    config.write_text(f'storage_option = "{OPTION}"\n')
    ended = cleanplate("matte", "capture", "--out", planted / "out", "--config", config)
    assert ended.code == 2 and OPTION not in ended.out + ended.err
    config.write_text(f'storage_option = {{secret = ["{OPTION}"]}}\n')
    ended = cleanplate("matte", "capture", "--out", planted / "out", "--config", config)
    assert ended.code == 2 and OPTION not in ended.out + ended.err
    ended = cleanplate("matte", "capture", "--out", planted / "out", "--storage-option", OPTION)
    assert ended.code == 2 and OPTION not in ended.out + ended.err


class _Refusing(BaseHTTPRequestHandler):
    """A store that answers all requests with the code that its server was made with."""

    def _answer(self) -> None:
        body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(self.server.code)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[403, 404])
def refusing_store(request: pytest.FixtureRequest) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.code = request.param  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_store_that_refuses_is_told_without_a_secret(planted: Path, refusing_store: str) -> None:
    given = options(f"endpoint_url={refusing_store}", f"secret={OPTION}", "key=AKIA-no-secret")
    capture = make_tiny(planted / "capture")
    ended = [
        matte("s3://bucket/capture", planted / "out", *given),
        matte(capture, "s3://bucket/out", *given),
        cleanplate("status", "s3://bucket/out", *given),
    ]
    assert 0 not in {one.code for one in ended}
    check_clean(planted, *ended)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_endpoint_that_is_not_there_is_told_without_a_secret(planted: Path) -> None:
    given = options("endpoint_url=http://127.0.0.1:9", "max_attempts=2", f"secret={OPTION}", "key=AKIA-no-secret")
    ended = matte("s3://bucket/capture", planted / "out", *given)
    assert ended.code == 1 and "127.0.0.1:9" in ended.err
    check_clean(planted, ended)


def test_nothing_of_the_environment_is_in_the_record_of_a_run(planted: Path) -> None:
    capture, out = make_tiny(planted / "capture"), planted / "out"
    assert matte(capture, out).code == 0
    (record,) = [json.loads(path.read_text()) for path in (out / "_cleanplate/runs").glob("*.json")]
    assert "storage_option" not in record["settings"]
    assert not any(name in json.dumps(record) for name in SECRETS)


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_flow_on_ray_leaves_no_secret_in_prefects_books_or_logs(planted: Path) -> None:
    capture, out = make_tiny(planted / "capture"), planted / "out"
    words = ["--model", "plate-difference", "--workers", "1", *options(f"secret={OPTION}")]
    left_out = ("PREFECT_API_AUTH_STRING", "TMPDIR")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = [sys.executable, "-m", "flows.cli", "matte", str(capture), "--out", str(out), *words]
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as rays:  # the paths of Ray's sockets must be short
        environment["RAY_TMPDIR"] = rays
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        assert [path for path in Path(rays).rglob("*.log")]
        check_clean(Path(rays))
    assert [path for path in (planted / "PREFECT_HOME").rglob("*.db")]
    check_clean(planted, Ended(0, done.stdout, done.stderr))


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_weights_that_would_run_code_are_refused_and_do_not(tmp_path: Path) -> None:
    fired = tmp_path / "fired"
    for name, payload in (("whole", _Bomb(fired)), ("inside", {"a": _Bomb(fired), "b": torch.zeros(1)})):
        path = tmp_path / f"{name}.pth"
        torch.save(payload, path)
        assert cleanplate("weights", "verify", path).code == 4
        capture = make_tiny(tmp_path / f"capture-{name}", n_cameras=1, n_frames=1)
        words = ("--model", "mattingrefine-mobilenetv2", "--weights", path, "--executor", "local")
        assert cleanplate("matte", capture, "--out", tmp_path / "out", *words).code == 4
    assert not fired.exists()


def test_a_pickle_in_any_place_of_a_store_is_not_read(tmp_path: Path) -> None:
    fired, raw = (
        tmp_path / "fired",
        make_v2(tmp_path / "raw", RawTree(("031",), n_cameras=1, n_frames=3, size=(96, 66))),
    )
    bomb = pickle.dumps(_Bomb(fired))
    (raw / "031/calibration/camera_params.json").write_bytes(bomb)
    out, words = tmp_path / "out", ("--geometry", "gha", "--write-frames")
    assert matte(raw, out, *words).code == 0
    for path in [path for path in out.rglob("*") if path.is_file() and path.suffix in (".parquet", ".npz", ".jpg")]:
        path.write_bytes(bomb)
    archive = tmp_path / "archive.npz"
    np.savez(archive, extrinsic=np.array([_Bomb(fired)], dtype=object), intrinsic=np.eye(3))
    (raw / "031/calibration/camera_params.json").write_bytes(archive.read_bytes())
    for command in (("status", out), ("verify", out, "--deep"), ("gc", out)):
        assert cleanplate(*command).code != 0 or command[0] == "gc"
    matte(raw, out, *words)
    for name in ("root.json", "decisions/1.json"):
        (out / "_cleanplate" / name).parent.mkdir(exist_ok=True)
        (out / "_cleanplate" / name).write_bytes(bomb)
    assert matte(raw, out, *words).code == 4
    assert not fired.exists()


def _calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield path, node, ast.unparse(node.func)


def _says(call: ast.Call, name: str, value: object) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


def test_no_code_reads_a_pickle() -> None:
    loaders = ("load", "loads", "Unpickler")
    for path, call, name in _calls():
        module, _, function = name.rpartition(".")
        assert not (
            module in ("pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib") and function in loaders
        ), path
        assert function not in ("read_pickle", "read_array") or _says(call, "allow_pickle", False), path
        assert not _says(call, "allow_pickle", True), path
        if name in ("torch.load", "load") and module == "torch":
            assert _says(call, "weights_only", True), path
        assert name not in ("eval", "exec", "os.system", "yaml.load", "os.popen"), path
        assert not _says(call, "shell", True), path


def test_no_code_turns_rays_tokens_off() -> None:
    words: Sequence[str] = [ast.unparse(call) for _, call, _ in _calls() if "RAY_AUTH_MODE" in ast.unparse(call)]
    assert words and all("'token'" in text for text in words)
