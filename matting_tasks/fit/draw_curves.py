"""Draw the curves of a training: loss, learning rate and validation over its steps, stage by stage."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matting_tasks.fit.curve import CURVE, LOSS, RATE, SCORE, Row, read_curve

PICTURE = "curves.png"
TOTAL, SEGMENTATION, COARSE = f"{LOSS}total", f"{LOSS}segmentation", f"{LOSS}coarse_"
UNLABELLED = "_"
SCORES = {"mad": "MAD x 1e3", "mse": "MSE x 1e3", "grad": "Grad / 1e3", "conn": "Conn / 1e3"}
REGIONS = {"": ("whole picture", "-"), "unknown_": ("unknown region", "--")}
SMOOTHED_OVER = 30  # the smoothed line forgets within this fraction of a stage

Points = tuple[list[int], list[float]]


def draw_curves(folder: Path) -> Path:
    """Draw the `curve.csv` of a folder into its `curves.png` and return the path; the scale of losses is logarithmic.

    Raises OSError, and UsageError for a `curve.csv` that is no curve.
    """
    rows = read_curve(folder / CURVE)
    figure = Figure(figsize=(12, 9), dpi=110, layout="constrained")
    panels = figure.subplot_mosaic([["loss"] * 4, ["rate"] * 4, list(SCORES)], height_ratios=[3, 1, 2])
    _draw_losses(panels["loss"], rows)
    _draw_rate(panels["rate"], rows)
    for score, title in SCORES.items():
        _draw_score(panels[score], rows, score, title)
    for panel in panels.values():
        if not panel.lines:
            panel.text(0.5, 0.5, "nothing yet", transform=panel.transAxes, ha="center", color="0.5")
        _draw_borders(panel, rows, named=panel is panels["loss"])
        panel.set_xlabel("step")
        panel.grid(alpha=0.2)
    path = folder / PICTURE
    temporary = path.with_name(f".{path.name}.part")
    figure.savefig(temporary, format="png")
    os.replace(temporary, path)
    return path


def smooth(values: Sequence[float], n_values: int) -> list[float]:
    """Return for each value the mean of it and those before, the older ones counting ever less.

    n_values: over about how many; the first values are not drawn to 0.
    """
    keep = 1 - 2 / (n_values + 1)
    smoothed, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        smoothed.append(total / weight)
    return smoothed


def _draw_losses(panel: Axes, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row.numbers if name.startswith(LOSS)))
    hues = list(dict.fromkeys([TOTAL, *(name.replace(COARSE, LOSS) for name in names)]))
    for name in names:
        colour, line = f"C{hues.index(name.replace(COARSE, LOSS)) % 10}", "--" if name.startswith(COARSE) else "-"
        label = name.removeprefix(LOSS)
        for stage_rows in _stages(rows):
            # the total of a segmentation pass is on a scale of its own, and has its own line
            told = [row for row in stage_rows if name != TOTAL or SEGMENTATION not in row.numbers]
            steps, values = _points(told, name, above=0.0)
            if not steps:
                continue
            if name == TOTAL:
                panel.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            smoothed = smooth(values, max(len(values) // SMOOTHED_OVER, 1))
            panel.plot(steps, smoothed, line, color=colour, linewidth=2.0 if name == TOTAL else 1.0, label=label)
            label = UNLABELLED  # one stage is enough in the legend
    panel.set_yscale("log")
    panel.set_title("training loss (smoothed; total: each step faint)", loc="left", fontsize="medium")
    if names:
        panel.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_rate(panel: Axes, rows: Sequence[Row]) -> None:
    for stage_rows in _stages(rows):
        panel.plot(*_points(stage_rows, RATE), color="C0", linewidth=1.2)
    panel.set_ylim(bottom=0)
    panel.set_title("learning rate", loc="left", fontsize="medium")


def _draw_score(panel: Axes, rows: Sequence[Row], score: str, title: str) -> None:
    for prefix, (region, line) in REGIONS.items():
        label = region
        for stage_rows in _stages(rows):
            steps, values = _points(stage_rows, f"{SCORE}{prefix}{score}")
            if steps:
                panel.plot(steps, values, line, color="C1", marker="o", markersize=3, label=label)
                panel.legend(fontsize="x-small")
                label = UNLABELLED
    panel.set_ylim(bottom=0)
    panel.set_title(title, loc="left", fontsize="medium")


def _draw_borders(panel: Axes, rows: Sequence[Row], named: bool) -> None:
    """Draw a line where each stage begins, with its name in one of the panels."""
    for stage_rows in _stages(rows):
        begin = min(row.step for row in stage_rows)
        panel.axvline(begin, color="0.6", linestyle=":", linewidth=1)
        if named:
            place = panel.get_xaxis_transform()
            panel.text(
                begin, 0.02, f" {stage_rows[0].stage}", transform=place, color="0.4", fontsize="small", va="bottom"
            )


def _stages(rows: Sequence[Row]) -> list[list[Row]]:
    return [list(of_stage) for _, of_stage in itertools.groupby(rows, lambda row: row.stage)]


def _points(rows: Sequence[Row], name: str, above: float = -math.inf) -> Points:
    """Return the steps and values of a column, without what is no number and what a logarithm has no place for."""
    known = [(row.step, row.numbers[name]) for row in rows if above < row.numbers.get(name, above) < math.inf]
    return [step for step, _ in known], [value for _, value in known]
