"""What the tests of matting_tasks share."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest
import torch


@pytest.fixture
def threads_as_before() -> Iterator[None]:
    """Give the process back the numbers of threads that it had, for a worker sets them."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
