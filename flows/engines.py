"""The engines' environment: Prefect, Ray and OpenMP, set up before they are imported."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path

ENVIRONMENT = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_COLORS": "false",
    "DO_NOT_TRACK": "1",
    "OMP_WAIT_POLICY": "passive",  # threads of two workers that wait actively on the same cores halve the speed
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Start-up chatter stays out of the way, and nothing phones home."""


def prepare_engines() -> None:
    """Set what the user has not set otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module="ray|prefect")
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    logging.getLogger("py.warnings").propagate = False


def use_ray_token() -> None:
    """Have Ray use the token that is at hand when it joins a cluster, as `ray start` does; before Ray is imported.

    A Ray that is imported already has read its settings: what it is not told now would only confuse its children.
    """
    tokens = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    at_hand = any(name in os.environ for name in tokens) or (Path.home() / ".ray" / "auth_token").is_file()
    if at_hand and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
