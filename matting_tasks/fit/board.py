"""The board: losses and scores of a training on disk, as TensorBoard events and as a table, while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from matting_tasks.fit.curve import CURVE, LOSS, RATE, SCORE, Row, append_row, cut_curve

EVENTS = "events"


class Board:
    """Write what a training tells to the TensorBoard files in `events` and to `curve.csv`, under the same names.

    Each call is on disk when it returns: after a kill -9 all is there but what was being written. Of several workers
    one has a board.
    """

    def __init__(self, folder: Path, after_step: int | None = None, keeps_scores: bool = True) -> None:
        """Open the board of a folder, and drop what it tells of steps after the one a training goes on from.

        after_step: the last step of the state that is gone on with; None begins anew, with all dropped. TensorBoard
        leaves out dropped steps by a mark in the new file. keeps_scores: False drops those so far, of a stream that
        does not compare, from the table; TensorBoard keeps them. Raises OSError, and UsageError for a `curve.csv` that
        is no curve.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._curve = folder / CURVE
        kept = cut_curve(self._curve, after_step, keeps_scores)
        self._scored = {(row.stage, row.step) for row in kept if row.has_scores}
        purge_step = 0 if after_step is None else after_step + 1
        _wait_for_a_later_second(folder / EVENTS)
        self._events: Any = SummaryWriter(str(folder / EVENTS), purge_step=purge_step)
        self._events.flush()

    def losses(self, stage: str, step: int, losses: Mapping[str, float], learning_rate: float, seconds: float) -> None:
        """Tell the losses after a step of all stages together; seconds: of training so far."""
        named = {f"{LOSS}{name}": value for name, value in losses.items()}
        self._tell(Row(step, stage, {"seconds": seconds, RATE: learning_rate, **named}))

    def scores(self, stage: str, step: int, scores: Mapping[str, float | None]) -> None:
        """Tell the scores of a validation after a step, None is left out; may be repeated for a stage and step."""
        if (stage, step) in self._scored:
            return
        self._scored.add((stage, step))
        self._tell(Row(step, stage, {f"{SCORE}{name}": value for name, value in scores.items() if value is not None}))

    def picture(self, name: str, step: int, pixels: NDArray[np.uint8]) -> None:
        """Show a picture (H, W, 3) uint8 RGB in TensorBoard."""
        self._events.add_image(name, pixels, step, dataformats="HWC")
        self._events.flush()

    def close(self) -> None:
        """End the event file."""
        self._events.close()

    def __enter__(self) -> Self:
        """Return the board, to be closed at the end of the block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the board."""
        self.close()

    def _tell(self, row: Row) -> None:
        for name, value in row.numbers.items():
            self._events.add_scalar(name, value, row.step)
        self._events.flush()
        append_row(self._curve, row)


def _wait_for_a_later_second(folder: Path) -> None:
    """Wait until a new file's name sorts behind those of a folder, less than a second.

    TensorBoard reads its files by name, which has the second, and of one second in any order.
    """
    seconds = [path.name.split(".")[3:4] for path in folder.glob("events.out.tfevents.*")]
    now = time.time()
    if [str(int(now))] in seconds:
        time.sleep(int(now) + 1 - now)
