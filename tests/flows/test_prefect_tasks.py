from __future__ import annotations

import pytest

from flows.engines import prepare_engines
from flows.summary import Summary
from manifests.plan import CameraStatus

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_run_is_told_in_one_line() -> None:
    prepare_engines()  # before Prefect is imported
    from flows.prefect_tasks import told

    cameras = [CameraStatus("031", "", "7", 5, 3, 0, {"undecodable": 2}), CameraStatus("031", "", "8", 5, 1, 4)]
    summary = Summary("/data/mattes", n_written=4, cameras=cameras)
    assert told(summary) == "4 frames matted, 2 not ok, 4 pending; masks under /data/mattes"
