"""compose.yaml by its structure: no container engine is at hand, and no schema of compose of this year."""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import Any

import pytest
from infra.files import INFRA, SECRETS, NotSet, compose

# https://github.com/compose-spec/compose-spec/blob/main/05-services.md: those that the file uses
KNOWN = {
    *(
        "build",
        "command",
        "depends_on",
        "deploy",
        "environment",
        "healthcheck",
        "image",
        "ports",
        "profiles",
        "restart",
    ),
    *("shm_size", "stop_grace_period", "user", "volumes"),
}


@pytest.fixture(scope="module")
def services() -> Any:
    return compose(SECRETS)["services"]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_what_has_to_be_said_is_asked_for(name: str) -> None:
    with pytest.raises(NotSet, match=f"{name}: (a|the) "):
        compose({key: value for key, value in SECRETS.items() if key != name})


def test_services_have_known_keys_and_known_neighbours(services: Any) -> None:
    assert {"postgres", "prefect", "s3", "ray-head", "ray-worker"} <= set(services)
    volumes = compose(SECRETS)["volumes"]
    for name, service in services.items():
        assert set(service) <= KNOWN, name
        assert set(service.get("depends_on", ())) <= set(services)
        mounted = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert all(volume.startswith((".", "/")) or volume in volumes for volume in mounted), name


def test_who_waits_for_a_healthy_service_waits_for_one_with_a_check(services: Any) -> None:
    for service in services.values():
        depends = service.get("depends_on", {})
        for other in depends if isinstance(depends, dict) else ():
            assert depends[other] == {"condition": "service_healthy"}
            assert services[other]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_ports_are_open_to_this_machine_only(services: Any) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published and all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)


def test_tokens_of_ray_stay_on_for_all_nodes(services: Any) -> None:
    for name in ("ray-head", "ray-worker"):
        assert services[name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert services[name]["environment"]["RAY_AUTH_TOKEN"] == "token"


def test_a_service_is_told_only_the_secrets_that_it_needs(services: Any) -> None:
    assert "token" not in str(services["prefect"]["environment"])
    assert "secret" not in str(services["prefect"]["environment"]) + str(services["postgres"]["environment"])
    assert "password" not in str(services["ray-head"]["environment"]) + str(services["s3"])


def test_head_and_worker_agree_on_the_port_and_keep_the_store_of_ray_small(services: Any) -> None:
    head, worker = services["ray-head"]["command"], services["ray-worker"]["command"]
    assert "--port=6379" in head and "--address=ray-head:6379" in worker
    assert "--num-cpus=0" in head
    for command in (head, worker):
        assert "--object-store-memory=134217728" in command and "--block" in command


def test_the_gpus_go_to_a_service_that_there_is(services: Any) -> None:
    (name,) = compose({}, "compose.gpu.yaml")["services"]
    assert name in services


def test_what_is_mounted_from_here_is_here(services: Any) -> None:
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["metrics"]
        for volume in (volume for volume in services[name]["volumes"] if volume.startswith("./")):
            assert (INFRA / volume.split(":")[0]).exists(), volume


@pytest.mark.parametrize("path", ["compose.yaml", "compose.gpu.yaml"])
def test_the_schema_of_2021_has_no_complaint(path: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    try:
        files = metadata.files("docker-compose") or ()
    except metadata.PackageNotFoundError:
        pytest.skip("a schema of compose comes with pip install --no-deps docker-compose==1.29.2")
    (schema,) = (file for file in files if file.name == "compose_spec.json")
    document = compose(SECRETS, path)
    document.pop("name", None)  # younger than the schema
    for service in document["services"].values():
        deploy = service.get("deploy", {})
        if "replicas" in deploy:  # what is filled in is text here; compose makes a number of it
            deploy["replicas"] = int(deploy["replicas"])
    jsonschema.Draft201909Validator(json.loads(schema.locate().read_text())).validate(document)
