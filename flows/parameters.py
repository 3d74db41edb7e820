"""Parameters: what a person fills in to start a run, flat, each with words, choices and limits.

Prefect makes its form of these types, and its server refuses what they do not allow before a run is made. Settings that
few people change have no field of their own; they go into `more`, by their names on the command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from flows.settings import AnySettings, MatteSettings, load_settings
from manifests.errors import UsageError
from models.registry import names

SLICE = r"^(\d+|\d*:\d*(:(0*[1-9]\d*)?)?)?$"
"""A frame number, or start:stop:step of which each may be left out; the step is 1 or more."""
LIST = r"^\s*([^,\s][^,]*(,\s*[^,\s][^,]*)*)?$"
"""Names, separated by commas; none of them is empty."""
SECRET = "storage_option"


AS_USUAL = "as usual"
"""The model that nobody chose."""
MODELS = (AS_USUAL, *names())
UNCHANGED = {"model": AS_USUAL, "check": "fail"}
"""What fields hold that nobody touched, besides nothing and 0."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Puts words to a field of the form; Prefect takes those of pydantic's own fields away."""

    words: str

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of the type with the words."""
        return {**handler(core_schema), "description": self.words}


def _setting(name: str) -> Shown:
    return Shown(str(MatteSettings.model_fields[name].description))


def _known_model(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"one of {', '.join(MODELS)} is wanted")
    return name


# Fields that may be left empty are empty texts and not None: of None Prefect's pages make tabs, and complain.
Text = Annotated[str, Field(pattern=r"\S")]
Name = Annotated[str, Field(pattern=r"^\s*[^,\s][^,]*$")]
NameList = Annotated[str, Field(pattern=LIST)]
Choice = Annotated[str, AfterValidator(_known_model), Field(json_schema_extra={"enum": list(MODELS)})]

Capture = Annotated[Text, Shown("The capture: a folder or s3:// URL, as the machine of the run sees it.")]
Out = Annotated[Text, Shown("The output root, where masks go: a folder or s3:// URL. May be the capture itself.")]
Subject = Annotated[Name, Shown("The subject to matte again, such as 031.")]
Subjects = Annotated[NameList, Shown("Subjects, separated by commas, such as 031,036. All if empty.")]
Sequences = Annotated[NameList, Shown("Sequences, separated by commas, such as EMO-1-shout. All if empty.")]
Cameras = Annotated[NameList, Shown("Camera serials, separated by commas, such as 222200037,222200042. All if empty.")]
Frames = Annotated[
    Annotated[str, Field(pattern=SLICE)],
    Shown("Frame numbers: one, or start:stop:step such as 100:200 or ::3. All if empty."),
]
Model = Annotated[
    Choice,
    Shown(f"The matting model; {AS_USUAL}: the usual one, and where frames are matted again the one that made them."),
]
Check = Annotated[Literal["fail", "warn", "off"], _setting("check")]
Workers = Annotated[int, Field(ge=0), Shown("Workers; 0: one a GPU, or on a CPU one for every few cores.")]
RayAddress = Annotated[
    str, Shown("The Ray cluster to run on, such as head:6379. If empty, one on the machine of the run.")
]
Replace = Annotated[bool, _setting("replace")]
RetryFailed = Annotated[bool, _setting("retry_failed")]
Pictures = Annotated[int, Field(ge=0), Shown("Frames of each subject that the report shows as pictures.")]
More = Annotated[
    str,
    Shown(
        "Other settings, one a line, as in a file for --config: quality = 90, or format = 'png'. cleanplate matte "
        "--help explains all. No keys of stores: Prefect shows parameters to everybody."
    ),
]


def settings_of(kind: type[AnySettings], form: Mapping[str, Any], more: str = "") -> AnySettings:
    """Return the settings of a filled form; fields that are empty, 0 or unchanged are not said.

    `more` is TOML. Raises UsageError for a setting that is unknown, out of range, said twice, or a secret.
    """
    said = {name: value for name, value in form.items() if value not in ("", 0) and value != UNCHANGED.get(name)}
    try:
        others = {name.replace("-", "_"): value for name, value in tomllib.loads(more).items()}
    except tomllib.TOMLDecodeError as err:
        raise UsageError(f"more: lines such as quality = 90 or format = 'png' are wanted: {err}.") from err
    if SECRET in others:
        raise UsageError(
            f"{SECRET}: Prefect shows parameters to everybody. Set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and the like in "
            "the environment of the worker instead."
        )
    twice = sorted(said.keys() & others.keys())
    if twice:
        raise UsageError(f"{', '.join(twice)}: said in a field of the form and in more; say it once.")
    return load_settings(kind, None, said | others)
