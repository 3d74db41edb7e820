"""The deployed flows, called as a worker calls them, on an embedded server and without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import make_tiny, masks_below

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

LOCAL = 'executor = "local"'


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from flows.engines import prepare_engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.delenv("PREFECT_API_URL", raising=False)
        prepare_engines()
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            import flows.deployed

            yield flows.deployed


def test_a_night_a_reprocessed_subject_and_a_report(flows: Any, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    state = flows.nightly(str(capture), str(out), model="plate-difference", more=LOCAL, return_state=True)
    assert state.is_completed() and state.message.startswith("12 frames matted; 0 newly not ok (0 in all), 0 pending")
    before = masks_below(out)

    more = f"{LOCAL}\nquality = 40"
    asked = {"subject": "031", "cameras": "cam1", "frames": "0:2", "more": more}
    state = flows.reprocess_subject(str(out), **asked, return_state=True)
    assert state.is_completed() and state.message.startswith("2 frames matted, 0 not ok, 0 pending")
    changed = {name for name, data in masks_below(out).items() if before[name] != data}
    assert {name.rpartition("/")[2] for name in changed} == {"mask_cam1.jpg", "mask_lowres_cam1.jpg"}
    assert len(changed) == 4

    state = flows.report(str(out), return_state=True)
    assert state.is_completed() and state.message == "2 subjects, 1 page made, 1 up to date"


def test_what_cannot_be_done_ends_the_run_with_the_words_of_the_error(flows: Any, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    state = flows.matte_captures(str(capture), str(out), subjects="077", more=LOCAL, return_state=True)
    assert state.is_failed() and state.message.startswith("--subjects 077: not in")
    state = flows.matte_captures(str(capture), str(out), more="worker = 3", return_state=True)
    assert state.is_failed() and state.message == "worker: there is no such setting."
    state = flows.reprocess_subject(str(tmp_path / "none"), "031", return_state=True)
    assert state.is_failed() and "is not an output root of cleanplate" in state.message


def test_bad_parameters_never_reach_the_work(flows: Any, tmp_path: Path) -> None:
    from prefect.exceptions import ParameterTypeError

    for bad in ({"subject": ""}, {"subject": "031", "frames": "0:1:0"}, {"subject": "031", "model": "best"}):
        with pytest.raises(ParameterTypeError, match=list(bad)[-1]):
            flows.reprocess_subject(str(tmp_path / "out"), **bad)
    assert not (tmp_path / "out").exists()
