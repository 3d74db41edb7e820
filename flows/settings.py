"""Every knob: its unit, range and default, for the command line, TOML files and flow parameters alike."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, SecretStr, ValidationError, field_validator

from flows.knobs import (
    CHECKS,
    MASKS,
    MODEL,
    RUNNING,
    SELECTION,
    STORES,
    ModelName,
    Names,
    Scale,
    Settings,
    auto,
    knob,
    pairs,
)
from manifests.decisions import Selection, parse_slice
from manifests.errors import UsageError

MODEL_PARAMETERS = (
    "backbone_scale",
    "refine_mode",
    "refine_sample_pixels",
    "refine_threshold",
    "refine_kernel_size",
    "downsample_ratio",
)


class EnumerateSettings(Settings):
    """How a capture is listed, and which part of it a run is about."""

    subjects: Names | None = knob(None, SELECTION, "Subjects, separated by commas, such as 031,036. All if not given.")
    sequences: Names | None = knob(None, SELECTION, "Sequences, separated by commas.")
    cameras: Names | None = knob(None, SELECTION, "Camera serials, separated by commas, such as 222200037.")
    frames: str | None = knob(
        None,
        SELECTION,
        "Frame numbers as a Python slice, such as 0:100 or ::3, or one number. Whole shards are matted.",
    )
    layout: str = knob(
        "auto",
        SELECTION,
        "How the capture is laid out: auto, gha, nersemble, or a pattern of frames or videos such as "
        "{subject}/{sequence}/cam_{camera}/{frame:06d}.png or {sequence}/{camera}.mp4. Kept by the manifest.",
    )
    plate: str | None = knob(
        None, SELECTION, "With a pattern: where the plates lie, such as {subject}/plates/{camera}.png."
    )
    geometry: Literal["native", "half", "gha"] | None = knob(
        None,
        MODEL,
        "native: frames as they are. half: at half the width and height. gha: the 2048x2048 crop of "
        "Gaussian-Head-Avatar, of every third frame, numbered over all sequences; for raw captures of the rig. "
        "If not given: that of the output root, else native.",
    )
    fingerprint: Literal["stat", "size", "etag", "content"] | None = knob(
        None,
        STORES,
        "How a changed file is known; pinned by the first run. stat (default): size and time, the etag on S3; "
        "size alone or content for captures that will be moved without their times.",
    )
    storage_option: Annotated[dict[str, SecretStr], BeforeValidator(pairs)] = knob(
        {}, STORES, "key=value for the S3 client, such as endpoint_url=http://host:9000. May be given again."
    )

    @field_validator("frames")
    @classmethod
    def _is_slice(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                parse_slice(text)
            except UsageError as err:
                raise ValueError(str(err)) from err
        return text

    @property
    def store_options(self) -> dict[str, str]:
        """Return the options of the stores in plain text; they may hold secrets, and are shown nowhere."""
        return {name: value.get_secret_value() for name, value in self.storage_option.items()}

    @property
    def selection(self) -> Selection:
        """Return what the run is about."""
        subjects, sequences, cameras = (
            None if part is None else tuple(part) for part in (self.subjects, self.sequences, self.cameras)
        )
        return Selection(subjects, sequences, cameras, self.frames)


class MatteSettings(EnumerateSettings):
    """All settings of the main job."""

    model: ModelName = knob(
        "mattingrefine-resnet101",
        MODEL,
        "The matting model; cleanplate weights list shows all. default: cleanplate's own, whose weights are part of "
        "the package.",
    )
    weights: str | None = knob(
        None,
        MODEL,
        "A file with its weights, local or s3://, or the folder that cleanplate fit wrote; else they are fetched once.",
    )
    backbone_scale: Scale | Literal["auto"] | None = knob(
        None,
        MODEL,
        "MattingRefine: size of the coarse pass, above 0, at most 0.5; auto: the longer side becomes 512, at most 0.5. "
        "If not given 0.25, auto for cleanplate's own default, and for fitted weights as they were fitted.",
    )
    refine_mode: Literal["sampling", "thresholding", "full"] = knob(
        "sampling", MODEL, "MattingRefine: what is refined."
    )
    refine_sample_pixels: int | None = knob(
        None,
        MODEL,
        "Pixels that mode sampling refines. If not given 80000, 160000 for cleanplate's own default, and for fitted "
        "weights as they were fitted.",
        ge=0,
    )
    refine_threshold: float = knob(0.7, MODEL, "Error above which mode thresholding refines.", ge=0, le=1)
    refine_kernel_size: Literal[1, 3] = knob(3, MODEL, "Kernel of the refiner.")
    downsample_ratio: float | None = knob(
        None,
        MODEL,
        "RobustVideoMatting: size of the coarse pass, above 0, at most 1; if not given, the longer side becomes 512.",
        gt=0,
        le=1,
    )
    missing_plate: str = knob(
        "error",
        MODEL,
        "A camera without plate: rows missing_plate (error), mattes over a black plate (zeros), or by a model that "
        "needs no plate, such as rvm-mobilenetv3.",
    )
    missing_plate_weights: str | None = knob(None, MODEL, "A file with the weights of the --missing-plate model.")
    warmup: int = knob(
        10, MODEL, "Temporal models: how often the first frame of a stream is shown before it counts.", ge=0, le=1000
    )
    split: int | None = knob(
        None, MODEL, "Temporal models: frames a shard, for very long streams; whole streams if not given.", ge=1
    )
    lead_in: int = knob(
        12, MODEL, "Temporal models: with --split, how many frames a shard starts early and throws away.", ge=0
    )
    device: str = knob("auto", MODEL, "auto, cpu, cuda or cuda:N.", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = knob(
        "auto",
        MODEL,
        "Arithmetic of the network; auto is bf16 for BackgroundMattingV2 on CPUs that have it, else fp32.",
    )
    batch_size: int | None = knob(
        None,
        MODEL,
        "Frames a step, or cameras a step for a temporal model; auto if not given: 1 on a CPU, 4 on a GPU.",
        ge=1,
        le=256,
    )
    chunk: int | None = knob(
        None, MODEL, "Temporal models: frames of each camera a step; auto if not given.", ge=1, le=256
    )

    output_layout: str | None = knob(
        None,
        MASKS,
        "Where masks lie: gha, beside (mask_NAME in a folder like the frame's), vhap, or a pattern such as "
        "{subject}/masks/{camera}/{frame:05d}.png. If not given: gha for captures and geometry of that name, else "
        "beside.",
    )
    format: Literal["jpg", "png", "png16"] | None = knob(
        None, MASKS, "Of the full masks; if not given jpg, for vhap png. Lowres masks of png16 are png."
    )
    quality: int = knob(95, MASKS, "Of JPEG masks.", ge=1, le=100)
    write_frames: bool = knob(
        False,
        MASKS,
        "Also write frames, plates, visible masks and cameras, so that OUT is a whole dataset in the gha layout.",
    )

    pack: bool | None = knob(
        None,
        MASKS,
        "One tar a shard instead of two files a frame, for object stores: a hundredth of the writes. cleanplate unpack "
        "makes files of it. If not given: as the output root has it, else files.",
    )

    qc: bool = knob(True, CHECKS, "Judge the mattes of each subject that is complete; verdicts change no exit code.")
    limits: str | None = knob(
        None,
        CHECKS,
        "A TOML file with limits of QC; those that a subject was last judged by if not given.",
    )

    executor: Literal["ray", "local"] = knob(
        "ray", RUNNING, "ray: a Prefect flow on Ray. local: this process alone, for small jobs and debugging."
    )
    workers: Annotated[int | None, BeforeValidator(auto)] = knob(
        None,
        RUNNING,
        "Workers; auto if not given: one a GPU, or half the cores of a CPU. On a cluster auto follows nodes that come "
        "and go, and a number is the most there will be, which an autoscaler is told of.",
        ge=1,
    )
    gpus_per_worker: float = knob(
        1.0, RUNNING, "GPUs of each worker: a share of one, such as 0.5, or whole ones.", gt=0, le=8
    )
    cpus_per_worker: float | None = knob(
        None,
        RUNNING,
        "CPUs that each worker takes of the cluster, and decodes and encodes with; auto if not given: 1 beside a GPU, "
        "which takes no more than its thread needs, else 2.",
        gt=0,
        le=512,
    )
    ray_address: str | None = knob(None, RUNNING, "A Ray cluster to join, such as auto or ray://head:10001.")
    io_threads: int | None = knob(
        None, RUNNING, "Threads a worker decodes and encodes with, each; auto if not given.", ge=1
    )

    @field_validator("gpus_per_worker")
    @classmethod
    def _is_share_or_whole(cls, number: float) -> float:
        if number > 1 and number != int(number):
            raise ValueError("a share of one GPU, or whole GPUs, is wanted")
        return number

    check: Literal["fail", "warn", "off"] = knob(
        "fail",
        RUNNING,
        "Compare plates with a sample of their frames first. fail: cameras whose plate is not right are left out, with "
        "rows plate_rejected. warn: only say so, and matte what was left out before. off: do not look, likewise.",
    )
    enumerate: bool = knob(True, STORES, "Bring the manifest up to date first.")
    replace: bool = knob(False, STORES, "Go on with another recipe, or over masks that cleanplate did not make.")
    retry_failed: bool = knob(False, STORES, "Matte again the frames whose rows are not ok.")

    def for_model(self, model: str) -> MatteSettings:
        """Return these settings with another model."""
        return self.model_copy(update={"model": model})

    @property
    def given_parameters(self) -> dict[str, int | float | str]:
        """Return the model parameters that were said, by name."""
        said = {name: getattr(self, name) for name in MODEL_PARAMETERS if name in self.model_fields_set}
        return {name: value for name, value in said.items() if value is not None}


AnySettings = TypeVar("AnySettings", bound=Settings)


def load_settings(kind: type[AnySettings], config: Path | None, given: dict[str, Any]) -> AnySettings:
    """Return settings from a TOML file and from what was said on the command line, which wins; raises UsageError."""
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text())
        except FileNotFoundError as err:
            raise UsageError(f"--config {config}: there is no such file.") from err
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise UsageError(f"--config {config} is not TOML: {err}.") from err
        except OSError as err:
            raise UsageError(f"--config {config} cannot be read: {err}.") from err
    values = {name.replace("-", "_"): value for name, value in values.items()}
    try:
        return kind(**values | {name: value for name, value in given.items() if value is not None})
    except ValidationError as err:
        raise UsageError("\n".join(_complaint(problem) for problem in err.errors())) from err


def weights_folder() -> Path:
    """Return the folder that keeps fetched weights: CLEANPLATE_WEIGHTS, or the user's cache."""
    named = os.environ.get("CLEANPLATE_WEIGHTS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named).expanduser() if named else cache / "cleanplate" / "weights"


def _complaint(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]).replace("_", "-")
    if problem["type"] == "extra_forbidden":
        return f"{name}: there is no such setting."
    if name == "device":
        return f"--device: auto, cpu, cuda or cuda:N is wanted (found {problem['input']!r})."
    found = "" if "storage" in name else f" (found {problem['input']!r})"
    return f"--{name}: {problem['msg'].removeprefix('Value error, ')}{found}."
