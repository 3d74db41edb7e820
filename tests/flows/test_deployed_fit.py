"""The deployed flow that fits a network, called as a worker calls it, on an embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import make_tiny
from fits import MODEL

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

MORE = """steps = 2
size = "64:64"
examples = 2
held-out = 1
processes = 0
device = "cpu"
precision = "fp32"
"""


@pytest.fixture(scope="module")
def fit_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from flows.engines import prepare_engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.delenv("PREFECT_API_URL", raising=False)
        prepare_engines()
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            import flows.deployed_fit

            yield flows.deployed_fit.fit_model


def test_a_form_fits_a_network_and_shows_its_card(fit_model: Any, tmp_path: Path) -> None:
    from prefect.artifacts import Artifact

    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "rig"
    form = {"capture": str(capture), "model": MODEL, "start": "scratch", "minutes": 0, "cameras": "cam1", "more": MORE}
    state = fit_model(str(out), **form, return_state=True)
    assert state.is_completed() and state.message == f"{MODEL}: weights and card in {out}", state.message
    card = (out / "card.md").read_text()
    assert "2 steps" in card and "| plates | 1 |" in card and (out / f"{MODEL}.safetensors").is_file()
    shown = Artifact.get(key="fit-card")
    assert shown is not None and shown.data == card
    again = fit_model(str(out), **form, return_state=True)
    assert again.is_completed() and (out / "card.md").read_text() == card


def test_what_cannot_be_done_ends_the_run_with_the_words_of_the_error(fit_model: Any, tmp_path: Path) -> None:
    out = tmp_path / "rig"
    both = fit_model(str(out), more="steps = 2", return_state=True)
    assert both.is_failed() and both.message.startswith("--steps: --minutes says how long"), both.message
    unknown = fit_model(str(out), minutes=0, more="step = 2", return_state=True)
    assert unknown.is_failed() and unknown.message == "step: there is no such setting."
    gone = fit_model(str(out), capture=str(tmp_path / "gone"), model=MODEL, return_state=True)
    assert gone.is_failed() and "gone" in gone.message
    secret = fit_model(str(out), more="storage_option = {key = 'a'}", return_state=True)
    assert secret.is_failed() and "Prefect shows parameters to everybody" in secret.message
    (tmp_path / "file").write_text("")
    assert fit_model(str(tmp_path / "file"), model=MODEL, return_state=True).is_failed()


def test_bad_parameters_never_reach_the_work(fit_model: Any, tmp_path: Path) -> None:
    from prefect.exceptions import ParameterTypeError

    for bad in ({"minutes": -1}, {"subjects": "031,,"}, {"model": " "}):
        with pytest.raises(ParameterTypeError, match=next(iter(bad))):
            fit_model(str(tmp_path / "rig"), **bad)
    assert not (tmp_path / "rig").exists()


def test_each_field_of_the_form_has_words(fit_model: Any) -> None:
    fields = fit_model.parameters.properties
    assert [name for name, field in fields.items() if not field.get("description")] == []
    assert "cleanplate fit --help" in fields["more"]["description"]
