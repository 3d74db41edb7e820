"""Showing traffic: how often a command asked each store for what, for `--verbose`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console

from manifests.traffic import KINDS, Traffic

HELP = (
    "Also print how often each store was asked for what, what of it was asked again, and the bytes; without the share "
    "of workers that died."
)


def show_traffic(console: Console, traffic: Mapping[str, Traffic]) -> None:
    """Print a line for each store; on a disk a request is a file read, written or deleted, or a folder listed."""
    for url, one in sorted(traffic.items()):
        kinds = ", ".join(f"{one.requests.get(kind, 0):,} {kind}" for kind in KINDS)
        console.print(
            f"Requests to {url}: {kinds}; {one.n_retries:,} of them again; "
            f"{one.bytes_in / 1e6:,.1f} MB read, {one.bytes_out / 1e6:,.1f} MB written.",
            soft_wrap=True,
        )


def traffic_record(traffic: Mapping[str, Traffic]) -> dict[str, Any]:
    """Return traffic by store, for JSON."""
    return {url: asdict(one) for url, one in sorted(traffic.items())}
