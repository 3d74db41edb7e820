"""Knobs: how a setting is declared, and the kinds of text that settings hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from models.registry import full_name

SELECTION, MODEL, MASKS = "What to matte", "Model and recipe", "What is written"
RUNNING, STORES = "Where and how it runs", "Stores and books"
CHECKS = "How plates and mattes are checked"


def _split(value: Any) -> Any:
    names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if names == []:
        raise ValueError("it names nothing")
    return names


def pairs(value: Any) -> Any:
    """Turn ['key=value', ...] into a dict."""
    if not isinstance(value, list):
        return value
    wrong = [text for text in value if "=" not in text]
    if wrong:
        raise ValueError("key=value is wanted")
    return dict(text.split("=", 1) for text in value)


def auto(value: Any) -> Any:
    """Turn "auto" into None, as if nothing was said."""
    return None if value == "auto" else value


Names = Annotated[list[str], BeforeValidator(_split)]
Scale = Annotated[float, Field(gt=0, le=0.5)]
ModelName = Annotated[str, AfterValidator(full_name)]
"""The name of a model, known or not; `default` becomes the name that it stands for."""


def knob(default: Any, panel: str, description: str, **limits: Any) -> Any:
    """Declare a setting: `panel` is its heading in the help."""
    return Field(default, description=description, json_schema_extra={"panel": panel}, **limits)


class Settings(BaseModel):
    """Base of all settings: unknown names are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
