"""The nodes of a cluster: which are alive and fit, and how many workers each has room for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from manifests.errors import NodesUnfit
from manifests.storage import open_folder
from matting_tasks.preflight import NodeReport, Wanted, left_word, look_at_node

log = logging.getLogger(__name__)

LOOK_S = 120.0
"""A node may have to be sent the code first."""
FOLLOW_S = 3.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive: its id, its address, and the CPUs and GPUs that it brought."""

    node_id: str
    address: str
    n_cpus: float
    n_gpus: float

    def room(self, n_cpus: float, n_gpus: float) -> int:
        """Count the workers that find room here, each with so many CPUs and GPUs; a share of a GPU is never cut."""
        rooms = [int(self.n_cpus / n_cpus + 1e-6)] if n_cpus else []
        if n_gpus >= 1:
            rooms.append(int(self.n_gpus // n_gpus))
        elif n_gpus:
            rooms.append(int(self.n_gpus) * int(1 / n_gpus + 1e-6))
        return min(rooms, default=0)


def alive_nodes() -> dict[str, Node]:
    """Return the nodes that are alive, by their ids."""
    found = {}
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            node_id, address = node["NodeID"], node["NodeManagerAddress"]
            found[node_id] = Node(node_id, address, has.get("CPU", 0.0), has.get("GPU", 0.0))
    return found


class Nodes:
    """The nodes that a pool works on: looked at once each, those that come later as well."""

    def __init__(self, wanted: Wanted, n_cpus: float, n_gpus: float) -> None:
        """Name what a node must have, and what a worker takes of it."""
        self._wanted = wanted
        self._asks = n_cpus, n_gpus
        self._opened = ExitStack()
        self._looked: dict[str, Future[NodeReport]] = {}
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="preflight")
        self._rooms: dict[str, int] = {}
        self._followed = float("-inf")
        self._doubted: dict[str, float] = {}

    def check(self) -> None:
        """Look at all nodes with room for a worker, and say what some lack; raises NodesUnfit where none is fit.

        A cluster without any such node is none of these errors: one may be about to start.
        """
        out = open_folder(self._wanted.out_url, self._wanted.storage_options)
        self._opened.enter_context(left_word(out, self._wanted.probe))
        having_room = self._having_room()
        reports = {node_id: self._look(node) for node_id, node in having_room.items()}
        found = {node_id: report.result() for node_id, report in reports.items()}
        unfit = [_about(having_room[node_id], report) for node_id, report in found.items() if report.faults]
        if found and len(unfit) == len(found):
            self.close()
            raise NodesUnfit(
                f"No node of the Ray cluster can work ({len(unfit)} looked at):\n"
                + "\n".join(f"  {line}" for line in unfit)
                + "\nNothing was matted. Mend one and run the same command again."
            )

    def rooms(self) -> Mapping[str, int]:
        """Return how many workers each fit node has room for; new nodes are looked at meanwhile, lost ones are gone."""
        if time.monotonic() - self._followed >= FOLLOW_S:
            self._followed = time.monotonic()
            having_room = self._having_room()
            reports = {node_id: self._look(node) for node_id, node in having_room.items()}
            fit = (node for node_id, node in having_room.items() if _is_fit(reports[node_id]))
            self._rooms = {node.node_id: node.room(*self._asks) for node in fit}
        now = time.monotonic()
        return {node_id: n for node_id, n in self._rooms.items() if self._doubted.get(node_id, now) <= now}

    def doubt(self, node_id: str | None) -> None:
        """Start nothing on a node for some seconds: a worker was lost there, and the node may be about to go."""
        if node_id is not None:
            self._doubted[node_id] = time.monotonic() + 2 * FOLLOW_S

    def refuse(self, node_id: str | None, err: Exception) -> bool:
        """Give a node no further worker, for none can be set up there; tell whether there are others that are fit."""
        others = {other for other in self.rooms() if other != node_id}
        if node_id is None or not others:
            return False
        unfit: Future[NodeReport] = Future()
        unfit.set_result(NodeReport(node_id, (str(err),)))
        self._looked[node_id] = unfit
        self._followed = float("-inf")
        return True

    def ask_for(self, n_workers: int) -> None:
        """Tell an autoscaler, where the cluster has one, how many workers there ought to be room for."""
        asked = {name: amount for name, amount in zip(("CPU", "GPU"), self._asks, strict=True) if amount}
        request_resources(bundles=[asked] * n_workers)

    def close(self) -> None:
        """Look at no further nodes, ask for none, and take away what was left for them to read."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with suppress(OSError):
            self._opened.close()

    def _having_room(self) -> dict[str, Node]:
        return {node_id: node for node_id, node in alive_nodes().items() if node.room(*self._asks)}

    def _look(self, node: Node) -> Future[NodeReport]:
        """Have a node looked at, unless that was done."""
        if node.node_id not in self._looked:
            self._looked[node.node_id] = self._threads.submit(self._looked_at, node)
        return self._looked[node.node_id]

    def _looked_at(self, node: Node) -> NodeReport:
        report = _report_of(node, self._wanted)
        if report.faults:
            log.warning("%s; it gets no worker", _about(node, report))
        elif report.doubts:
            log.warning("node %s (%s): %s", report.host, node.address, "; ".join(report.doubts))
        return report


def on_node(node_id: str) -> NodeAffinitySchedulingStrategy:
    """Return what has Ray start something on a node and nowhere else."""
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _is_fit(report: Future[NodeReport]) -> bool:
    return report.done() and not report.cancelled() and not report.result().faults


def _report_of(node: Node, wanted: Wanted) -> NodeReport:
    """Look at a node from there; one that cannot even be asked is a fault that says why."""
    ask: Any = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node(node.node_id))(look_at_node)
    try:
        report: NodeReport = ray.get(ask.remote(wanted), timeout=LOOK_S)
    except GetTimeoutError:
        return NodeReport(node.address, (f"it did not answer within {LOOK_S:.0f} s",))
    except RayError as err:
        return NodeReport(node.address, (_said(str(err)),))
    return report


def _said(text: str) -> str:
    """Say why a node could not be asked: mostly, that there is no cleanplate."""
    if "ModuleNotFoundError" in text or "No module named" in text:
        lacking = text.partition("No module named")[2].strip().split()[0].strip("'\"") if "No module" in text else ""
        return (
            f"Python there has no module {lacking or 'of ours'}: install the driver's cleanplate with constraints.txt "
            "on that node, in the environment that ray start runs in"
        )
    return f"it could not be asked: {' '.join(text.split())[:300]}"


def _about(node: Node, report: NodeReport) -> str:
    return f"node {report.host} ({node.address}): {'; '.join(report.faults)}"


def placed(rooms: Mapping[str, int], held: Iterable[str | None]) -> Sequence[str]:
    """Return the nodes that have room for another worker, one entry a worker, the emptiest nodes first."""
    left = dict(rooms)
    for node_id in held:
        if node_id in left:
            left[node_id] -= 1
    turns = [(turn, node_id) for node_id, n_free in left.items() for turn in range(n_free)]
    return [node_id for _, node_id in sorted(turns)]
