"""Parameters: every one has a default that is allowed, and a range that is said."""

from __future__ import annotations

import pytest

from models.parameters import DEFAULTS, checked


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_is_a_value_that_is_allowed(name: str) -> None:
    assert checked(name, DEFAULTS[name]) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("backbone_scale", 0.6, "at most 0.5"),
        ("backbone_scale", "half", '"auto"'),
        ("refine_mode", "some", "full, sampling or thresholding"),
        ("refine_sample_pixels", 1.5, "whole number"),
        ("refine_threshold", -0.1, "in 0..1"),
        ("refine_kernel_size", 2, "1 or 3"),
        ("downsample_ratio", "half", '"auto"'),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_wanted(name: str, wrong: float | str, said: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*{said}.*found {wrong!r}"):
        checked(name, wrong)


def test_a_value_gets_the_parameters_own_type() -> None:
    assert repr(checked("refine_sample_pixels", 100.0)) == "100" and repr(checked("backbone_scale", 0.5)) == "0.5"
    assert repr(checked("downsample_ratio", 1)) == "1.0"
    assert checked("backbone_scale", "auto") == checked("downsample_ratio", "auto") == "auto"
