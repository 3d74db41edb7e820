"""The knobs of `cleanplate fit`; those that it shares with the main job are taken from there."""

from __future__ import annotations

import copy
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, SecretStr, ValidationInfo, field_validator, model_validator

from flows.knobs import MODEL, RUNNING, ModelName, Names, Settings, knob, pairs
from flows.settings import MatteSettings
from models.registry import ALIAS, DEFAULT

DATA = "What it learns from"
LEARNING = "How it learns"


def _same(name: str, panel: str | None = None, description: str | None = None) -> Any:
    """Return a knob of the main job, under another heading or in other words if these are given."""
    field = copy.copy(MatteSettings.model_fields[name])
    if panel is not None:
        field.json_schema_extra = {"panel": panel}
    field.description = description or field.description
    return field


class FitSettings(Settings):
    """All settings of `cleanplate fit`."""

    model: ModelName = knob(
        DEFAULT.partition("@")[0],
        MODEL,
        "The network to fit: mattingrefine-*, mattingbase-* or rvm-*, with its backbone.",
    )
    start: str = knob(
        ALIAS,
        MODEL,
        "What it begins from: default (the weights that matte would use), imagenet (a MobileNetV2 backbone that knows "
        "pictures), scratch, or weights: a file, a folder that a fit wrote, or an s3:// URL. A MattingRefine also "
        "begins from its MattingBase.",
    )
    stages: Names | None = knob(
        None,
        MODEL,
        "Some stages only, by commas: base, refine, refiner; for RVM: short clips, long clips, full size, stills.",
    )
    parameter: Annotated[dict[str, int | float | str], BeforeValidator(pairs)] = knob(
        {},
        MODEL,
        "A parameter of the model while it learns, KEY=VALUE, such as refine_sample_pixels=40000. May be given again; "
        "in a file a table of its own.",
    )

    subjects: Names | None = _same(
        "subjects", DATA, "Subjects whose plates are taken, by commas, such as 031,036. All if not given."
    )
    cameras: Names | None = _same(
        "cameras", DATA, "Camera serials whose plates are taken, by commas, such as 222200037. All if not given."
    )
    layout: str = _same(
        "layout",
        DATA,
        "How the capture is laid out: auto, gha, nersemble, or a pattern such as "
        "{subject}/{sequence}/cam_{camera}/{frame:06d}.png, as for cleanplate matte.",
    )
    plate: str | None = _same("plate", DATA)
    most_plates: int = knob(
        256, DATA, "Of more plates, this many are taken, evenly over subjects and cameras.", ge=1, le=100_000
    )
    pictures: Names | None = knob(
        None,
        DATA,
        "Folders of pictures, by commas, for other backgrounds and for clothes. Without any, patterns are drawn.",
    )
    held_out_pictures: Names | None = knob(
        None,
        DATA,
        "Folders of pictures, by commas, to judge by and never to learn from. If not given, one in six of --pictures.",
    )
    foregrounds: Names | None = knob(
        None,
        DATA,
        "Foregrounds with alpha of your own, by commas: folders, lists as of PPM-100 or Composition-1k, PNGs with "
        "alpha, clips. Half of the people are then of these.",
    )

    minutes: float | None = knob(
        None, LEARNING, "How long it learns, all stages together; 60 if neither this nor --steps is given.", gt=0
    )
    steps: int | None = knob(None, LEARNING, "How many steps it takes, all stages together.", ge=1)
    size: str | None = knob(
        None, LEARNING, "The sides of frames to learn from, LEAST:MOST in pixels. As each stage has them if not given."
    )
    examples: int | None = knob(
        None, LEARNING, "Examples of a step. As each stage has them if not given.", ge=1, le=1024
    )
    rate: float | None = knob(
        None,
        LEARNING,
        "Times the learning rates of the stages; if not given 1, and 0.3 where no part of the network begins as noise.",
        gt=0,
        le=100,
    )
    seed: int = knob(0, LEARNING, "Another number: other people, backgrounds and noise.", ge=0, lt=2**31)
    held_out: int = knob(24, LEARNING, "Held-out pairs to judge by.", ge=1, le=10_000)
    compare: Names | None = knob(
        None, LEARNING, "Other models that the card judges too, by commas; plate-difference if not given."
    )
    name: str | None = knob(None, LEARNING, "What the card calls the network; NETWORK@FOLDER if not given.")
    licence: str | None = knob(None, LEARNING, "The licence of the weights, as the card says.")
    validate_every: int = knob(
        500, LEARNING, "Steps between two judgements; 0: only where a stage begins and ends.", ge=0
    )

    device: str = knob("auto", RUNNING, "auto, cpu, cuda or cuda:N.", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "fp32", "bf16"] = knob(
        "auto", RUNNING, "Arithmetic of the layers; auto is bf16 on GPUs, and on CPUs that have it."
    )
    processes: int | None = knob(
        None, RUNNING, "Processes that make examples ahead, for each worker; auto if not given.", ge=0, le=256
    )
    workers: int = knob(
        1,
        RUNNING,
        "Workers that share each step, by Ray Train: one a GPU. 1: in this process, without Ray.",
        ge=1,
        le=1024,
    )
    ray_address: str | None = _same("ray_address")
    storage_option: Annotated[dict[str, SecretStr], BeforeValidator(pairs)] = _same("storage_option")

    @model_validator(mode="before")
    @classmethod
    def _from_is_start(cls, values: Any) -> Any:
        """Take `from`, as the option is called, in files too; what was said on the command line comes as `start`."""
        if not isinstance(values, dict) or "from" not in values:
            return values
        return {"start": values["from"], **{name: value for name, value in values.items() if name != "from"}}

    @field_validator("size")
    @classmethod
    def _is_range(cls, text: str | None) -> str | None:
        if text is None:
            return None
        found = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", text)
        if found is None or not 32 <= int(found[1]) <= int(found[2] or found[1]) <= 4096:
            raise ValueError("LEAST:MOST in pixels is wanted, 32 to 4096")
        return text

    @field_validator("steps")
    @classmethod
    def _is_one_length(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if steps is not None and info.data.get("minutes") is not None:
            raise ValueError("--minutes says how long it learns, too: leave one out")
        return steps

    @property
    def store_options(self) -> dict[str, str]:
        """Return the options of stores, in the clear: never to be written anywhere."""
        return {name: value.get_secret_value() for name, value in self.storage_option.items()}

    @property
    def given_parameters(self) -> dict[str, int | float | str]:
        """Return the model parameters that were said, numbers as numbers."""
        return {name: _number(said) for name, said in self.parameter.items()}

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Return the least and the most side of frames, px."""
        if self.size is None:
            return None
        least, _, most = self.size.partition(":")
        return int(least), int(most or least)


def _number(said: int | float | str) -> int | float | str:
    for kind in (int, float) if isinstance(said, str) else ():
        try:
            return kind(said)
        except ValueError:
            continue
    return said
