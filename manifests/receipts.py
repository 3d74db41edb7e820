"""Receipts without trust: every file of a ledger as it lies there, damage named and passed over."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from manifests.errors import SchemaNewer, SchemaUnknown
from manifests.ledger import READ_TRIES, ledger_folder
from manifests.packs import lies_in, place_of
from manifests.records import FileStat
from manifests.storage import Folder

_SINGLE = re.compile(r"(?P<shard>.+)\.f(?P<failed>\d+)\.parquet")
_COMPACTED = ".compact.parquet"
_COLUMNS = (
    "subject",
    "shard_id",
    "decision",
    "sequence",
    "camera",
    "frame",
    "status",
    "frame_files",
    "mask_path",
    "mask_bytes",
    "mask_sha256",
    "lowres_path",
    "lowres_bytes",
    "lowres_sha256",
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it must be.

    kind: missing | size | content (files that a receipt names), receipt | rows | twice (receipts), manifest, decision.
    `path` is the file at fault; `shard_id` is empty where no shard can be named.
    """

    kind: str
    subject: str
    path: str
    text: str
    shard_id: str = ""


class NamedFile(NamedTuple):
    """A file that a row names, by itself or in a pack; size and hash are None where the row does not tell."""

    path: str
    size_bytes: int | None
    sha256: str | None

    @property
    def lies_in(self) -> str:
        """Return the file that is there: the pack that holds it, or itself."""
        return lies_in(self.path)


class Row(NamedTuple):
    """What a row says of one frame, and of its files if it is ok."""

    decision: int
    sequence: str
    camera: str
    frame: int
    is_ok: bool
    files: tuple[NamedFile, ...]

    @property
    def key(self) -> tuple[int, str, str, int]:
        """Return (decision, sequence, camera, frame)."""
        return self[:4]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The rows of one shard, and the file that they lie in, which a compacted one shares with others."""

    shard_id: str
    stat: FileStat
    is_compacted: bool
    rows: tuple[Row, ...]


def read_all_receipts(out: Folder, subject: str) -> tuple[list[Receipt], list[Damage]]:
    """Return all receipts of a subject and what is wrong with the others; a compacted one yields to a single one.

    Raises SchemaNewer for a receipt that a newer version wrote.
    """
    for _ in range(READ_TRIES - 1):
        try:
            return _read_listed(out, subject)
        except FileNotFoundError:  # another run has compacted meanwhile
            continue
    return _read_listed(out, subject)


def _read_listed(out: Folder, subject: str) -> tuple[list[Receipt], list[Damage]]:
    singles: list[Receipt] = []
    compacted: dict[str, Receipt] = {}
    damages: list[Damage] = []
    for stat in sorted(out.list(ledger_folder(subject)), key=lambda stat: stat.path):
        name = stat.path.rsplit("/", 1)[-1]
        single = _SINGLE.fullmatch(name)
        if single is None and not name.endswith(_COMPACTED):
            continue
        try:
            by_shard = _read_one(out, subject, stat.path)
            if single is None:
                compacted |= {shard: Receipt(shard, stat, True, rows) for shard, rows in by_shard.items()}
            else:
                singles.append(Receipt(single["shard"], stat, False, _of_single(by_shard, single)))
        except SchemaNewer:
            raise
        except SchemaUnknown as err:
            damages.append(Damage("receipt", subject, stat.path, str(err), single["shard"] if single else ""))
    of_singles = {receipt.shard_id for receipt in singles}
    return [*singles, *(receipt for shard, receipt in compacted.items() if shard not in of_singles)], damages


def _of_single(by_shard: Mapping[str, tuple[Row, ...]], name: re.Match[str]) -> tuple[Row, ...]:
    """Return the rows of a single receipt; raises SchemaUnknown where they are not what its name says."""
    (shard_id, rows), *others = by_shard.items() or [("", ())]
    n_failed = sum(not row.is_ok for row in rows)
    if others or shard_id != name["shard"] or n_failed != int(name["failed"]):
        raise SchemaUnknown(
            f"its rows are of shard {shard_id or 'none'} with {n_failed} failed, not what its name says."
        )
    return rows


def _read_one(out: Folder, subject: str, path: str) -> dict[str, tuple[Row, ...]]:
    from manifests.tables import read_row_columns

    by_shard: dict[str, list[Row]] = {}
    try:
        for whose, shard_id, *values in read_row_columns(out.read(path), path, _COLUMNS):
            if whose != subject:
                raise ValueError(f"a row of subject {whose}")
            by_shard.setdefault(shard_id, []).append(_row(values))
    except (ValueError, TypeError) as err:
        raise SchemaUnknown(f"{path} cannot be read ({err}).") from err
    return {shard_id: tuple(rows) for shard_id, rows in by_shard.items()}


def _row(values: Sequence[Any]) -> Row:
    decision, sequence, camera, frame, status, others, *masks = values
    files = [NamedFile(*masks[:3]), NamedFile(*masks[3:])] if status == "ok" else []
    files += [NamedFile(*written) for written in json.loads(others or "[]")]
    if not all(_may_be_named(file) for file in files):
        raise ValueError(f"frame {frame} names a file that is none of a frame's")
    return Row(decision, sequence, camera, frame, status == "ok", tuple(files))


def _may_be_named(file: NamedFile) -> bool:
    """Tell whether a file can be a frame's: none outside the output root, nor of its books."""
    if not file.path or file.path.startswith("/") or ".." in file.path.split("/"):
        return False
    return place_of(file.path) is not None or not file.path.startswith("_cleanplate/")


def doubles(subject: str, receipts: Sequence[Receipt]) -> Iterator[Damage]:
    """Yield the receipts that speak for a frame which another receipt of the same decision speaks for, too."""
    speaks: Counter[tuple[int, str, str, int]] = Counter()
    for receipt in receipts:
        speaks.update({row.key for row in receipt.rows})
    twice = {key for key, number in speaks.items() if number > 1}
    for receipt in receipts if twice else ():
        n_twice = sum(row.key in twice for row in receipt.rows)
        if n_twice:
            text = f"another receipt of the same decision speaks for {n_twice} of its frames"
            yield Damage("twice", subject, receipt.stat.path, text, receipt.shard_id)
