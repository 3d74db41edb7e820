"""What travels between the parts of fitting arrives as it was sent."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from matting_tasks.fit.records import Cutout, Layers


def test_records_come_whole_out_of_another_process_and_cannot_be_changed() -> None:
    rng = np.random.default_rng(0)
    person, background = (
        rng.integers(0, 256, (2, 4, 5, 4), dtype=np.uint8),
        rng.integers(0, 256, (4, 5, 3), dtype=np.uint8),
    )
    for sent in (Cutout(person[..., :3], person[..., 3]), Layers(person[..., :3], person[..., 3], background)):
        arrived = pickle.loads(pickle.dumps(sent))
        assert np.array_equal(arrived.foreground, person[..., :3]) and np.array_equal(arrived.alpha, person[..., 3])
        with pytest.raises(FrozenInstanceError):
            sent.alpha = person[..., 0]
    assert np.array_equal(arrived.background, background)
