from __future__ import annotations

from pathlib import Path

import pytest

from manifests.leftovers import delete_leftovers, find_leftovers
from manifests.storage import LocalFolder

HEX = "0123456789abcdef" * 2
LEFT = [
    f"031/.cleanplate-{HEX}",
    f"_cleanplate/ledger/031/.cleanplate-{HEX}",
    f"_cleanplate/claims/_cleanplate%2Froot.json/{HEX}",
    f"_cleanplate/writable-{HEX}",
    "_cleanplate/root.json.claim",
]
KEPT = ["031/.cleanplate-notes", "031/x.claim", "_cleanplate/root.json", f"032/.cleanplate-{HEX}0"]


@pytest.fixture
def out(tmp_path: Path) -> LocalFolder:
    for name in (*LEFT, *KEPT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    return LocalFolder(tmp_path)


def test_leftovers_are_found_and_deleted_and_nothing_else(out: LocalFolder) -> None:
    found = find_leftovers(out)
    assert sorted(stat.path for stat in found) == sorted(LEFT)
    delete_leftovers(out, found)
    assert sorted(str(path.relative_to(out.root)) for path in out.root.rglob("*") if path.is_file()) == sorted(KEPT)


def test_leftovers_of_some_folders_are_those_and_of_the_books(out: LocalFolder) -> None:
    assert sorted(stat.path for stat in find_leftovers(out, ["032"])) == sorted(LEFT[1:])
