"""The staff: posts follow the nodes, those that somebody fills stay as long as they are filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shards import recipe_for, worker_settings

from matting_tasks.staff import Staff


class SomeNodes:
    """Nodes as a cluster would have them, and what the staff says of them."""

    def __init__(self, **rooms: int) -> None:
        self.room, self.doubted, self.closed = rooms, list[str | None](), False

    def rooms(self) -> dict[str, int]:
        return self.room

    def doubt(self, node_id: str | None) -> None:
        self.doubted.append(node_id)

    def close(self) -> None:
        self.closed = True


def staff_on(tmp_path: Path, nodes: Any, most: int | None = None) -> Staff:
    return Staff(worker_settings(tmp_path, tmp_path / "out", recipe_for()), most, (1, 0), nodes)


def places(staff: Staff) -> list[str | None]:
    return sorted(post.node_id or "" for post in staff.posts)


def test_there_are_as_many_posts_as_asked_for_anywhere(tmp_path: Path) -> None:
    staff = staff_on(tmp_path, None, 3)
    staff.follow()
    assert places(staff) == ["", "", ""] and staff.dismiss() == []


def test_posts_come_and_go_with_the_nodes(tmp_path: Path) -> None:
    nodes = SomeNodes(a=2)
    staff = staff_on(tmp_path, nodes)
    assert places(staff) == ["a", "a"]
    staff.posts[0].actor = "somebody"
    nodes.room = {"b": 1}
    staff.follow()
    assert places(staff) == ["a", "b"], "who works on a node that is given up is not sent away"
    staff.posts[0].actor = None
    nodes.room = {"b": 2, "c": 1}
    staff.follow()
    assert places(staff) == ["b", "b", "c"]


def test_a_number_is_the_most_there_will_be(tmp_path: Path) -> None:
    nodes = SomeNodes(a=4, b=4)
    staff = staff_on(tmp_path, nodes, 3)
    assert places(staff) == ["a", "a", "b"]
    nodes.room = {"b": 4}
    staff.follow()
    assert places(staff) == ["b", "b", "b"]


def test_seconds_count_for_those_who_work(tmp_path: Path) -> None:
    staff = staff_on(tmp_path, SomeNodes(a=2))
    staff.follow()
    assert staff.held_s == 0
    staff.posts[0].ready = True
    staff.follow()
    assert 0 < staff.held_s < 5
    staff.lost(staff.posts[1])
    staff.close()
