"""The dashboard of infra/grafana as Grafana reads it: its panels, their queries and the metrics in these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.files import INFRA

from matting_tasks.exporting import RUN_METRICS, WORKER_METRICS


def dashboard() -> Any:
    """Return the dashboard."""
    return json.loads((INFRA / "grafana/dashboards/cleanplate.json").read_text())


def queries() -> Iterator[str]:
    """Yield the PromQL of all panels."""
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def metrics_in(query: str) -> set[str]:
    """Return the names of the metrics that a query reads."""
    return set(re.findall(r"\bray_\w+", query))


def exported() -> set[str]:
    """Return the names of our metrics as Ray exports them."""
    return {f"ray_{one.name}{'_total' if one.grows else ''}" for one in (*WORKER_METRICS, *RUN_METRICS)}
