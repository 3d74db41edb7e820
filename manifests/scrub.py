"""Scrubbing: a subject's name taken out of the records that speak of others, too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from manifests.decisions import DECISIONS
from manifests.flagged import BEFORE
from manifests.pages import GENERATOR, REPORT, owner_of
from manifests.qc import CAMERAS
from manifests.runs import RUNS
from manifests.sharding import subject_folder
from manifests.storage import Folder

FORGOTTEN = "(forgotten)"
PAGES = ("_cleanplate/qc", REPORT)
_TEXTS = (".html", ".json", ".csv", ".svg", ".js", ".md", ".txt")

Names = Callable[[str], bool]


def naming(subject: str) -> re.Pattern[str]:
    """Return what finds a subject's name in a text as a word of its own, also as it is written in file names."""
    spellings = {subject, subject_folder(subject), quote(subject), json.dumps(subject)[1:-1]}
    words = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])")


def scrub_records(out: Folder, subject: str) -> None:
    """Take a subject out of run records, logs and decisions; what they say of others stays.

    Whether a decision selects a frame of another subject does not change. May be repeated.
    """
    name = naming(subject)
    for stat in [*out.list(RUNS), *out.list(DECISIONS)]:
        data = out.read(stat.path)
        if stat.path.endswith(".json"):
            scrubbed = _scrub_json(data, subject, name)
        else:
            lines = data.decode(errors="replace").splitlines(keepends=True)
            scrubbed = "".join(line for line in lines if not name.search(_spoken(line))).encode()
        if scrubbed != data:
            out.write_atomic(stat.path, scrubbed)


def pages_of(out: Folder, subject: str, others: tuple[str, ...]) -> list[str]:
    """Return pictures and pages that are of a subject, by their names, and pages that name it.

    A name that begins with that of another, longer subject is that one's. Files of the report that all subjects share
    are not among them: the subject is taken out of those.
    """
    name = naming(subject)
    longer = [naming(other) for other in others if other != subject and other.startswith(subject)]
    found = []
    for folder in PAGES:
        for stat in out.list(folder):
            rest = re.sub(rf"^{BEFORE}/\d+/", "", stat.path).removeprefix(f"{folder}/")
            if stat.path.startswith(f"{CAMERAS}/"):
                continue  # named by subjects, and known to the books
            owner = owner_of(stat.path) if folder == REPORT else None
            if owner is not None:
                found += [stat.path] if owner == subject_folder(subject) else []
                continue
            is_own = name.match(rest) is not None and not any(other.match(rest) for other in longer)
            if is_own or (rest.endswith(_TEXTS) and _names(name, out.read(stat.path).decode(errors="replace"))):
                found.append(stat.path)
    return found


def _names(name: re.Pattern[str], text: str) -> bool:
    """Tell whether a page names a subject; the overview's own names none, whatever numbers are in it."""
    return GENERATOR not in text and name.search(text) is not None


def _scrub_json(data: bytes, subject: str, name: re.Pattern[str]) -> bytes:
    try:
        record = json.loads(data)
        scrubbed = _decision(record, subject) if "reason" in record else _run(record, subject)
    except (ValueError, TypeError, AttributeError):  # nobody can read it, and it may name anyone
        return b"" if name.search(data.decode(errors="replace")) else data
    return data if scrubbed == record else json.dumps(scrubbed, indent=1, sort_keys=True).encode()


def _decision(record: dict[str, Any], subject: str) -> dict[str, Any]:
    """Take a subject out of what a decision selects; where nobody is left it selects nothing, never everything."""
    selection = dict(record["selection"])
    selection["subjects"] = _without(selection["subjects"], subject)
    if selection.get("listed") is not None:
        selection["listed"] = {whose: rows for whose, rows in selection["listed"].items() if whose != subject}
    return record | {"selection": selection}


def _run(record: dict[str, Any], subject: str) -> dict[str, Any]:
    scrubbed = dict(record)
    for key in ("subjects", "announced"):
        if key in record:
            scrubbed[key] = _without(record[key], subject)
    settings = record.get("settings")
    if settings and subject in (settings.get("subjects") or ()):
        scrubbed["settings"] = settings | {"subjects": _without(settings["subjects"], subject)}
        rest = ",".join(scrubbed["settings"]["subjects"])
        scrubbed["selection"] = f"{FORGOTTEN}, subjects {rest}" if rest else FORGOTTEN
    return scrubbed


def _without(names: Any, subject: str) -> Any:
    """Return a list of subjects, or what is known by subject, without one; None is all of them and stays."""
    if isinstance(names, dict):
        return {name: value for name, value in names.items() if name != subject}
    return None if names is None else [name for name in names if name != subject]


def _spoken(line: str) -> str:
    """Return the words of a line of a log, in which other letters than ASCII are escaped."""
    try:
        return line + json.dumps(json.loads(line), ensure_ascii=False)
    except ValueError:
        return line
