"""Files of a capture that must still be those that the manifest names."""

from __future__ import annotations

from manifests.capture import fingerprint_of
from manifests.errors import InputChanged
from manifests.records import Shard
from manifests.storage import Folder


def read_listed(capture: Folder, shard: Shard, path: str, fingerprint: str) -> bytes:
    """Return the bytes of a file that is still the one that was listed; raises InputChanged, OSError for the store."""
    try:
        data, stat = capture.read_with_stat(path)
    except FileNotFoundError as err:
        raise vanished(shard, path) from err
    check_unchanged(shard, path, fingerprint, fingerprint_of(data, stat, shard.fingerprint_rule))
    return data


def check_unchanged(shard: Shard, path: str, listed: str, found: str) -> None:
    """Raise InputChanged for a file whose fingerprint is not the one that was listed."""
    if found != listed:
        raise InputChanged(f"{shard.shard_id}: {path} changed since the capture was listed.")


def vanished(shard: Shard, path: str) -> InputChanged:
    """Return the error for a file that was listed and is not there."""
    return InputChanged(f"{shard.shard_id}: {path} vanished since the capture was listed.")
