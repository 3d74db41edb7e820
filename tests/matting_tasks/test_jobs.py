"""Jobs on a cluster that is not there; those on a real one are in tests/flows/test_finishing.py."""

from __future__ import annotations

import pytest

from manifests.errors import WorkersDied
from matting_tasks.jobs import Jobs


@pytest.mark.ray
def test_a_dashboard_that_does_not_answer_is_told() -> None:
    with pytest.raises(WorkersDied, match="http://127.0.0.1:1 does not take jobs.*token"):
        Jobs("http://127.0.0.1:1")
