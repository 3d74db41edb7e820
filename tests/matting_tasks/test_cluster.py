from __future__ import annotations

import pytest
import ray
from ray.exceptions import ActorUnschedulableError, OutOfMemoryError, RayActorError, RayError

from manifests.errors import WorkersDied
from matting_tasks.cluster import Cluster, is_infrastructure, look_at_cluster, start_ray, stop_ray

pytestmark = pytest.mark.ray


def test_start_ray_says_what_to_do_when_no_cluster_answers() -> None:
    with pytest.raises(WorkersDied, match="No Ray cluster answers at 127.0.0.1:1.*RAY_AUTH_TOKEN"):
        start_ray("127.0.0.1:1", 0)
    assert not ray.is_initialized()


def test_a_cluster_without_gpus_names_none() -> None:
    start_ray(None, 1)
    start_ray(None, 1)  # a second pool of a run finds it started
    assert look_at_cluster() == Cluster(n_cores=1, n_gpus=0, gpu_name=None)
    stop_ray()
    assert not ray.is_initialized()


def test_a_cluster_that_was_not_asked_for_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    start_ray(None, 1)
    assert look_at_cluster().n_cores == 1
    stop_ray()


class Preempted(RayActorError):
    preempted = True


@pytest.mark.parametrize(
    ("error", "is_the_clusters"),
    [
        (RayActorError(error_msg="The actor died because its node has died. Node Id: 1"), True),
        (RayActorError(error_msg="Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: killed"), True),
        (OutOfMemoryError("the node is running low on memory"), True),
        (Preempted(), True),
        (RayActorError(error_msg="exit type: SYSTEM_ERROR ... The process receives a SIGTERM."), True),
        # what Ray says of any SIGKILL names the memory killer as one of the possible causes
        (RayActorError(error_msg="exit type: SYSTEM_ERROR ... (1) the process was killed by the OOM killer"), False),
        (RayActorError(), False),
        # the node that an actor was to be on is gone
        (ActorUnschedulableError("The node specified via NodeAffinitySchedulingStrategy doesn't exist any more"), True),
    ],
)
def test_deaths_of_nodes_and_of_memory_are_the_clusters(error: RayError, is_the_clusters: bool) -> None:
    assert is_infrastructure(error) is is_the_clusters
