"""The commands that docs/deploy.md, docs/symptoms.md and infra/README.md advise: each one and its options exist."""

from __future__ import annotations

import importlib
import re
import shlex
from functools import cache

import pytest
import typer
from infra.files import INFRA, REPOSITORY

from flows.cli import COMMANDS

PACKAGES = ["flows", "manifests", "matting_tasks", "models"]
DOCUMENTS = ["docs/deploy.md", "docs/symptoms.md", "infra/README.md"]


def _advised() -> list[tuple[str, str]]:
    """Return (document, command) for every command of ours, in blocks and between backquotes."""
    found = []
    for name in DOCUMENTS:
        text = (REPOSITORY / name).read_text()
        blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S) + re.findall(r"`(cleanplate [^`]+)`", text)
        for block in blocks:
            lines = re.sub(r"\s+#.*$", "", block.replace("\\\n", " "), flags=re.M)
            found += [
                (name, line) for line in re.findall(r"(?<![\w/-])(?<!--namespace )(cleanplate [a-z][^|;&\n]*)", lines)
            ]
    return sorted(set(found))


@cache
def _options(command: str) -> set[str]:
    known = typer.main.get_command(importlib.import_module(f"flows.commands.{command.replace('-', '_')}").app)
    return {option for parameter in known.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize(("document", "line"), [pytest.param(*pair, id=pair[1]) for pair in _advised()])
def test_an_advised_command_and_its_options_exist(document: str, line: str) -> None:
    words = shlex.split(line)[1:]
    while words:
        command, *rest = words
        assert command in COMMANDS, f"{document}: {line}"
        ours, words = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else (rest, [])
        said = {word.split("=")[0] for word in ours if word.startswith("--")}
        if command == "weights":
            continue  # a group of its own
        assert said <= _options(command) | {"--help"}, f"{document}: {line}"


OTHERS = re.compile(
    r"Connection refused|Failed to connect|_Py|Py_|Version mismatch|Failed to reach|Killed|/dev/shm|CUDA error|Denied|"
    r"Could not"
)
"""What other programs say; all else in the table of symptoms is in our own sources."""


def test_symptoms_are_in_the_words_of_the_program() -> None:
    sources = "\n".join(path.read_text() for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py"))
    sources = re.sub(r'"\s*\n\s*f?"', "", sources)  # a text over several lines
    sources = re.sub(r"\{[^{}]*\}", "...", sources)
    missing = []
    rows = re.findall(r"^\| (.*?) \| ", (REPOSITORY / "docs/symptoms.md").read_text(), re.M)
    for symptom in (symptom for row in rows for symptom in re.findall(r"`([^`]+)`", row)):
        pieces = [piece.strip(" .") for piece in re.split(r"[:;,]|\.\.\.|\b\d+x?\d*\b", symptom)]
        missing += [piece for piece in pieces if " " in piece and not OTHERS.search(piece) and piece not in sources]
    assert missing == []


def test_files_that_the_list_names_are_there_and_all_are_named() -> None:
    text = (INFRA / "README.md").read_text()
    named = set(re.findall(r"^\| `([^`]+)`", text, re.M))
    there = {str(path.relative_to(INFRA)) for path in INFRA.rglob("*") if path.is_file() and path.name != "README.md"}
    assert {name for name in named if not name.endswith("/")} <= there
    folders = tuple(name for name in named if name.endswith("/"))
    assert {path for path in there if path not in named and not path.startswith(folders)} == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((REPOSITORY / name).parent / target).exists(), f"{name}: {target}"
