"""Knobs: what a setting may be said as."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from flows.knobs import ModelName, Names, Settings, auto, knob, pairs


def test_names_are_one_text_or_a_list_and_never_nothing() -> None:
    names = TypeAdapter(Names)
    assert names.validate_python(" 031, 036 ,") == names.validate_python(["031", "036"]) == ["031", "036"]
    for nothing in ("", " , ", []):
        with pytest.raises(ValidationError, match="it names nothing"):
            names.validate_python(nothing)


def test_pairs_become_a_table_and_auto_becomes_nothing() -> None:
    assert pairs(["a=1", "b=c=d"]) == {"a": "1", "b": "c=d"} and pairs({"a": "1"}) == {"a": "1"}
    with pytest.raises(ValueError, match="key=value"):
        pairs(["a"])
    assert auto("auto") is None and auto(3) == 3


def test_the_default_model_becomes_its_name_and_others_stay() -> None:
    model = TypeAdapter(ModelName)
    assert model.validate_python("default") == "mattingrefine-mobilenetv2@cleanplate"
    assert model.validate_python("nothing-known") == "nothing-known"


def test_settings_know_their_panel_and_refuse_other_names() -> None:
    class Own(Settings):
        size: int = knob(3, "Panel", "A size.", ge=1)

    assert Own.model_fields["size"].json_schema_extra == {"panel": "Panel"} and Own().size == 3
    for wrong in ({"size": 0}, {"other": 1}):
        with pytest.raises(ValidationError):
            Own(**wrong)
