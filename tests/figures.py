"""A figure to draw on, for the tests of people."""

from __future__ import annotations

import numpy as np

from matting_tasks.fit.figure import Figure

SIZE = (200, 160)


def figure(unit: float = 24.0) -> Figure:
    """Make an upright figure whose head is in the upper middle of a picture of SIZE."""
    return Figure(
        head=np.array([80.0, 60.0]),
        unit=unit,
        lean=0.0,
        tilt=0.0,
        turn=0.0,
        light=(-0.5, -0.5),
        tone=np.array([210, 160, 130], np.float32),
        hair=np.array([70, 45, 30], np.float32),
        longness=1.3,
        neck=0.4,
    )
