from __future__ import annotations

import os
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


def test_a_ray_token_that_is_at_hand_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare_engines()
    assert "RAY_AUTH_MODE" not in os.environ
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    prepare_engines()
    assert os.environ["RAY_AUTH_MODE"] == "token"
