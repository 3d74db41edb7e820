from __future__ import annotations

from pathlib import Path

import pytest

from flows.recipes import resolve_recipe
from flows.resolve import Machine
from flows.settings import EnumerateSettings, MatteSettings, load_settings, weights_folder
from flows.video_settings import VideoSettings
from manifests.errors import UsageError


def test_a_file_of_settings_is_overruled_by_what_was_said(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('model = "plate-difference"\nbatch-size = 3\nsubjects = ["031", "036"]\n')
    settings = load_settings(MatteSettings, config, {"batch_size": 5, "cameras": "a,b"})
    assert (settings.model, settings.batch_size) == ("plate-difference", 5)
    assert settings.selection.subjects == ("031", "036") and settings.selection.cameras == ("a", "b")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"backbone_scale": 0.9}, "--backbone-scale.*0.5"),
        ({"frames": "a:b"}, "--frames.*slice"),
        ({"frames": "::0"}, "--frames.*step"),
        ({"device": "gpu"}, "--device"),
        ({"refine_mode": "best"}, "--refine-mode.*sampling"),
        ({"storage_option": ["oops"]}, "--storage-option.*key=value"),
    ],
)
def test_a_wrong_value_is_named_with_its_option(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_settings(MatteSettings, None, given)


def test_a_file_that_is_missing_wrong_or_unknown_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_settings(MatteSettings, tmp_path / "none.toml", {})
    (tmp_path / "bad.toml").write_text("model = ")
    with pytest.raises(UsageError, match="not TOML"):
        load_settings(MatteSettings, tmp_path / "bad.toml", {})
    (tmp_path / "unknown.toml").write_text("modle = 1")
    with pytest.raises(UsageError, match="modle: there is no such setting"):
        load_settings(MatteSettings, tmp_path / "unknown.toml", {})


def test_only_said_model_parameters_are_given() -> None:
    settings = load_settings(MatteSettings, None, {"refine_mode": "full", "precision": "bf16"})
    assert settings.given_parameters == {"refine_mode": "full"}


def test_pairs_become_storage_options() -> None:
    settings = load_settings(EnumerateSettings, None, {"storage_option": ["a=1", "b=x=y"]})
    assert settings.store_options == {"a": "1", "b": "x=y"}
    assert "x=y" not in repr(settings)


def test_the_weights_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    monkeypatch.delenv("CLEANPLATE_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_folder() == tmp_path / "cache/cleanplate/weights"


@pytest.mark.parametrize(("said", "meant"), [("0.3", 0.3), (0.3, 0.3), ("auto", "auto")])
def test_the_size_of_the_coarse_pass_is_a_number_or_auto(said: float | str, meant: float | str) -> None:
    settings = load_settings(MatteSettings, None, {"backbone_scale": said})
    assert settings.given_parameters == {"backbone_scale": meant}
    assert load_settings(VideoSettings, None, {"backbone_scale": said}).given_parameters == {"backbone_scale": meant}


def test_the_default_model_is_said_by_its_whole_name(tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text('model = "default"\n')
    for kind in (MatteSettings, VideoSettings):
        assert load_settings(kind, config, {}).model == "mattingrefine-mobilenetv2@cleanplate"
        assert load_settings(kind, config, {"model": "rvm-resnet50"}).model == "rvm-resnet50"
    made = resolve_recipe(load_settings(MatteSettings, config, {}), None, Machine("cpu", "cpu", 0, 2), "ab" * 32)
    assert (made.model, made.uses_plate) == ("mattingrefine-mobilenetv2@cleanplate", True)
