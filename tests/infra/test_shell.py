"""The shell of infra/, in files and inside YAML, and the commands of docs/deploy.md, by shellcheck."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from infra.files import INFRA, REPOSITORY, SECRETS, compose, documents


def _scripts() -> Iterator[tuple[str, str]]:
    for path in sorted([*INFRA.rglob("*.sh"), *INFRA.rglob("*.sbatch")]):
        yield str(path.relative_to(INFRA)), path.read_text()
    (settings, _) = documents("kubernetes/run/ray-job.yaml")
    yield "matte.sh of run/ray-job.yaml", settings["data"]["matte.sh"]
    (aws,) = documents("ray/aws.yaml")
    for name, commands in aws.items():
        if name.endswith("_commands") and commands:
            yield f"{name} of ray/aws.yaml", "\n".join(["#!/bin/bash", *commands])
    text = (INFRA / "Dockerfile").read_text().replace("\\\n", " ")
    for number, line in enumerate(re.findall(r"^RUN (?:--mount=\S+ )?(.*)$", text, re.M), 1):
        yield f"RUN {number} of the Dockerfile", f"#!/bin/sh\n{line}"
    for name, service in compose(SECRETS)["services"].items():
        kind, *words = service.get("healthcheck", {"test": ["NONE"]})["test"]
        if kind == "CMD-SHELL":
            yield f"check of {name} in compose.yaml", f"#!/bin/sh\n{words[0]}"
    text = (REPOSITORY / "docs/deploy.md").read_text()
    for number, block in enumerate(re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S), 1):
        yield f"block {number} of docs/deploy.md", f"#!/bin/bash\n{block}"


ABOUT_THE_SURROUNDINGS = "SC1090,SC1091,SC2034,SC2016,SC2086,SC2154,SC2164"
"""Files that are sourced, variables that come from elsewhere or are meant for it, a `cd` that a reader sees fail."""


@pytest.mark.parametrize(("name", "script"), [pytest.param(*pair, id=pair[0]) for pair in _scripts()])
def test_shellcheck_has_no_complaint(name: str, script: str) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    strict = [] if name.endswith((".sh", ".sbatch", "ray-job.yaml")) else ["--exclude", ABOUT_THE_SURROUNDINGS]
    checked = subprocess.run([shellcheck, *strict, "-"], input=script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_scripts_end_at_their_first_fault() -> None:
    assert "set -euo pipefail" in (INFRA / "slurm/matte.sbatch").read_text()
