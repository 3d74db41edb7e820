"""Scrape configuration, dashboard and provisioning fit each other, the compose file and what Ray writes.

No Prometheus and no Grafana is at hand here: what they would read is checked, and test_scraped.py has real numbers.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from infra.files import INFRA, SECRETS, compose, documents, values_of
from infra.panels import dashboard, exported, metrics_in, queries

PANELS = {panel["title"]: panel for panel in dashboard()["panels"]}


def jobs() -> dict[str, Any]:
    """Return the scrape jobs by name, that of the comment included."""
    text = (INFRA / "prometheus/prometheus.yml").read_text()
    text = re.sub(r"^  # (?=- job_name|  )", "  ", text, flags=re.M)
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def test_prometheus_reads_the_list_that_ray_keeps() -> None:
    from ray._common.utils import get_default_ray_temp_dir
    from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

    (found,) = jobs()["ray"]["file_sd_configs"]
    assert found["files"] == [f"{get_default_ray_temp_dir()}/{PROMETHEUS_SERVICE_DISCOVERY_FILE}"]


def test_prometheus_finds_the_services_of_compose_at_their_metrics_port() -> None:
    (found,) = jobs()["ray-compose"]["dns_sd_configs"]
    services = compose(SECRETS)["services"]
    for name in found["names"]:
        assert f"--metrics-export-port={found['port']}" in services[name]["command"]
    assert {name for name in services if "ray start" in str(services[name].get("command"))} == set(found["names"])


def test_prometheus_takes_nodes_by_name_as_well() -> None:
    (listed,) = jobs()["ray-nodes"]["static_configs"]
    assert all(re.fullmatch(r"[\w.]+:8080", target) for target in listed["targets"])


def test_numbers_are_scraped_as_often_as_grafana_is_told() -> None:
    (prometheus,) = documents("prometheus/prometheus.yml")
    (source,) = documents("grafana/provisioning/datasources/prometheus.yaml")[0]["datasources"]
    assert prometheus["global"]["scrape_interval"] == source["jsonData"]["timeInterval"] == "10s"
    assert source["type"] == "prometheus"


def test_compose_gives_prometheus_and_grafana_their_files() -> None:
    services = compose(SECRETS)["services"]
    assert "./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro" in services["prometheus"]["volumes"]
    volumes = services["grafana"]["volumes"]
    mounted = next(volume for volume in volumes if volume.startswith("./grafana:")).split(":")[1]
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in volumes  # where Grafana looks unless told otherwise
    (provider,) = documents("grafana/provisioning/dashboards/cleanplate.yaml")[0]["providers"]
    folder = Path(provider["options"]["path"])
    assert (INFRA / "grafana" / folder.relative_to(mounted) / "cleanplate.json").is_file()
    url = documents("grafana/provisioning/datasources/prometheus.yaml")[0]["datasources"][0]["url"]
    assert url == "http://prometheus:9090" and "127.0.0.1:9090:9090" in services["prometheus"]["ports"]


def test_the_dashboard_is_of_the_schema_of_grafana_12_and_can_be_imported_again() -> None:
    board = dashboard()
    assert board["schemaVersion"] == 41 and "id" not in board
    assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"]) and board["title"]


def test_every_panel_has_an_id_of_its_own_and_says_what_it_tells() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith(".") and panel["type"] in ("timeseries", "stat", "gauge")
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(set(letters)) == len(letters)


def test_panels_lie_beside_each_other_on_the_grid() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 and at["w"] > 0 and at["h"] > 0 for at in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_every_query_goes_to_the_source_that_a_person_chooses() -> None:
    board = dashboard()
    kinds = {one["name"]: one["type"] for one in board["templating"]["list"]}
    assert kinds == {"datasource": "datasource", "node": "query"}
    for uid in values_of([board["panels"], board["templating"]["list"][1]], "datasource"):
        assert uid == {"type": "prometheus", "uid": "${datasource}"}
    for query in queries():
        assert set(re.findall(r"\$(\w+)", query)) <= {"node", "__rate_interval"}


@pytest.mark.parametrize("query", list(queries()))
def test_queries_are_well_formed(query: str) -> None:
    for opening, closing in ("()", "{}"):
        depths = list(itertools.accumulate((c == opening) - (c == closing) for c in query))
        assert min(depths) >= 0 and depths[-1] == 0
    for name in metrics_in(query):
        # a rate is of what only grows, and that is shown as a rate or a sum since the beginning
        of_rate = re.search(rf"rate\({name}\b", query) is not None
        assert not of_rate or name.endswith("_total")


def test_the_dashboard_shows_all_that_is_exported() -> None:
    shown = set().union(*map(metrics_in, queries()))
    told_otherwise = {"ray_cleanplate_run_frames_total", "ray_cleanplate_run_frames_per_second"}
    assert exported() - shown == told_otherwise


@pytest.mark.parametrize(
    ("title", "metric"),
    [
        ("Where the time goes", "ray_cleanplate_shard_seconds_total"),
        ("Queues", "ray_cleanplate_frames_read_ahead"),
        ("Store retries", "ray_cleanplate_store_retries_total"),
        ("Shards that failed", "ray_cleanplate_shard_failures_total"),
        ("Workers that died", "ray_cleanplate_worker_deaths_total"),
        ("GPU memory of the workers", "ray_cleanplate_gpu_memory_bytes"),
    ],
)
def test_a_panel_shows_what_its_title_says(title: str, metric: str) -> None:
    assert any(metric in metrics_in(target["expr"]) for target in PANELS[title]["targets"])
