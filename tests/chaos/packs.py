"""Packs: the same kills, faults and pairs of runs where masks go into packs; and uploads of packs in parts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from chaos import situations
from chaos.faults import Denied, FullDisk
from chaos.kills import KilledAtFailpoints, KilledAtRandom, Terminated
from chaos.rounds import Scenario
from chaos.s3_faults import S3Faults
from chaos.situations import PACKED, PACKED_BY_NAME, with_packs
from chaos.two_runs import BothReplace, BothRetry, ReplacedMeanwhile, SameRecipe
from s3_servers import S3Server, serve_moto, serve_rclone

PART_BYTES = 20_000


class PacksKilledAtFailpoints(KilledAtFailpoints):
    """Kill at one step: while a pack grows, while it is written, between pack and receipt, and at all others."""

    name = "packs, killed at a failpoint"
    n_rounds = 120
    known = PACKED


class PacksKilledAtRandom(KilledAtRandom):
    """Kill at random times."""

    name = "packs, killed at random"
    n_rounds = 40
    known = PACKED


class PacksTerminated(Terminated):
    """SIGTERM at a random time."""

    name = "packs, terminated"
    n_rounds = 10
    known = PACKED[:5]


class PacksFullDisk(FullDisk):
    """The disk is full from a random byte on."""

    name = "packs, disk full at a random byte"
    n_rounds = 20
    known = PACKED


class PacksDenied(Denied):
    """Some files cannot be opened or put in place."""

    name = "packs, access denied"
    n_rounds = 20
    known = PACKED


class PacksSameRecipe(SameRecipe):
    """Two runs of one recipe."""

    name = "packs, two runs, one recipe"
    n_rounds = 12
    standings = (PACKED_BY_NAME["packed fresh"], PACKED_BY_NAME["packed changed"])


class PacksBothReplace(BothReplace):
    """Two runs that replace, also files by packs."""

    name = "packs, two runs, both replace"
    n_rounds = 12
    standings = (PACKED_BY_NAME["packed replaced"], PACKED_BY_NAME["packed half-replaced"], situations.REPACKED)


class PacksBothRetry(BothRetry):
    """Two runs that retry."""

    name = "packs, two runs, both retry"
    n_rounds = 8
    standings = (PACKED_BY_NAME["packed retried"],)


class PacksReplacedMeanwhile(ReplacedMeanwhile):
    """One run of the old recipe is at work when another one replaces it."""

    name = "packs, two runs, one replaces"
    n_rounds = 12
    half_replaced = PACKED_BY_NAME["packed half-replaced"]
    old, new = with_packs(situations.OLDER), with_packs((*situations.MATTE, "--replace"))


@contextlib.contextmanager
def serve_moto_with_small_parts(folder: Path) -> Iterator[S3Server]:
    """Serve S3 from memory, by a server that takes parts of any size."""
    os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1"
    try:
        with serve_moto(folder) as server:
            yield server
    finally:
        del os.environ["S3_UPLOAD_PART_MIN_SIZE"]


def scenarios() -> list[Scenario]:
    """Return the scenarios of this module."""
    return [*on_disk(), *on_stores()]


def on_disk() -> list[Scenario]:
    """Return those on a disk of this machine."""
    return [
        PacksKilledAtFailpoints(),
        PacksKilledAtRandom(),
        PacksTerminated(),
        PacksFullDisk(),
        PacksDenied(),
        PacksSameRecipe(),
        PacksBothReplace(),
        PacksBothRetry(),
        PacksReplacedMeanwhile(),
    ]


def on_stores() -> list[S3Faults]:
    """Return those on stores."""
    return [
        S3Faults("packs, store faults on moto", serve_moto_with_small_parts, 3, PART_BYTES),
        S3Faults("packs, store faults on rclone", serve_rclone, 3, PART_BYTES),
    ]
