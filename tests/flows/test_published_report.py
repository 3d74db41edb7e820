from __future__ import annotations

from pathlib import Path

import pytest
from captures import make_tiny
from command_line import matte

from flows.engines import prepare_engines
from manifests.errors import UsageError
from manifests.storage import LocalFolder

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_report_is_made_where_no_server_can_be_told_of_it(tmp_path: Path) -> None:
    prepare_engines()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.published_report import bring_up_to_date

    out = tmp_path / "out"
    matte(make_tiny(tmp_path / "capture", ("031", "032")), out)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        published = bring_up_to_date(LocalFolder(out), ["031"], 4, {})
        assert published.words == "2 subjects, 1 page made, 0 up to date"
        assert bring_up_to_date(LocalFolder(out), None, 4, {}).words == "2 subjects, 1 page made, 1 up to date"
        with pytest.raises(UsageError, match="not an output root"):
            bring_up_to_date(LocalFolder(tmp_path / "none"), None, 4, {})
    assert (out / "_cleanplate/report/index.html").is_file()
