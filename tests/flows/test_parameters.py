from __future__ import annotations

from typing import Any

import pytest

from flows.engines import prepare_engines
from flows.parameters import AS_USUAL, settings_of
from flows.reprocess_settings import ReprocessSettings
from flows.settings import MatteSettings
from manifests.errors import UsageError
from models.registry import names


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    """Return the fields of the form of reprocess-subject, as Prefect makes it."""
    prepare_engines()  # before Prefect is imported
    from flows.deployed import reprocess_subject

    fields: dict[str, Any] = reprocess_subject.parameters.properties
    return fields


@pytest.fixture(scope="module")
def refuses(form: dict[str, Any]) -> Any:
    """Return a function that tells whether the server refuses a value of a field."""
    from prefect.utilities.schema_tools.validation import validate

    schema = {"type": "object", "properties": form, "required": ["out", "subject"]}
    known = {"out": "/data/mattes", "subject": "031"}
    return lambda name, value: bool(validate({**known, name: value}, schema, allow_none_with_default=True))


def test_every_field_has_words_and_is_drawn_as_one_field(form: dict[str, Any]) -> None:
    assert list(form)[:5] == ["out", "subject", "cameras", "frames", "model"]
    assert all(field["description"] and field["type"] in ("string", "integer") for field in form.values())
    assert form["model"]["enum"] == [AS_USUAL, *names()] and form["model"]["default"] == AS_USUAL


@pytest.mark.parametrize("frames", ["", "7", "0:10", ":", "::3", "5:", "0:100:10", "::03"])
def test_slices_of_frames_are_taken(refuses: Any, frames: str) -> None:
    assert not refuses("frames", frames)
    settings_of(MatteSettings, {"frames": frames})


@pytest.mark.parametrize("frames", ["x", "1-3", "0:10:0", "::00", "-1", "1:2:3:4", "1,2", " "])
def test_others_are_refused(refuses: Any, frames: str) -> None:
    assert refuses("frames", frames)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", ""),
        ("subject", "  "),
        ("subject", "031,032"),
        ("subject", 31),
        ("out", ""),
        ("model", "best"),
        ("workers", -1),
        ("cameras", "a,,b"),
        ("cameras", ","),
    ],
)
def test_what_cannot_be_is_refused(refuses: Any, name: str, value: object) -> None:
    assert refuses(name, value)


@pytest.mark.parametrize("value", ["", "222200037", " 222200037, 222200042 "])
def test_lists_of_names_are_taken(refuses: Any, value: str) -> None:
    assert not refuses("cameras", value)


def test_empty_fields_are_not_said() -> None:
    form = {"subjects": "031", "cameras": "", "frames": "", "model": AS_USUAL, "workers": 0}
    assert settings_of(ReprocessSettings, form).model_fields_set == {"subjects"}
    assert settings_of(ReprocessSettings, form | {"workers": 2, "cameras": "a, b"}).cameras == ["a", "b"]


def test_more_is_a_file_of_settings() -> None:
    settings = settings_of(MatteSettings, {"frames": "0:3"}, 'quality = 90\nrefine-mode = "full"\n')
    assert (settings.quality, settings.refine_mode, settings.frames) == (90, "full", "0:3")
    assert settings_of(MatteSettings, {"check": "fail", "model": AS_USUAL}, 'check = "off"').check == "off"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("quality: 90", "lines such as quality = 90"),
        ("quality = 900", "--quality: Input should be less than or equal to 100"),
        ("colour = 1", "there is no such setting"),
        ("frames = '1'", "frames: said in a field of the form and in more"),
        ("storage_option = ['key=hunter2']", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_settings_that_cannot_be_say_so_and_no_secret(more: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        settings_of(MatteSettings, {"frames": "0:3"}, more)
    assert "hunter2" not in str(refused.value)
