from __future__ import annotations

from pathlib import Path

import pytest

from flows.limits import changed_by, changes_of, load_limits
from manifests.errors import UsageError
from manifests.measures import default_limits


def test_a_file_changes_what_it_speaks_of(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("[holes]\nreview = 0.02\nfail = false\n\n[outside_hull]\nfail = 0.1\n")
    limits = load_limits(path)
    assert limits is not None
    assert limits.of["holes"] == (0.02, None)
    assert limits.of["outside_hull"] == (default_limits().of["outside_hull"][0], 0.1)
    assert limits.of["iou"] == default_limits().of["iou"]
    assert set(changes_of(limits)) == {"holes", "outside_hull"}
    assert changed_by(changes_of(limits)).of == limits.of


def test_no_file_says_nothing() -> None:
    assert load_limits(None) is None
    assert changes_of(default_limits()) == {}


@pytest.mark.parametrize("text", ["holes = ", "[hols]\nreview = 1", "[holes]\nreview = 'x'", "holes = 1", "\x00"])
def test_a_file_that_cannot_be_used_is_a_matter_of_usage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        load_limits(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_limits(tmp_path / "none.toml")
    with pytest.raises(UsageError):
        load_limits(tmp_path)


def test_a_changed_measure_that_there_no_longer_is_is_left_out() -> None:
    assert changed_by({"sharpness": [1, 2], "holes": [0.5, None]}).of["holes"] == (0.5, None)
    assert "sharpness" not in changed_by({"sharpness": [1, 2]}).of
