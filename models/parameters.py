"""Parameters of models: their names, what they are where nobody says, and what they may be."""

from __future__ import annotations

Parameter = int | float | str

AUTO = "auto"
DEFAULTS: dict[str, Parameter] = {
    "backbone_scale": 0.25,
    "refine_mode": "sampling",
    "refine_sample_pixels": 80_000,
    "refine_threshold": 0.7,
    "refine_kernel_size": 3,
    "downsample_ratio": AUTO,
}
REFINE_PARAMETERS = (
    "backbone_scale",
    "refine_mode",
    "refine_sample_pixels",
    "refine_threshold",
    "refine_kernel_size",
)
# numbers that may be left to the size of frames
OR_AUTO = ("backbone_scale", "downsample_ratio")
# a parameter that only one refine mode reads
ONLY_IN_MODE = {"refine_sample_pixels": "sampling", "refine_threshold": "thresholding"}


def checked(key: str, value: Parameter) -> Parameter:
    """Return the value in the parameter's own type, or raise ValueError."""
    allowed = {
        "backbone_scale": lambda: value == AUTO if isinstance(value, str) else 0 < float(value) <= 0.5,
        "refine_mode": lambda: value in ("full", "sampling", "thresholding"),
        "refine_sample_pixels": lambda: int(value) == float(value) and int(value) >= 0,
        "refine_threshold": lambda: 0 <= float(value) <= 1,
        "refine_kernel_size": lambda: float(value) in (1, 3),
        "downsample_ratio": lambda: value == AUTO if isinstance(value, str) else 0 < value <= 1,
    }
    ranges = {
        "backbone_scale": '"auto", or above 0 and at most 0.5',
        "refine_mode": "full, sampling or thresholding",
        "refine_sample_pixels": "a whole number of pixels, 0 or more",
        "refine_threshold": "in 0..1",
        "refine_kernel_size": "1 or 3",
        "downsample_ratio": '"auto", or above 0 and at most 1',
    }
    kind = type(value) if key in OR_AUTO and value == AUTO else float if key in OR_AUTO else type(DEFAULTS[key])
    if isinstance(value, bool) or isinstance(value, str) != (kind is str) or not allowed[key]():
        raise ValueError(f"{key} must be {ranges[key]}, found {value!r}")
    return kind(value)
