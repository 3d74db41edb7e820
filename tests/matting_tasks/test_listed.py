from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import put_shard

from manifests.errors import InputChanged
from manifests.storage_memory import MemoryFolder
from matting_tasks.listed import read_listed


def test_a_file_is_read_while_it_is_the_one_that_was_listed() -> None:
    capture = MemoryFolder()
    shard = put_shard(capture, [b"picture"])
    frame = shard.frames[0]
    assert read_listed(capture, shard, frame.path, frame.fingerprint) == b"picture"
    capture.files[frame.path] = b"another picture"
    with pytest.raises(InputChanged, match=f"{shard.shard_id}: {frame.path} changed"):
        read_listed(capture, shard, frame.path, frame.fingerprint)
    del capture.files[frame.path]
    with pytest.raises(InputChanged, match="vanished"):
        read_listed(capture, shard, frame.path, frame.fingerprint)


def test_the_rule_of_the_shard_tells_what_a_change_is() -> None:
    capture = MemoryFolder()
    shard = replace(put_shard(capture, [b"picture"]), fingerprint_rule="size")
    capture.files[shard.frames[0].path] = b"PICTURE"
    assert read_listed(capture, shard, shard.frames[0].path, "7") == b"PICTURE"
