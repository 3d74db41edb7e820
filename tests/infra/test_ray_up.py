"""The cluster file of `ray up`: Ray's own schema, and Ray's own set-up against a cloud that is played by moto."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from infra.account import Keys, account_in
from infra.files import INFRA, documents
from s3_servers import NotServed

RIGHTS = json.loads((INFRA / "ray/head-policy.json").read_text())["Statement"]
HEAD, WORKER = "cleanplate-head", "cleanplate-worker"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def config() -> Any:
    pytest.importorskip("jsonschema")
    from ray.autoscaler._private.util import prepare_config, validate_config

    (told,) = documents("ray/aws.yaml")
    prepared = prepare_config(told)
    validate_config(prepared)
    return prepared


@pytest.fixture
def cloud(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield the file as Ray has filled it in: keys, subnets and security groups made, profiles found."""
    moto = pytest.importorskip("moto")
    import boto3
    from ray.autoscaler._private.aws.config import bootstrap_aws

    for name, value in {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".ssh").mkdir()
    with moto.mock_aws():
        for name in (HEAD, WORKER):
            boto3.client("iam").create_instance_profile(InstanceProfileName=name)
        yield bootstrap_aws(config)


def test_ray_fills_in_what_the_file_leaves_open_and_keeps_its_roles(cloud: Any) -> None:
    for name, profile in (("head", HEAD), ("gpu-spot", WORKER)):
        node = cloud["available_node_types"][name]["node_config"]
        assert node["IamInstanceProfile"] == {"Name": profile}  # not Ray's own, which may do all with S3
        assert node["SubnetIds"] and node["SecurityGroupIds"] and node["KeyName"]


def test_a_worker_is_a_spot_instance_of_the_type_that_the_file_says(cloud: Any) -> None:
    import boto3
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    provider = AWSNodeProvider(cloud["provider"], cloud["cluster_name"])
    node = cloud["available_node_types"]["gpu-spot"]["node_config"]
    provider.create_node(node, {"ray-node-type": "worker", "ray-node-name": "worker"}, 1)
    (reservation,) = boto3.client("ec2", region_name=cloud["provider"]["region"]).describe_instances()["Reservations"]
    (instance,) = reservation["Instances"]
    assert instance["InstanceLifecycle"] == "spot"
    assert instance["InstanceType"] == node["InstanceType"]
    assert instance["IamInstanceProfile"]["Arn"].endswith(f"/{WORKER}")
    assert {"Key": "ray-cluster-name", "Value": "cleanplate"} in instance["Tags"]


@pytest.mark.s3
def test_what_the_head_may_do_is_what_the_launcher_does(cloud_of_rights: Any) -> None:
    """By the names of its actions only: moto knows neither the resources nor the conditions of rights at EC2."""
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    provider = AWSNodeProvider(cloud_of_rights["provider"], cloud_of_rights["cluster_name"])
    config = cloud_of_rights["available_node_types"]["gpu-spot"]["node_config"]
    provider.create_node(config, {"ray-node-type": "worker", "ray-node-name": "worker"}, 1)
    (node,) = provider.non_terminated_nodes({})
    provider.set_node_tags(node, {"ray-node-status": "up-to-date"})
    assert provider.internal_ip(node)
    provider.terminate_node(node)
    assert provider.non_terminated_nodes({}) == []
    assert_refused("iam", "create_user", UserName="another")
    assert_refused("ec2", "create_security_group", GroupName="open", Description="open")


def assert_refused(service: str, call: str, **named: str) -> None:
    import boto3
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(boto3.client(service), call)(**named)


@pytest.fixture
def cloud_of_rights(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield the file as the account's owner has it filled in; from then on the process has the rights of the head."""
    pytest.importorskip("moto")
    import boto3
    from ray.autoscaler._private.aws import utils
    from ray.autoscaler._private.aws.config import bootstrap_aws

    def name_as(keys: Keys) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
        boto3.DEFAULT_SESSION = None
        utils.resource_cache.cache_clear()
        utils.client_cache.cache_clear()

    with contextlib.ExitStack() as stack:
        try:
            account = stack.enter_context(account_in(tmp_path))
        except NotServed as reason:
            pytest.skip(str(reason))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.server.endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", config["provider"]["region"])
        (tmp_path / ".ssh").mkdir()
        for name in (HEAD, WORKER):
            account.client("iam").create_instance_profile(InstanceProfileName=name)
        name_as(Keys(account.server.options["key"], account.server.options["secret"]))
        filled_in = bootstrap_aws(config)
        rights = [{"Effect": "Allow", "Action": one["Action"], "Resource": "*"} for one in RIGHTS]
        name_as(account.new_user("head", {"Version": "2012-10-17", "Statement": rights}))
        account.enforce(True)
        yield filled_in
    name_as(Keys("", ""))


def test_all_nodes_have_the_token_and_ask_for_it(config: Any) -> None:
    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]


def test_the_home_of_the_image_is_said_for_the_launcher() -> None:
    """Ray mounts below the HOME that the image's environment names, and below /root where there is none."""
    text = (INFRA / "Dockerfile").read_text()
    assert re.search(r"^ENV HOME=/home/cleanplate\b", text, re.M) and "--uid 1000" in text


def test_the_head_may_end_only_nodes_of_its_cluster_and_hand_on_one_role(config: Any) -> None:
    rights = {one["Sid"]: one for one in RIGHTS}
    tags = rights["EndItsOwnNodes"]["Condition"]["StringEquals"]
    assert tags == {"aws:ResourceTag/ray-cluster-name": config["cluster_name"]}
    assert rights["GiveNodesTheirRole"]["Resource"].endswith(f"role/{WORKER}")
    region = rights["StartNodes"]["Condition"]["StringEquals"]["aws:RequestedRegion"]
    assert region == config["provider"]["region"]
