"""The dashboard, the scrape configuration and the document name what the server shows, and nothing else."""

import json
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import ROOT, Settings
from app.watch.telemetry import Telemetry

SETTINGS = Settings(_env_file=None)
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "emotion-server.json").read_text("utf-8"))
DOCUMENT = (ROOT / "docs" / "observability.md").read_text("utf-8")
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAME = re.compile(r"\b(?:emotion|process|python)_\w+")


@pytest.fixture(scope="module")
def families():
    text, _ = Telemetry(SETTINGS).metrics.exposition("")
    return list(text_string_to_metric_families(text.decode()))


def samples(families):
    """Return the labels of every sample, by its name."""
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_every_panel_asks_for_figures_and_labels_that_there_are(panel, families):
    shown = samples(families)
    assert panel["targets"]
    for target in panel["targets"]:
        names = NAME.findall(target["expr"])
        assert names
        labels = {"instance", *(label for name in names for label in shown[name])}
        by = re.findall(r"by \(([\w, ]+)\)", target["expr"])
        legend = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        asked = {label for group in by for label in group.split(", ")}
        assert asked <= labels
        assert set(legend) <= asked


def test_a_panel_is_where_no_other_is():
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_leaves_none_of_the_servers_own_figures_out(families):
    asked = set(NAME.findall(json.dumps(DASHBOARD)))
    for family in families:
        if family.name.startswith("emotion_") and not family.name.endswith("_created"):
            assert asked & {sample.name for sample in family.samples}, family.name


def test_the_document_lists_exactly_the_figures_that_there_are(families):
    own = {family.name for family in families if family.name.startswith("emotion_") and family.type != "counter"}
    own |= {f"{family.name}_total" for family in families if family.type == "counter" and "emotion" in family.name}
    own = {name for name in own if not name.endswith("_created")}
    assert set(re.findall(r"^\| `(emotion_\w+)`", DOCUMENT, re.MULTILINE)) == own


def test_prometheus_looks_where_the_server_listens_by_default():
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert job["static_configs"] == [{"targets": [f"localhost:{SETTINGS.port}"]}]
