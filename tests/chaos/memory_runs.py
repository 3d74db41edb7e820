"""Runs in memory: the real main job with made-up masks, that dies after so many writes or lets another run between.

Everything from the claim to the compaction is the product's; only pixels are not looked at.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from flows.books import Books, open_books, retry_failed
from flows.matte import in_turn, work
from flows.settings import MatteSettings
from flows.summary import Summary
from flows.watch import QuietWatcher
from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.layouts.outputs import mask_paths
from manifests.ledger import commit
from manifests.manifest import Manifest, is_same, read_manifest, write_manifest
from manifests.packs import Masks, PackWriter
from manifests.recipe import Recipe
from manifests.records import FrameRow, Shard, ShardSummary
from manifests.storage import Folder
from manifests.storage_memory import MemoryFolder

CAPTURE = "memory://capture"
GRID = 2

Hook = Callable[[], object]


class Killed(BaseException):
    """The process is gone."""


class MortalFolder(MemoryFolder):
    """One process's view of a shared folder; after `steps_left` writes and deletes the process is dead."""

    def __init__(self, shared: MemoryFolder, steps_left: int | None = None) -> None:
        super().__init__()
        self.files = shared.files
        self.steps_left = steps_left

    def write_atomic(self, path: str, data: bytes) -> None:
        self._step()
        super().write_atomic(path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        self._step()
        return super().put_if_absent(path, data)

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._step()
            super().delete([path])

    def local_path(self, path: str) -> Path | None:  # type: ignore[override]
        return _logs() / path.replace("/", "-") if path.endswith(".log") else None

    def _step(self) -> None:
        if self.steps_left == 0:
            raise Killed
        if self.steps_left is not None:
            self.steps_left -= 1


class MadeUpPool:
    """Writes what a worker would write; before mask number `hook_at` of the run it calls the hook."""

    n_workers = 1

    def __init__(self, out: Folder, recipe: Recipe, bad: Collection[str], hook: Hook | None, hook_at: int) -> None:
        self._out, self._recipe, self._bad = out, recipe, bad
        self._hook, self._left = hook, hook_at

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[ShardSummary]:
        for group in groups:
            for shard in group:
                with PackWriter(self._out, shard) as pack:
                    rows = pack.write([self._matted(shard, number, pack) for number in range(len(shard.frames))])
                commit(self._out, shard, rows, {})
                place = shard.shard_id, shard.subject, shard.sequence, shard.camera, shard.recipe_id
                yield ShardSummary(*place, len(rows), {"ok": sum(row.status == "ok" for row in rows)}, None, 0, 0, "")

    def close(self) -> None:
        pass

    def traffic(self) -> Mapping[str, Any]:
        return {}

    def _matted(self, shard: Shard, number: int, pack: PackWriter) -> FrameRow:
        if self._hook is not None and self._left == 0:
            self._hook()
        self._left -= 1
        frame = shard.frames[number]
        place = shard.subject, shard.sequence, shard.camera, frame.frame, frame.source_frame
        row = FrameRow(*place, shard.shard_id, shard.decision, "ok")
        paths = mask_paths(self._recipe, shard.subject, shard.sequence, shard.camera, frame)
        if frame.path in self._bad:
            if not self._recipe.pack:
                self._out.delete(paths)
            return replace(row, status="undecodable", error="cut off")
        named: list[Any] = []
        made = [mask_bytes(path, self._recipe, frame.size_bytes, shard.plate.size_bytes) for path in paths]
        for path, data in zip(paths, made, strict=True):
            if not self._recipe.pack:
                self._out.write_atomic(path, data)
            named += [path, len(data), hashlib.sha256(data).hexdigest()]
        masks = dict(zip(("mask_path", "mask_bytes", "mask_sha256"), named[:3], strict=True))
        lowres = dict(zip(("lowres_path", "lowres_bytes", "lowres_sha256"), named[3:], strict=True))
        row = replace(row, **masks, **lowres)
        if self._recipe.pack:
            pack.add(row, Masks(made[0], made[1], ".jpg"))
        return row


class ToldBooks(Books):
    """Books whose pool is made by `pool_of`."""

    pool_of: Callable[[Recipe], MadeUpPool]

    def open_pool(self, recipe: Recipe, weights: str | None) -> MadeUpPool:
        return self.pool_of(recipe)


def mask_bytes(path: str, recipe: Recipe, picture_bytes: int, plate_bytes: int | None) -> bytes:
    """Return the mask of a picture, which is known by its size."""
    return f"{path} {recipe.recipe_id} {picture_bytes} {plate_bytes}".encode()


def list_captures(capture: MemoryFolder, out: Folder, subjects: Iterable[str]) -> None:
    """Bring the manifests of subjects up to date."""
    for subject in subjects:
        scanned = scan_subject(capture, subject, "stat", Gha())
        manifest = Manifest(scanned.frames, scanned.plates, CAPTURE, "stat", "gha")
        if not is_same(read_manifest(out, subject), manifest):
            write_manifest(out, manifest)


def run(
    out: Folder, settings: MatteSettings, bad: Collection[str] = (), hook: Hook | None = None, hook_at: int = 0
) -> Summary:
    """Do what `cleanplate matte` does after the listing."""

    class Mine(ToldBooks):
        pool_of = staticmethod(lambda recipe: MadeUpPool(out, recipe, bad, hook, hook_at))  # type: ignore[assignment]

    with open_books(out, CAPTURE, settings, settings.selection, QuietWatcher()) as read:
        books: Books = Mine(**{field.name: getattr(read, field.name) for field in fields(read)})
        if "_cleanplate/root.json" not in {stat.path for stat in out.list("_cleanplate")}:
            books = replace(books, root=replace(books.root, grid=GRID))
        if settings.retry_failed:
            books = retry_failed(books, settings.selection)
        return work(books, QuietWatcher(), in_turn)


@cache
def _logs() -> Path:
    return Path(tempfile.mkdtemp(prefix="cleanplate-chaos-logs-"))
