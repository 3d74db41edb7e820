"""The files of infra/ as their tools read them, and the versions that they ought to name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
INFRA = REPOSITORY / "infra"

SECRETS = {
    "RAY_AUTH_TOKEN": "token",
    "S3_KEY": "key",
    "S3_SECRET": "secret",
    "POSTGRES_PASSWORD": "password",
    "CLEANPLATE_DATA": "/srv/data",
}
"""Stand-ins for what compose.yaml insists on."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


class NotSet(Exception):
    """A variable that compose insists on is not set; the text is what compose would say."""


def documents(path: str) -> list[Any]:
    """Return the documents of a YAML file below infra/."""
    return list(yaml.safe_load_all((INFRA / path).read_text()))


def compose(values: Mapping[str, str], path: str = "compose.yaml") -> Any:
    """Return a compose file with its variables filled in as compose does it; raises NotSet."""

    def value_of(found: re.Match[str]) -> str:
        name, kind, word = found.groups()
        if values.get(name):
            return values[name]
        if kind == "?":
            raise NotSet(f"{name}: {word}")
        return word or ""

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        return _VARIABLE.sub(value_of, node) if isinstance(node, str) else node

    (document,) = documents(path)
    return filled(document)


def pinned(package: str) -> str:
    """Return the version of a package in constraints.txt."""
    (version,) = re.findall(rf"^{re.escape(package)}==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.M)
    return str(version)


def project() -> Any:
    """Return the table [project] of pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def values_of(node: Any, key: str) -> Iterator[Any]:
    """Yield what lies under a key anywhere in a document."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if name == key:
            yield value
        yield from values_of(value, key)


def pod_specs(node: Any) -> Iterator[Any]:
    """Yield the pods that a Kubernetes document makes: whatever has containers."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from pod_specs(child)
    if isinstance(node, dict) and "containers" in node:
        yield node
