"""Log lines: one JSON object each, with the subject, camera, shard and worker that it is about."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

OUR_LOGGERS = ("cleanplate", "flows", "matting_tasks", "manifests")
FIELDS = ("run", "subject", "sequence", "camera", "shard", "worker")

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Have the lines that are logged inside say what they are about; threads that are begun there as well."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def fields_of(thing: Any) -> dict[str, str]:
    """Return the fields of a shard, or of what became of one, for `extra` of a logger's methods."""
    found = {name: str(getattr(thing, name, "")) for name in FIELDS} | {"shard": str(thing.shard_id)}
    return {name: value for name, value in found.items() if value}


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, what it is about, text, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {"time": _utc(record.created), "level": record.levelname, "logger": record.name, **_about.get()}
        line |= {name: value for name in FIELDS if (value := record.__dict__.get(name)) is not None}
        line["text"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _utc(seconds: float) -> str:
    """Return a time as 2026-01-31T12:00:00.123Z."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03}Z"
