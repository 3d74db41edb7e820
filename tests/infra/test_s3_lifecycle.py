"""The rule that ends unfinished uploads: what `aws s3api put-bucket-lifecycle-configuration` takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RULES = Path(__file__).parents[2] / "infra/s3-lifecycle.json"


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3).*")
def test_a_store_takes_the_rule_and_gives_it_back(moto_s3: Any) -> None:
    import boto3

    rules = json.loads(RULES.read_text())
    bucket = moto_s3.new_bucket().removeprefix("s3://")
    keys = {"aws_access_key_id": moto_s3.options["key"], "aws_secret_access_key": moto_s3.options["secret"]}
    client = boto3.client("s3", endpoint_url=moto_s3.endpoint, region_name="us-east-1", **keys)
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    client.close()
    assert rule["Status"] == "Enabled" and rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_the_rule_deletes_nothing_else() -> None:
    (rule,) = json.loads(RULES.read_text())["Rules"]
    assert set(rule) == {"ID", "Status", "Filter", "AbortIncompleteMultipartUpload"}
