from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.engines import prepare_engines


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_what_the_user_says_to_the_engines_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    prepare_engines()
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG" and os.environ["DO_NOT_TRACK"] == "1"


def test_a_ray_token_that_is_at_hand_is_used_where_ray_is_not_imported_yet(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from flows.engines import use_ray_token\n"
        "use_ray_token()\n"
        "print(os.environ.get('RAY_AUTH_MODE'), 'ray' in sys.modules)\n"
    )

    def mode() -> str:
        known = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=known, check=True)
        return ended.stdout.strip()

    assert mode() == "None False"
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    assert mode() == "token False"
