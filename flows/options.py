"""Options: settings as options of a command, so that each knob is described once."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from flows.knobs import Settings


def with_settings(kind: type[Settings], *, without: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Give a command one option for each field of `kind`; the function gets what was said as the dict `given`.

    An option that was not said is not in the dict, so that a file of settings or the output root can speak for it.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "given"]
        options = [_option(name, kind) for name in kind.model_fields if name not in without]

        @wraps(function)
        def command(**values: Any) -> Any:
            given = {option.name: values.pop(option.name) for option in options}
            said = {name: value for name, value in given.items() if value is not None and value != []}
            return function(**values, given=said)

        command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
        return command

    return decorate


def _option(name: str, kind: type[Settings]) -> inspect.Parameter:
    field = kind.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    if field.default is True or (field.default is None and bool in typing.get_args(field.annotation)):
        flag = f"{flag}/--no-{name.replace('_', '-')}"
    extra = typing.cast("dict[str, Any]", field.json_schema_extra)
    shown = _shown_default(field.default)
    help_text = f"{field.description} {shown}".strip()
    option = typer.Option(flag, help=help_text, rich_help_panel=extra["panel"], show_default=False)
    annotation: Any = Annotated[_cli_type(field.annotation), option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _cli_type(annotation: Any) -> Any:
    """Return the type that typer parses: names in one comma text, pairs as a list, choices as they are."""
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    is_optional = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    inner = parts[0] if is_optional else annotation
    if len(parts) > 1 and is_optional:  # a number or a word
        return str | None
    if typing.get_origin(inner) is Annotated:
        inner = typing.get_args(inner)[0]
    origin = typing.get_origin(inner)
    if origin is dict:
        return list[str] | None
    if origin is list:
        return str | None
    if origin is Literal and all(isinstance(choice, int) for choice in typing.get_args(inner)):
        return int | None
    return inner | None


def _shown_default(default: Any) -> str:
    return "" if default is None or isinstance(default, bool | dict) or default == "" else f"(default: {default})"
