from __future__ import annotations

import threading

import pytest

from flows.engines import prepare_engines

pytestmark = pytest.mark.filterwarnings("ignore")


def test_each_subject_of_each_root_has_a_slot_of_its_own() -> None:
    prepare_engines()  # before Prefect is imported
    from flows.subject_slot import slot_name

    named = {
        slot_name(out, subject) for out in ("/a", "/b", "s3://lab/a") for subject in ("031", "03/1", "03%1", "x" * 90)
    }
    assert len(named) == 12 and all(not set(name) & set("/%&><") for name in named)
    assert slot_name("/a/", "031") == slot_name("/a", "031") and slot_name("/a", "031").startswith("cleanplate-031-")


def test_work_goes_on_where_nobody_can_be_asked() -> None:
    prepare_engines()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.subject_slot import one_at_a_time

    said: list[str] = []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with one_at_a_time("/out", said.append)("031", threading.Event()):
            said.append("worked")
        with pytest.raises(KeyError), one_at_a_time("/out", said.append)("031", threading.Event()):
            raise KeyError("of the work itself")
    assert said == ["worked"]
