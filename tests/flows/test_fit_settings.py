from __future__ import annotations

from pathlib import Path

import pytest

from flows.fit_settings import FitSettings
from flows.settings import load_settings
from manifests.errors import UsageError
from matting_tasks.fit.stages import stages_of
from models.registry import DEFAULT, entry, parameters_read

COMMITTED = Path(__file__).parents[2] / "infra/fit/default.toml"


def test_the_settings_of_the_default_can_be_read() -> None:
    settings = load_settings(FitSettings, COMMITTED, {"pictures": "train", "held_out_pictures": "heldout"})
    assert settings.model == entry(DEFAULT).architecture and settings.start == "imagenet"
    assert settings.steps is not None and settings.steps > 1000 and settings.minutes is None
    assert parameters_read(settings.model, settings.given_parameters)["refine_sample_pixels"] == 40_000
    names = [stage.name for stage in stages_of(settings.model)]
    assert settings.stages is not None and list(settings.stages) == names[:2] and settings.pictures == ["train"]
    assert settings.name == DEFAULT and settings.licence == "Apache-2.0"
    assert settings.compare is not None and all(entry(name) for name in settings.compare)


def test_parameters_are_a_table_in_a_file_and_pairs_on_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "fit.toml"
    config.write_text('parameter = {refine_sample_pixels = 40000, backbone_scale = 0.5, refine_mode = "full"}\n')
    wanted = {"refine_sample_pixels": 40_000, "backbone_scale": 0.5, "refine_mode": "full"}
    assert load_settings(FitSettings, config, {}).given_parameters == wanted
    said = ["refine_sample_pixels=40000", "backbone_scale=0.5", "refine_mode=full"]
    read = load_settings(FitSettings, None, {"parameter": said}).given_parameters
    assert read == wanted and [type(value) for value in read.values()] == [int, float, str]


def test_from_is_called_so_in_files_too_and_the_command_line_wins(tmp_path: Path) -> None:
    config = tmp_path / "fit.toml"
    config.write_text('from = "scratch"\n')
    assert load_settings(FitSettings, config, {}).start == "scratch"
    assert load_settings(FitSettings, config, {"start": "imagenet"}).start == "imagenet"
    assert FitSettings().start == "default"


@pytest.mark.parametrize(("said", "wanted"), [("64:96", (64, 96)), ("64", (64, 64)), (None, None)])
def test_a_size_is_a_range_or_one_side(said: str | None, wanted: tuple[int, int] | None) -> None:
    assert FitSettings(size=said).sizes == wanted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("size", said) for said in ("31:64", "96:64", "64:5000", "64:", ":64", "small", "64x64", "")),
        *(("minutes", said) for said in (0, -1, "long")),
        *(("steps", said) for said in (0, 1.5)),
        *(("device", said) for said in ("gpu", "cuda:")),
        ("precision", "fp16"),
        ("workers", 0),
        ("processes", -1),
        ("held_out", 0),
        ("examples", 0),
        ("seed", -1),
        ("stages", ""),
        ("most_plates", 0),
    ],
)
def test_nonsense_names_its_option(name: str, said: object) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
        load_settings(FitSettings, None, {name: said})


def test_minutes_and_steps_are_not_both_said() -> None:
    with pytest.raises(UsageError, match="leave one out"):
        load_settings(FitSettings, None, {"minutes": 5, "steps": 100})


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    config = tmp_path / "fit.toml"
    config.write_text("learning_rate = 0.1\n")
    with pytest.raises(UsageError, match="learning-rate: there is no such setting"):
        load_settings(FitSettings, config, {})


def test_keys_of_stores_are_not_shown() -> None:
    settings = load_settings(FitSettings, None, {"storage_option": ["key=abc", "secret=xyz"]})
    assert settings.store_options == {"key": "abc", "secret": "xyz"}
    assert "xyz" not in repr(settings) and "abc" not in settings.model_dump_json()


def test_each_setting_has_words_and_a_heading() -> None:
    for name, field in FitSettings.model_fields.items():
        assert field.description and field.description.strip().endswith("."), name
        assert isinstance(field.json_schema_extra, dict) and field.json_schema_extra["panel"] != "What to matte", name
