"""The deployed flow that fits a network: a form over the same plain function as `cleanplate fit`."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.artifacts import if_reachable
from flows.engines import prepare_engines
from flows.fit_settings import FitSettings
from flows.fit_watch import LineFitWatcher
from flows.parameters import NameList, Shown, Text, settings_of
from flows.prefect_tasks import FlowLogWatcher
from manifests.errors import CleanplateError

CARD = "fit-card"


def _said(name: str) -> Shown:
    return Shown(str(FitSettings.model_fields[name].description))


Rig = Annotated[str, Shown("The capture whose plates it is fitted to: a folder or s3:// URL. If empty, to none.")]
Folder = Annotated[Text, Shown("The folder to work in, for weights, card and curves, on the machine of the run.")]
Network = Annotated[Text, _said("model")]
Start = Annotated[Text, _said("start")]
Minutes = Annotated[float, Field(ge=0), Shown("How long it learns, all stages together; 0 where more says steps.")]
Rigs = Annotated[NameList, _said("subjects")]
Serials = Annotated[NameList, _said("cameras")]
Places = Annotated[NameList, _said("pictures")]
Others = Annotated[
    str,
    Shown(
        "Other settings, one a line, as in a file for --config: steps = 4000, or seed = 1. cleanplate fit --help "
        "explains all. No keys of stores: Prefect shows parameters to everybody."
    ),
]


@flow(name="fit-model")
def fit_model(
    out: Folder,
    capture: Rig = "",
    model: Network = "mattingrefine-mobilenetv2",
    start: Start = "default",
    minutes: Minutes = 60.0,
    subjects: Rigs = "",
    cameras: Serials = "",
    pictures: Places = "",
    more: Others = "",
) -> State[Any]:
    """Fit a network to the plates of a capture, and write weights, card and curves.

    Safe to cancel and to run again with the same words: it goes on where it was stopped.
    """
    prepare_engines()
    from flows.fit import fit

    log = FlowLogWatcher()
    form = {"model": model, "start": start, "minutes": minutes, "subjects": subjects, "cameras": cameras}
    try:
        settings = settings_of(FitSettings, {**form, "pictures": pictures}, more)
        card = fit(capture or None, out, settings, LineFitWatcher(log.say, log.warn))
    except CleanplateError as err:
        return Failed(message=str(err))
    except InterruptedError:
        raise
    except OSError as err:
        return Failed(message=f"A store or file failed: {err}. Run it again when that is mended; nothing is lost.")
    with if_reachable():
        create_markdown_artifact(key=CARD, markdown=card.read_text(), description="The card of the fitted network")
    return Completed(message=f"{settings.model}: weights and card in {card.parent}")
