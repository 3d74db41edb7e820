from __future__ import annotations

import pytest
import ray

from manifests.errors import WorkersDied
from matting_tasks.cluster import Cluster, look_at_cluster, start_ray, stop_ray

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
