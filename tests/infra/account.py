"""An account of a cloud that asks for rights: moto, which answers freely until it is told not to."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from s3_servers import S3Server, serve_moto

FREE = "1000000"
"""Requests that are answered whoever asks."""


class Keys(NamedTuple):
    """What a user names itself by."""

    key: str
    secret: str


@dataclass(frozen=True)
class Account:
    """The owner's hands on the server; `server.options` are keys that may do all while nothing is enforced."""

    server: S3Server

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """Return a client of boto3 with the owner's keys."""
        import boto3

        keys = {"aws_access_key_id": self.server.options["key"], "aws_secret_access_key": self.server.options["secret"]}
        return boto3.client(service, endpoint_url=self.server.endpoint, region_name=region, **keys)

    def enforce(self, rights: bool) -> None:
        """Have the server ask for rights from now on, or not."""
        told = {"Content-Type": "text/plain"}
        url, n_free = f"{self.server.endpoint}/moto-api/reset-auth", "0" if rights else FREE
        urllib.request.urlopen(urllib.request.Request(url, n_free.encode(), told, method="POST")).close()

    def new_user(self, name: str, policy: Any) -> Keys:
        """Make a user who has the rights of a policy and no others."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="cleanplate", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])


@contextlib.contextmanager
def account_in(folder: Path) -> Iterator[Account]:
    """Start the server; its log lies in `folder`. Raises NotServed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("INITIAL_NO_AUTH_ACTION_COUNT", FREE)
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with serve_moto(folder) as server:
            yield Account(server)
