"""The knobs of `cleanplate video`; those that it shares with the main job are taken from there."""

from __future__ import annotations

import copy
import re
from fractions import Fraction
from typing import Any, Literal

from pydantic import field_validator

from flows.knobs import MASKS, MODEL, RUNNING, ModelName, Names, Scale, Settings, knob
from flows.settings import MODEL_PARAMETERS, MatteSettings

OUTPUTS = ("alpha", "foreground", "composite")

COLOURS = {
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "red": (255, 0, 0),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}
"""Names of colours, RGB: those of studios, where green is pure green."""

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


def _same(name: str) -> Any:
    return copy.copy(MatteSettings.model_fields[name])


class VideoSettings(Settings):
    """All settings of `cleanplate video`."""

    model: ModelName = knob(
        "rvm-mobilenetv3",
        MODEL,
        "The matting model; cleanplate weights list shows all. default: cleanplate's own, which uses a plate.",
    )
    weights: str | None = _same("weights")
    plate: str | None = knob(
        None, MODEL, "A picture of the empty set, as large as the frames, for a model that uses one; the others refuse."
    )
    downsample_ratio: float | None = _same("downsample_ratio")
    backbone_scale: Scale | Literal["auto"] | None = _same("backbone_scale")
    refine_mode: Literal["sampling", "thresholding", "full"] = _same("refine_mode")
    refine_sample_pixels: int | None = _same("refine_sample_pixels")
    refine_threshold: float = _same("refine_threshold")
    refine_kernel_size: Literal[1, 3] = _same("refine_kernel_size")
    warmup: int = knob(
        10, MODEL, "Temporal models: how often the first frame is shown before it counts.", ge=0, le=1000
    )

    what: Names | None = knob(None, MASKS, "Of alpha, foreground, composite: some, by commas. All if not given.")
    format: Literal["mp4", "png", "png16"] = knob(
        "mp4", MASKS, "mp4: H.264 videos. png: folders of 8-bit pictures. png16: the same with 16-bit alphas."
    )
    lossless: bool = knob(False, MASKS, "Videos without any loss, FFV1 in NAME.mkv, instead of mp4.")
    lossless_alpha: bool = knob(False, MASKS, "That for the alpha only; the other videos are mp4.")
    bitrate: str | None = knob(
        None, MASKS, "Of each mp4, such as 8M or 800k bits/s. If not given: as many as quality needs (CRF 16)."
    )
    background: str | None = knob(
        None,
        MASKS,
        f"Behind the composite: {', '.join(COLOURS)}, #rrggbb, or a picture, which is resized to cover the frame. "
        "Green (0, 255, 0) if not given.",
    )
    resize: str | None = knob(
        None, MASKS, "Frames are resized before they are matted: WIDTHxHEIGHT, or a factor such as 0.5."
    )
    rate: str | None = knob(
        None, MASKS, "Frames/s of pictures, such as 25 or 30000/1001; 25 if not given. A video has its own."
    )
    replace: bool = knob(False, MASKS, "Write over what an earlier run has written.")

    chunk: int | None = knob(
        None,
        RUNNING,
        "Frames a step; if not given 1 on a CPU, 4 on a GPU. Decides speed and memory, not what the mattes are.",
        ge=1,
        le=256,
    )
    device: str = knob("auto", RUNNING, "auto, cpu, cuda or cuda:N.", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = knob(
        "auto", RUNNING, "Arithmetic of the network; auto is fp32."
    )

    @field_validator("what")
    @classmethod
    def _are_outputs(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and not set(names) <= set(OUTPUTS):
            raise ValueError(f"some of {', '.join(OUTPUTS)} are wanted, separated by commas")
        return names

    @field_validator("bitrate")
    @classmethod
    def _is_bitrate(cls, text: str | None) -> str | None:
        if text is not None and not (re.fullmatch(r"\d+(\.\d+)?[kKmM]?", text) and _bits(text) >= 1000):
            raise ValueError("bits/s are wanted, at least 1000, such as 8M, 800k or 2500000")
        return text

    @field_validator("rate")
    @classmethod
    def _is_rate(cls, text: str | None) -> str | None:
        if text is not None and not (re.fullmatch(r"\d+(\.\d+)?|\d+/0*[1-9]\d*", text) and 0 < Fraction(text) <= 1000):
            raise ValueError("frames/s are wanted, above 0 and at most 1000, such as 25, 23.976 or 30000/1001")
        return text

    @field_validator("resize")
    @classmethod
    def _is_resize(cls, text: str | None) -> str | None:
        if text is None:
            return text
        is_size = re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text)
        is_factor = re.fullmatch(r"\d+(\.\d+)?|\.\d+", text) and 0 < float(text) <= 8
        if not is_size and not is_factor:
            raise ValueError("WIDTHxHEIGHT in pixels is wanted, or a factor above 0 and at most 8")
        return text

    @property
    def outputs(self) -> list[str]:
        """Return what is written, in a fixed order."""
        return [name for name in OUTPUTS if self.what is None or name in self.what]

    @property
    def bit_rate(self) -> int | None:
        """Return the bits/s of a video, None for a constant quality."""
        return None if self.bitrate is None else _bits(self.bitrate)

    @property
    def frame_rate(self) -> Fraction | None:
        """Return the frames/s of pictures; 24000/1001 and its like may be said as 23.976."""
        if self.rate is None:
            return None
        ntsc = Fraction(round(Fraction(self.rate) * Fraction(1001, 1000)) * 1000, 1001)
        return ntsc if "." in self.rate and abs(ntsc - Fraction(self.rate)) < Fraction(1, 1000) else Fraction(self.rate)

    @property
    def given_parameters(self) -> dict[str, int | float | str]:
        """Return the model parameters that were said, by name."""
        said = {name: getattr(self, name) for name in MODEL_PARAMETERS if name in self.model_fields_set}
        return {name: value for name, value in said.items() if value is not None}


def _bits(text: str) -> int:
    unit = text[-1].lower() if text[-1].isalpha() else ""
    return int(float(text.rstrip("kKmM")) * _UNITS[unit])
