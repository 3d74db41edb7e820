"""Weights for the flows: drawn, not trained, and written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference_weights import write_reference_checkpoint


@pytest.fixture(scope="session")
def rvm_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with weights of rvm-mobilenetv3."""
    return write_reference_checkpoint("rvm-mobilenetv3", tmp_path_factory.mktemp("weights") / "rvm-mobilenetv3.pth")
