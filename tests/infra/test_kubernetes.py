"""The objects for Kubernetes and KubeRay by their structure: no cluster is at hand, and KubeRay's schema nowhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from infra.files import INFRA, documents, pod_specs, values_of

FILES = ["namespace.yaml", "settings.yaml", "weights.yaml", "nightly.yaml", "ray-cluster.yaml", "run/ray-job.yaml"]
OBJECTS = {
    f"{document['kind']}/{document['metadata']['name']}": document
    for path in FILES
    for document in documents(f"kubernetes/{path}")
}
CLUSTERS = {
    "cluster": OBJECTS["RayCluster/cleanplate"]["spec"],
    "run": OBJECTS["RayJob/cleanplate-matte"]["spec"]["rayClusterSpec"],
}
# the fields of ray.io/v1, as KubeRay's Go types and its API reference name them
CLUSTER = {
    *("authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec"),
    *("headServiceAnnotations", "managedBy", "rayVersion", "suspend", "workerGroupSpecs"),
}
AUTOSCALER = {
    *("env", "envFrom", "idleTimeoutSeconds", "image", "imagePullPolicy", "resources", "securityContext"),
    *("upscalingMode", "volumeMounts"),
}
HEAD = {"enableIngress", "headService", "rayStartParams", "serviceType", "template"}
GROUP = {
    *("groupName", "idleTimeoutSeconds", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams", "replicas"),
    *("scaleStrategy", "suspend", "template"),
}
JOB = {
    *(
        "activeDeadlineSeconds",
        "backoffLimit",
        "clusterSelector",
        "deletionStrategy",
        "entrypoint",
        "entrypointNumCpus",
    ),
    *("entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata", "rayClusterSpec", "runtimeEnvYAML"),
    *("shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate", "suspend"),
    "ttlSecondsAfterFinished",
}


def pods() -> list[Any]:
    return [pod for document in OBJECTS.values() for pod in pod_specs(document)]


def groups(cluster: Any) -> list[Any]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_have_fields_that_kuberay_knows(name: str) -> None:
    cluster = CLUSTERS[name]
    assert set(cluster) <= CLUSTER and set(cluster["headGroupSpec"]) <= HEAD
    assert set(cluster.get("autoscalerOptions", ())) <= AUTOSCALER
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= GROUP
        assert 1 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in groups(cluster):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_run_has_fields_that_kuberay_knows() -> None:
    assert set(OBJECTS["RayJob/cleanplate-matte"]["spec"]) <= JOB


@pytest.mark.parametrize("name", CLUSTERS)
def test_tokens_are_on_and_made_by_the_operator(name: str) -> None:
    assert CLUSTERS[name]["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_worker_has_a_whole_gpu_and_the_head_has_none(name: str) -> None:
    head, *workers = (
        [c["resources"] for c in group["template"]["spec"]["containers"]] for group in groups(CLUSTERS[name])
    )
    assert "nvidia.com/gpu" not in str(head) and CLUSTERS[name]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for (resources,) in workers:
        assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"


def test_no_pod_runs_as_root_or_may_become_it() -> None:
    assert len(pods()) == 7
    for pod in pods():
        user = pod["securityContext"]
        assert user["runAsNonRoot"] and user["runAsUser"] == 1000 and user["seccompProfile"]["type"] == "RuntimeDefault"
        for container in pod["containers"]:
            confined = container["securityContext"]
            assert confined["allowPrivilegeEscalation"] is False and confined["capabilities"] == {"drop": ["ALL"]}


def test_every_container_says_what_it_asks_for_and_may_take() -> None:
    for pod in pods():
        for container in pod["containers"]:
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][bound])


def test_nothing_but_the_autoscaler_talks_to_kubernetes() -> None:
    talks = [pod for pod in pods() if pod.get("automountServiceAccountToken", True)]
    assert [pod["containers"][0]["name"] for pod in talks] == ["ray-head"]


def test_secrets_are_only_named() -> None:
    assert not [name for name in OBJECTS if name.startswith("Secret/")]
    for name in values_of(OBJECTS["ConfigMap/cleanplate"], "data"):
        assert not any(word in key for key in name for word in ("SECRET", "TOKEN", "KEY", "PASSWORD"))
    used = {ref["name"] for kind in ("secretRef", "secretKeyRef") for ref in values_of(list(OBJECTS.values()), kind)}
    assert used == {"cleanplate-s3", "cleanplate"}


def test_what_is_referred_to_is_there() -> None:
    everything = list(OBJECTS.values())
    maps = {
        ref["name"] for kind in ("configMapRef", "configMap", "configMapKeyRef") for ref in values_of(everything, kind)
    }
    claims = {ref["claimName"] for ref in values_of(everything, "persistentVolumeClaim")}
    assert {f"ConfigMap/{name}" for name in maps} | {f"PersistentVolumeClaim/{name}" for name in claims} <= set(OBJECTS)
    for pod in pods():
        volumes = {volume["name"] for volume in pod.get("volumes", ())}
        assert {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", ())} <= volumes


def test_the_nightly_run_talks_to_the_cluster_that_there_is_and_one_at_a_time() -> None:
    spec = OBJECTS["CronJob/cleanplate-nightly"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    (pod,) = pod_specs(spec)
    (container,) = pod["containers"]
    service = f"{OBJECTS['RayCluster/cleanplate']['metadata']['name']}-head-svc"
    assert f"http://{service}:8265" in container["command"]
    (rule,) = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container["name"] and rule["onExitCodes"]["values"] == [2, 3, 4]


@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes/run"])
def test_kustomize_builds_them_with_the_registry(folder: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    built = subprocess.run([kubectl, "kustomize", str(INFRA / folder)], capture_output=True, text=True, check=True)
    images = set(values_of(list(yaml.safe_load_all(built.stdout)), "image"))
    (document,) = documents(f"{folder}/kustomization.yaml")
    assert images == {f"{image['newName']}:{image['newTag']}" for image in document["images"]}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_schemas_of_kubernetes_have_no_complaint(name: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate for the schemas")
    document = json.loads(json.dumps(OBJECTS[name]))
    if document["apiVersion"].startswith("ray.io"):
        metadata = {"name": "pod"}
        made = [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod} for pod in pod_specs(document)]
    else:
        made = [document]
    for one in made:
        validator.validate(one, "1.32", strict=True)
