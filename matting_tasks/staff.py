"""The staff of a pool: as many posts as were asked for, or as the nodes of a cluster have room for, and actors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from matting_tasks.actor import MattingActor
from matting_tasks.nodes import Nodes, on_node, placed
from matting_tasks.tickets import Post
from matting_tasks.worker import WorkerSettings


class Staff:
    """The posts of a pool; only its thread changes them."""

    def __init__(
        self, settings: WorkerSettings, n_workers: int | None, asks: tuple[float, float], nodes: Nodes | None
    ) -> None:
        """Make `n_workers` posts, each of so many (CPUs, GPUs); with `nodes` as many as these have room for.

        `n_workers` is then the most there will be, None for no such limit.
        """
        self.asks = asks
        self.posts = [] if nodes is not None else [Post() for _ in range(n_workers or 1)]
        self.held_s = 0.0
        self._counted = time.monotonic()
        self._settings, self._most, self._nodes = settings, n_workers, nodes
        self.follow()

    def follow(self) -> None:
        """Follow the nodes: empty posts of lost ones go, new ones get theirs. Counts the seconds of all who work."""
        now = time.monotonic()
        self.held_s += (now - self._counted) * sum(post.ready for post in self.posts)
        self._counted = now
        if self._nodes is None:
            return
        rooms = self._nodes.rooms()
        self.posts = [post for post in self.posts if post.actor is not None or post.node_id in rooms]
        free = placed(rooms, [post.node_id for post in self.posts])
        n_more = len(free) if self._most is None else max(0, self._most - len(self.posts))
        self.posts += [Post(node_id=node_id) for node_id in free[:n_more]]

    def fill(self) -> Iterator[tuple[Post, Any]]:
        """Hire an actor for each empty post; yield the post and what the actor will answer when it is set up."""
        for post in self.posts:
            if post.actor is None:
                where = {} if post.node_id is None else {"scheduling_strategy": on_node(post.node_id)}
                n_cpus, n_gpus = self.asks
                hired: Any = MattingActor.options(num_cpus=n_cpus, num_gpus=n_gpus, **where)  # type: ignore[attr-defined]
                post.actor, post.ready, post.camera = hired.remote(self._settings), False, None
                yield post, post.actor.prepare.remote()

    def lost(self, post: Post) -> None:
        """Hire nobody on the node of a post for a while: it was lost there by no fault of its own."""
        if self._nodes is not None:
            self._nodes.doubt(post.node_id)

    def refuse(self, post: Post, err: Exception) -> bool:
        """Let nobody be hired on the node of a post any more; tell whether there are others to go on with."""
        return self._nodes is not None and self._nodes.refuse(post.node_id, err)

    def dismiss(self) -> list[Post]:
        """Return the posts that somebody fills, and have none from here on."""
        held, self.posts = [post for post in self.posts if post.actor is not None], []
        return held

    def close(self) -> None:
        """Follow the nodes no more."""
        if self._nodes is not None:
            self._nodes.close()
