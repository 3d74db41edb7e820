"""`cleanplate submit` up to the cluster's door: what is sent, and what is not."""

from __future__ import annotations

import pytest
from command_line import cleanplate

from flows.submitting import _for_the_cluster
from manifests.errors import UsageError

HEAD = "http://127.0.0.1:1"


def test_commands_with_workers_join_the_cluster_that_they_run_on() -> None:
    assert _for_the_cluster(["matte", "c", "--out", "o"]) == ["matte", "c", "--out", "o", "--ray-address", "auto"]
    elsewhere = ["matte", "c", "--ray-address=10.0.0.1:6379"]
    for words in (elsewhere, ["reprocess", "o", "--executor", "local"], ["qc", "o"]):
        assert _for_the_cluster(words) == words


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["submit", "--list"]])
def test_what_is_no_command_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="behind --"):
        _for_the_cluster(words)


@pytest.mark.parametrize("words", [["--storage-option", "secret=s3cret"], ["--storage-option=key=s3cret"]])
def test_secrets_are_never_sent_or_shown(words: list[str]) -> None:
    ended = cleanplate("submit", "--ray-address", HEAD, "--", "matte", "s3://b/c", "--out", "s3://b/o", *words)
    assert ended.code == 2 and "AWS environment of the nodes" in ended.err and "s3cret" not in ended.err


def test_an_address_of_another_kind_is_told() -> None:
    ended = cleanplate("submit", "--ray-address", "10.0.0.1:6379", "--list")
    assert ended.code == 2 and "http://head:8265" in ended.err


@pytest.mark.ray
def test_a_cluster_that_does_not_answer_is_told() -> None:
    ended = cleanplate("submit", "--ray-address", HEAD, "--list")
    assert ended.code == 1 and "does not take jobs" in ended.err and "RAY_AUTH_TOKEN" in ended.err
