"""infra/prefect.yaml: what it deploys, and that it deploys and runs, on a real server with a real worker."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from captures import make_tiny, masks_below
from command_line import matte
from prefect_servers import FILE, HOME, serve_prefect

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

NAMES = ["nightly", "matte-captures", "reprocess-subject", "report", "fit-model"]
LOCAL = 'executor = "local"'


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    return {one["name"]: one for one in yaml.safe_load(FILE.read_text())["deployments"]}


def test_every_deployment_is_a_flow_of_that_name_with_the_parameters_that_it_is_given(
    declared: dict[str, Any],
) -> None:
    assert list(declared) == NAMES
    for name, one in declared.items():
        module, _, function = one["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), function)
        assert flow.name == name and set(one["parameters"]) <= set(flow.parameters.properties)
        assert one["work_pool"]["name"] == "cleanplate"
        assert one["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        assert one["tags"] == ["cleanplate"]  # by which infra/events knows our runs


def test_serve_serves_the_same(declared: dict[str, Any]) -> None:
    from flows.serving import ServeSettings, make_deployments

    served = {one.name: one for one in make_deployments(ServeSettings("c", "o", "0 2 * * *"))}
    assert list(served) == NAMES
    for name, one in served.items():
        assert one.entrypoint == declared[name]["entrypoint"] and one.tags == declared[name]["tags"]
        assert set(one.parameters) == set(declared[name]["parameters"])
        assert one.concurrency_limit == 1
    (night,), (schedule,) = served["nightly"].schedules, declared["nightly"]["schedules"]
    assert (night.schedule.cron, night.schedule.timezone) == (schedule["cron"], schedule["timezone"])
    (trigger,), (said,) = served["matte-captures"].triggers, declared["matte-captures"]["triggers"]
    assert trigger.expect == set(said["expect"]) and trigger.parameters == said["parameters"]
    assert trigger.match.root == said["match"] and trigger.for_each == set(said["for_each"])


def test_the_version_of_the_file_is_that_of_the_constraints() -> None:
    version = yaml.safe_load(FILE.read_text())["prefect-version"]
    assert f"prefect=={version}" in (HOME / "constraints.txt").read_text().splitlines()


def test_a_capture_is_matted_by_a_deployed_run_and_bad_parameters_are_refused(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    with serve_prefect(tmp_path) as prefect:
        prefect.deploy(capture, out)
        with prefect.worker():
            run = prefect.start("matte-captures", subjects="031", model="plate-difference", more=LOCAL)
            for bad in ({"subject": ""}, {"subject": "031", "frames": "5:1:0"}, {"subject": "031", "model": "best"}):
                refused = prefect.run(
                    *("deployment", "run", "reprocess-subject/reprocess-subject", "--params", json.dumps(bad)),
                    fails=True,
                )
                assert list(bad)[-1] in refused or "is not one of" in refused
            assert prefect.wait(run)["message"] == f"6 frames matted, 0 not ok, 0 pending; masks under {out}"
        artifacts = prefect.artifacts(run)
        assert set(artifacts) == {"matte-progress", "matte-summary", "matte-worst"}
        assert [row["subject"] for row in json.loads(artifacts["matte-summary"])] == ["031", "031"]
        assert not prefect.runs_of("reprocess-subject")
    matte(capture, tmp_path / "same", "--subjects", "031")
    assert masks_below(out) == masks_below(tmp_path / "same") != {}
