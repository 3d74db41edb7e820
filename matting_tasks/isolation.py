"""Isolation: which frame of a shard kills the workers, found by trying with nothing else in their hands."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from manifests.records import Frame, Shard


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to do with a worker of its own: matte `shard`, or rehearse one `frame` of it."""

    shard: Shard
    frame: Frame | None = None
    decode_only: bool = False


def isolate(shard: Shard) -> Generator[Trial, bool, bool]:
    """Yield trials and be sent whether the worker died of each; return whether the last trial matted the shard.

    First the shard alone, for it may only have kept bad company. Then each frame, decoded only; then, if no frame
    kills by that, each frame matted. Frames that kill are left out when the whole shard is tried again. A frame kills
    if it does so twice: a worker may also be killed from outside, and a row says for good that its frame crashed.
    """
    if not (yield Trial(shard)):
        return True
    for decode_only in (True, False):
        suspects = [frame for frame in shard.frames if frame.frame not in shard.crashed]
        killers = set()
        for frame in suspects:
            if (yield Trial(shard, frame, decode_only)) and (yield Trial(shard, frame, decode_only)):
                killers.add(frame.frame)
        if killers:
            shard = replace(shard, crashed=shard.crashed | killers)
            if not (yield Trial(shard)):
                return True
    return False
