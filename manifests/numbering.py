"""Numbering: which frame of the output a frame of a sequence becomes, frozen once it was given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from manifests.errors import SchemaUnknown
from manifests.sharding import subject_folder
from manifests.storage import Folder

SOURCE = "source"
"""Frames keep the number that they have in their video or file name."""
GHA = "gha"
"""Every third frame, and numbers that run on over the sequences of a subject."""
STRIDE = 3


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


def numbering_path(subject: str) -> str:
    """Return where the numbers of a subject are kept, relative to the output root."""
    return f"_cleanplate/manifest/{subject_folder(subject)}.numbering.json"


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
    path = numbering_path(subject)
    try:
        return tuple(Span(*_checked(row)) for row in json.loads(out.read(path))["spans"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as err:
        raise SchemaUnknown(
            f"{out.url}/{path} cannot be read ({err!r}). It says which frame of the dataset each frame of a video "
            "became: restore it from a copy, or name another --out."
        ) from err


def freeze_numbering(out: Folder, subject: str, lengths: Mapping[str, int]) -> tuple[Span, ...]:
    """Return the spans of a subject after writing what they lacked; of two runs at once the first one's hold."""
    spans = read_numbering(out, subject)
    if spans is None:
        out.put_if_absent(numbering_path(subject), _to_json(extend((), lengths)))
        spans = read_numbering(out, subject) or ()
    grown = extend(spans, lengths)
    if grown != spans:
        out.write_atomic(numbering_path(subject), _to_json(grown))
    return grown


def _to_json(spans: Sequence[Span]) -> bytes:
    rows = ",\n  ".join(json.dumps(astuple(span)) for span in spans)
    return f'{{"columns": ["sequence", "first", "base", "count"],\n "spans": [\n  {rows}]}}\n'.encode()


def _checked(row: Sequence[object]) -> tuple[str, int, int, int]:
    sequence, *counts = row
    if not isinstance(sequence, str) or len(counts) != 3:
        raise ValueError(f"no span: {row!r}")
    first, base, count = (int(str(number)) for number in counts)
    return sequence, first, base, count
