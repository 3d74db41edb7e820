from __future__ import annotations

from pathlib import Path

import pytest
from captures import make_tiny, masks_below

from flows.engines import prepare_engines
from flows.matte import in_turn
from flows.settings import MatteSettings
from flows.watch import QuietWatcher

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_night_lists_mattes_and_reports_and_the_next_finds_nothing_to_do(tmp_path: Path) -> None:
    prepare_engines()  # before Prefect is imported
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.nightly import work_of_the_night

    capture, out = make_tiny(tmp_path / "capture", ("031", "032")), tmp_path / "out"
    (capture / "032/images/0001/image_cam1.jpg").write_bytes(b"not a picture")
    settings = MatteSettings(model="plate-difference", executor="local")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        night = work_of_the_night(str(capture), str(out), settings, QuietWatcher(), in_turn)
        assert (night.summary.n_written, night.n_new_failed, night.n_pending) == (11, 1, 0)
        assert not night.is_well and night.words.startswith("11 frames matted; 1 newly not ok (1 in all), 0 pending")
        assert "report: 2 subjects, 2 pages made" in night.words
        assert (out / "_cleanplate/report/index.html").is_file() and len(masks_below(out)) == 22

        again = work_of_the_night(str(capture), str(out), settings, QuietWatcher(), in_turn)
    assert again.is_well  # what failed before was told before
    assert again.words.startswith("0 frames matted; 0 newly not ok (1 in all), 0 pending")
