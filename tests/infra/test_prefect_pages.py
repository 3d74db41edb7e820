"""Prefect's pages in a real browser: the form of reprocess-subject filled in, and the artifacts of the run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import make_tiny
from command_line import matte
from prefect_servers import Prefect, serve_prefect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore"),
]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 1500})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_a_person_mattes_a_subject_again_by_the_form(page: Any, tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture"), tmp_path / "out"
    matte(capture, out)
    with serve_prefect(tmp_path) as prefect:
        prefect.deploy(capture, out)
        (deployment,) = prefect.ask("deployments/filter", {"deployments": {"name": {"any_": ["reprocess-subject"]}}})
        pages = prefect.api.removesuffix("/api")
        page.goto(f"{pages}/deployments/deployment/{deployment['id']}/run")
        page.get_by_text("The subject to matte again, such as 031.").wait_for()
        for words in (
            "Frame numbers: one, or start:stop:step",
            "Camera serials, separated by commas",
            "Other settings",
        ):
            assert page.get_by_text(words).is_visible()
        fields = page.locator("textarea")  # out, subject, cameras, frames, ...
        assert fields.nth(0).input_value() == str(out)
        fields.nth(1).fill("031")
        fields.nth(3).fill("5:1:0")
        page.get_by_role("button", name="Submit").click()
        page.get_by_text("Validation failed for field 'frames'").first.wait_for()
        assert prefect.runs_of("reprocess-subject") == []

        fields.nth(3).fill("0:2")
        fields.last.fill('executor = "local"')
        page.get_by_role("button", name="Submit").click()
        run = only_run(prefect)
        assert run["parameters"]["frames"] == "0:2" and run["parameters"]["model"] == "as usual"
        with prefect.worker():
            assert prefect.wait(run["id"])["message"].startswith("4 frames matted, 0 not ok, 0 pending")
        page.goto(f"{pages}/runs/flow-run/{run['id']}")
        page.get_by_text("Artifacts", exact=True).first.click()
        for name in ("matte-summary", "matte-progress", "matte-worst"):
            page.get_by_text(name).first.wait_for()


def only_run(prefect: Prefect) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while not (runs := prefect.runs_of("reprocess-subject")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (run,) = runs
    return run
