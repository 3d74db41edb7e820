"""Nodes: how many workers each has room for, which are fit, and what is said of the others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from roots import RECIPE

from manifests.errors import NodesUnfit, WorkersDied
from manifests.storage import LocalFolder
from matting_tasks.cluster import beside, start_ray, stop_ray
from matting_tasks.nodes import Node, Nodes, alive_nodes, placed
from matting_tasks.preflight import Wanted, versions_here


@pytest.mark.parametrize(
    ("has", "asks", "room"),
    [
        ((8, 0), (2, 0), 4),
        ((7, 0), (2, 0), 3),
        ((64, 8), (1, 1), 8),
        ((4, 8), (1, 1), 4),
        ((64, 8), (1, 0.5), 16),
        ((64, 8), (1, 0.3), 24),
        ((64, 8), (1, 3), 2),
        ((64, 0), (1, 1), 0),
        ((64, 0), (1, 0.5), 0),
        ((1, 0), (1.5, 0), 0),
    ],
)
def test_room_is_of_whole_workers(has: tuple[float, float], asks: tuple[float, float], room: int) -> None:
    """A share of a GPU is never made of two: three workers of 0.3 fit on each GPU."""
    assert Node("a", "10.0.0.1", *has).room(*asks) == room


def test_workers_are_placed_on_the_emptiest_nodes_first() -> None:
    assert placed({"a": 2, "b": 1}, []) == ["a", "b", "a"]
    assert placed({"a": 2, "b": 1}, ["a"]) == ["a", "b"]
    assert placed({"a": 1}, ["a", "a", "gone"]) == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    start_ray(None, 2)
    yield
    stop_ray()


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    (tmp_path / "capture").mkdir()
    return Wanted(RECIPE, None, str(tmp_path / "capture"), str(tmp_path / "out"), None, "p", versions_here())


def rooms_of(nodes: Nodes) -> dict[str, int]:
    """Return the rooms once the nodes have been looked at."""
    deadline = time.monotonic() + 30
    while not (found := dict(nodes.rooms())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@pytest.mark.ray
def test_a_fit_node_has_room_and_a_doubted_one_none_for_a_while(cluster: None, wanted: Wanted, tmp_path: Path) -> None:
    nodes = Nodes(wanted, 1, 0)
    nodes.check()
    (node_id,) = alive_nodes()
    assert rooms_of(nodes) == {node_id: 2}
    nodes.doubt(node_id)
    assert nodes.rooms() == {}
    assert nodes.refuse(node_id, ValueError("no GPU")) is False, "there is no other node to go on with"
    nodes.close()
    assert not list(LocalFolder(tmp_path / "out").list())


@pytest.mark.ray
def test_a_cluster_without_a_fit_node_is_refused_with_each_reason(cluster: None, wanted: Wanted) -> None:
    with pytest.raises(
        NodesUnfit, match=r"(?s)No node of the Ray cluster can work \(1 looked at\).*no frame\.jpg there"
    ):
        Nodes(replace(wanted, sample="frame.jpg"), 1, 0).check()


@pytest.mark.ray
def test_nodes_without_room_are_not_looked_at(cluster: None, wanted: Wanted) -> None:
    nodes = Nodes(replace(wanted, sample="frame.jpg"), 1, 1)
    nodes.check()
    assert nodes.rooms() == {}
    nodes.close()


@pytest.mark.ray
def test_what_is_done_beside_is_answered(cluster: None) -> None:
    answers = [beside(os.path.join, "a", name) for name in "bc"]
    assert [answer() for answer in answers] == ["a/b", "a/c"]
    with pytest.raises(WorkersDied, match="could not do it.*TypeError"):
        beside(os.path.join, 1)()
