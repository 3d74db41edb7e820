from __future__ import annotations

import inspect
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.options import with_settings
from flows.settings import MatteSettings


def app_that_echoes(**changes: Any) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_settings(MatteSettings, **changes)
    def echo(name: str, *, given: dict[str, Any]) -> None:
        typer.echo(f"{name} {sorted(given.items())}")

    return app


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], []),
        (["--model", "x", "--batch-size", "3"], [("batch_size", 3), ("model", "x")]),
        (["--no-enumerate", "--replace"], [("enumerate", False), ("replace", True)]),
        (["--subjects", "031,036"], [("subjects", "031,036")]),
        (["--storage-option", "a=1", "--storage-option", "b=2"], [("storage_option", ["a=1", "b=2"])]),
        (["--refine-mode", "full", "--refine-kernel-size", "1"], [("refine_kernel_size", 1), ("refine_mode", "full")]),
    ],
)
def test_only_what_was_said_is_given(words: list[str], wanted: list[tuple[str, object]]) -> None:
    ended = CliRunner().invoke(app_that_echoes(), ["name", *words])
    assert ended.output.strip() == f"name {wanted}"


def test_every_setting_is_an_option_with_its_description() -> None:
    shown = CliRunner().invoke(app_that_echoes(), ["--help"], env={"COLUMNS": "300"}).output
    for name, field in MatteSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in shown
        assert str(field.description)[:30] in shown


def test_a_choice_that_is_none_is_refused() -> None:
    assert CliRunner().invoke(app_that_echoes(), ["name", "--refine-mode", "best"]).exit_code == 2


def test_settings_can_be_left_out() -> None:
    command = with_settings(MatteSettings, without=("subjects",))(lambda *, given: None)
    names = inspect.signature(command).parameters
    assert "subjects" not in names and "model" in names
