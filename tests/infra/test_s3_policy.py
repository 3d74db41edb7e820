"""The rights of infra/s3/policy.json, on an S3 server that enforces them (moto): they are enough, and all used."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import make_tiny
from command_line import Ended, cleanplate
from infra.account import Account, account_in
from infra.files import INFRA
from s3_servers import NotServed

POLICY = json.loads((INFRA / "s3/policy.json").read_text())
CAPTURE = "the-capture"

pytestmark = [pytest.mark.s3, pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3).*")]


MATTES = (f"the-mattes-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    pytest.importorskip("boto3")
    capture = make_tiny(tmp_path_factory.mktemp("capture"))
    with contextlib.ExitStack() as stack:
        try:
            account = stack.enter_context(account_in(tmp_path_factory.mktemp("moto")))
        except NotServed as reason:
            pytest.skip(str(reason))
        _upload(account.client("s3"), capture)
        yield account


def _user(account: Account, mattes: str, policy: Any) -> list[str]:
    """Return the options of the store for a new user who has the rights of a policy and no others."""
    account.enforce(False)
    account.client("s3").create_bucket(Bucket=mattes)
    text = json.dumps(policy).replace("CAPTURE-BUCKET", CAPTURE).replace("MATTES-BUCKET", mattes)
    keys = account.new_user(mattes, json.loads(text))
    account.enforce(True)
    said = {"endpoint_url": account.server.endpoint, "key": keys.key, "secret": keys.secret}
    return [word for name, value in said.items() for word in ("--storage-option", f"{name}={value}")]


def _upload(client: Any, capture: Path) -> None:
    client.create_bucket(Bucket=CAPTURE)
    for path in capture.rglob("*.jpg"):
        client.upload_file(str(path), CAPTURE, f"rig/{path.relative_to(capture)}")


def _matte(out: str, options: list[str]) -> Ended:
    said = ["--model", "plate-difference", "--executor", "local", "--check", "off"]
    return cleanplate("matte", f"s3://{CAPTURE}/rig", "--out", out, *said, *options)


def test_a_run_its_checks_and_its_tidying_need_no_other_right(account: Account) -> None:
    out = f"s3://{(mattes := next(MATTES))}/rig"
    options = _user(account, mattes, POLICY)
    ended = _matte(out, options)
    assert ended.code == 0, ended.err
    for words in (
        ["status", out],
        ["verify", out, "--deep"],
        ["gc", out, "--delete"],
        ["report", out, "--pictures", 2],
    ):
        done = cleanplate(*words, *options)
        assert done.code == 0, (words, done.err, done.out)
    done = cleanplate("forget", out, "--subject", "031", "--yes", *options)
    assert done.code == 0, done.err


def test_the_capture_cannot_be_written(account: Account) -> None:
    options = _user(account, next(MATTES), POLICY)
    ended = _matte(f"s3://{CAPTURE}/rig", options)
    assert ended.code == 1
    assert f"s3://{CAPTURE}/rig cannot be written" in ended.err


@pytest.mark.parametrize(
    ("statement", "action"),
    [
        ("ListTheCapture", "s3:ListBucket"),
        ("ReadTheCapture", "s3:GetObject"),
        ("ListTheMattes", "s3:ListBucket"),
        ("WriteTheMattes", "s3:GetObject"),
        ("WriteTheMattes", "s3:PutObject"),
        ("WriteTheMattes", "s3:DeleteObject"),
    ],
)
def test_no_run_ends_well_without_one_of_the_rights(account: Account, statement: str, action: str) -> None:
    policy = copy.deepcopy(POLICY)
    (rights,) = (rights for rights in policy["Statement"] if rights["Sid"] == statement)
    rights["Action"].remove(action)
    policy["Statement"] = [rights for rights in policy["Statement"] if rights["Action"]]
    mattes = next(MATTES)
    ended = _matte(f"s3://{mattes}/rig", _user(account, mattes, policy))
    print(ended.code, ended.err)
    assert ended.code == 1, ended.out
    assert "cleanplate:" in ended.err and "Traceback" not in ended.err


def test_nothing_is_allowed_on_all_buckets() -> None:
    for rights in POLICY["Statement"]:
        assert "*" not in "".join(rights["Action"])
        assert all(
            name.startswith(("arn:aws:s3:::CAPTURE-BUCKET", "arn:aws:s3:::MATTES-BUCKET"))
            for name in rights["Resource"]
        )
