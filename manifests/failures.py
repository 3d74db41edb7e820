"""Failures: what is known of shards that were not committed, one file a shard, beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from manifests.records import ShardFailure
from manifests.sharding import subject_folder
from manifests.storage import Folder

FAILURES = "_cleanplate/failures"


def write_failure(out: Folder, failure: ShardFailure, run_id: str) -> None:
    """Keep a failure with its class, worker and traceback; a later one of the same shard takes its place."""
    record = asdict(failure) | {"run": run_id}
    out.write_atomic(_path(failure.subject, failure.shard_id), json.dumps(record, indent=1, sort_keys=True).encode())


def failures_folder(subject: str) -> str:
    """Return the folder of a subject's failures, relative to the output root."""
    return f"{FAILURES}/{subject_folder(subject)}"


def read_failures(out: Folder, subject: str) -> dict[str, dict[str, Any]]:
    """Return the failures of a subject by shard_id."""
    found: dict[str, dict[str, Any]] = {}
    for stat in out.list(failures_folder(subject)):
        shard_id = stat.path.rsplit("/", 1)[-1].removesuffix(".json")
        unreadable = {"shard_id": shard_id, "kind": "unreadable", "message": f"{stat.path} is damaged"}
        try:
            record = json.loads(out.read(stat.path))
        except ValueError:
            record = unreadable
        found[shard_id] = record if isinstance(record, dict) else unreadable
    return found


def clear_failures(out: Folder, subject: str, committed: Iterable[str]) -> None:
    """Delete the failures of shards that are committed now."""
    known = read_failures(out, subject)
    out.delete(_path(subject, shard_id) for shard_id in committed if shard_id in known)


def _path(subject: str, shard_id: str) -> str:
    return f"{failures_folder(subject)}/{shard_id}.json"
