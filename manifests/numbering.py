"""Numbering: which frame of the output a frame of a sequence becomes, frozen once anything was matted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from manifests.errors import SchemaUnknown
from manifests.root import read_root
from manifests.sharding import subject_folder
from manifests.storage import Folder

SOURCE = "source"
"""Frames keep the number that they have in their video or file name."""
GHA = "gha"
"""Every third frame, and numbers that run on over the sequences of a subject."""
STRIDE = 3
MANIFEST = "_cleanplate/manifest"


@dataclass(frozen=True, slots=True)
class Span:
    """The taken frames `first` .. `first + count - 1` of a sequence have the numbers from `base` on.

    A taken frame is counted from 0: it is frame `STRIDE * number` of the source.
    """

    sequence: str
    first: int
    base: int
    count: int


def n_taken(n_source: int) -> int:
    """Return how many of n frames are taken: 0, 3, 6, ..."""
    return -(-n_source // STRIDE)


def numbering_path(subject: str, version: int = 0) -> str:
    """Return where the numbers of a subject are kept, relative to the output root; the last version there is holds."""
    later = f".{version}" if version else ""
    return f"{MANIFEST}/{subject_folder(subject)}.numbering{later}.json"


def numbering_paths(out: Folder, subject: str) -> list[str]:
    """Return all files that there are of the numbers of a subject, the last version first: to be deleted in order."""
    name = re.compile(re.escape(f"{MANIFEST}/{subject_folder(subject)}.numbering") + r"(?:\.(\d+))?\.json")
    found = [matched for stat in out.list(MANIFEST) if (matched := name.fullmatch(stat.path))]
    return [matched[0] for matched in sorted(found, key=lambda matched: int(matched[1] or 0), reverse=True)]


def extend(spans: Sequence[Span], lengths: Mapping[str, int]) -> tuple[Span, ...]:
    """Return the spans with what they lack put behind: new sequences in sorted order, and what longer ones have more.

    `lengths` is the number of taken frames of each sequence, over its longest camera. Numbers never change.
    """
    grown = list(spans)
    end = max((span.base + span.count for span in spans), default=0)
    known: dict[str, int] = {}
    for span in spans:
        known[span.sequence] = max(known.get(span.sequence, 0), span.first + span.count)
    for sequence in sorted(lengths):
        more = lengths[sequence] - known.get(sequence, 0)
        if more > 0:
            grown.append(Span(sequence, known.get(sequence, 0), end, more))
            end += more
    return tuple(grown)


def numbers(spans: Sequence[Span], sequence: str, taken: np.ndarray) -> np.ndarray:
    """Return the frame numbers, (n,) int32, of the taken frames `taken`, (n,) int, of a sequence."""
    found = np.full(len(taken), -1, dtype=np.int32)
    for span in spans:
        if span.sequence == sequence:
            inside = (taken >= span.first) & (taken < span.first + span.count)
            found[inside] = taken[inside] - span.first + span.base
    return found


def read_numbering(out: Folder, subject: str) -> tuple[Span, ...] | None:
    """Return the spans of a subject, or None where none were given; raises SchemaUnknown."""
    version, spans = _standing(out, subject)
    return None if version < 0 else spans


def settle_numbering(
    out: Folder, subject: str, lengths: Mapping[str, int], may_change: bool = True
) -> tuple[Span, ...]:
    """Return the spans that hold for a subject, after writing what they lack; raises SchemaUnknown.

    They are made anew until root.json is there, unless `may_change` is false: sequences that were listed by and by, as
    during a download, are then in sorted order. Afterwards no number changes. Each change is a new version, and holds
    all spans: of two runs at once that write the same version one wins, and the other extends what that one wrote.
    """
    is_frozen = not may_change or read_root(out) is not None
    version, before = _standing(out, subject)
    spans, wanted = before, extend(before if is_frozen else (), lengths)
    while wanted != spans:
        is_mine = out.put_if_absent(numbering_path(subject, version + 1), _to_json(wanted))
        version, spans = _standing(out, subject)
        wanted = extend(spans, lengths)
        if is_mine and not is_frozen and read_root(out) is not None:
            is_frozen, wanted = True, extend(before or spans, lengths)
    return spans


def _standing(out: Folder, subject: str) -> tuple[int, tuple[Span, ...]]:
    """Return the last version of the numbers of a subject, -1 where there is none, and its spans."""
    version, data = -1, b""
    while True:
        try:
            data = out.read(numbering_path(subject, version + 1))
        except FileNotFoundError:
            return version, () if version < 0 else _parsed(out, numbering_path(subject, version), data)
        version += 1


def _parsed(out: Folder, path: str, data: bytes) -> tuple[Span, ...]:
    try:
        return tuple(Span(*_checked(row)) for row in json.loads(data)["spans"])
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise SchemaUnknown(
            f"{out.url}/{path} cannot be read ({err!r}). It says which frame of the dataset each frame of a video "
            "became: restore it from a copy, or name another --out."
        ) from err


def _to_json(spans: Sequence[Span]) -> bytes:
    rows = ",\n  ".join(json.dumps(astuple(span)) for span in spans)
    return f'{{"columns": ["sequence", "first", "base", "count"],\n "spans": [\n  {rows}]}}\n'.encode()


def _checked(row: Sequence[object]) -> tuple[str, int, int, int]:
    sequence, *counts = row
    if not isinstance(sequence, str) or len(counts) != 3:
        raise ValueError(f"no span: {row!r}")
    first, base, count = (int(str(number)) for number in counts)
    return sequence, first, base, count
