from __future__ import annotations

from flows.reprocess_settings import ReprocessSettings


def test_what_is_asked_for_does_not_depend_on_where_it_runs() -> None:
    asked = ReprocessSettings(flagged="fail", quality=80).asked()
    assert asked == ReprocessSettings(flagged="fail", quality=80, workers=3, executor="local").asked()
    assert asked["changed"] == {"quality": 80}
    assert asked != ReprocessSettings(flagged="review", quality=80).asked()
    assert asked != ReprocessSettings(flagged="fail", quality=80, subjects=["031"]).asked()


def test_options_of_the_store_are_not_kept() -> None:
    asked = ReprocessSettings(flagged="fail", storage_option={"secret": "planted"}).asked()  # type: ignore[dict-item]
    assert "planted" not in str(asked) and "storage" not in str(asked)
