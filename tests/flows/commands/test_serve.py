from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command_line import cleanplate

pytestmark = pytest.mark.filterwarnings("ignore")


def test_help_teaches_by_example() -> None:
    shown = cleanplate("serve", "--help")
    text = " ".join(shown.out.replace("│", " ").split())
    assert shown.code == 0 and "cleanplate serve --capture-default /data/capture --out-default /data/mattes" in text


def test_a_schedule_without_a_capture_is_a_usage_error() -> None:
    refused = cleanplate("serve", "--cron", "0 2 * * *")
    assert refused.code == 2 and "give --capture-default and --out-default" in refused.err


def test_a_port_that_is_taken_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = cleanplate("serve", "--port", taken.getsockname()[1])
    assert refused.code == 2 and "Address already in use" in refused.err and "PREFECT_API_URL" in refused.err


def test_settings_that_cannot_be_are_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("colour = 1")
    assert "there is no such setting" in cleanplate("serve", "--config", tmp_path / "run.toml").err
    refused = cleanplate("serve", "--config", tmp_path / "none.toml")
    assert refused.code == 2 and "cannot be read" in refused.err
