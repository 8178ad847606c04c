"""The dashboard and the page about metrics ask for metrics that there are, with labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from observe.test_metrics import pool, read
from zeromind.observe.families import FAMILIES

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
FOUND = {key[0] for key in read(pool(absent=["gone"]), "application/openmetrics-text")[0]}
LABELS = {family.name: {*family.labels, "instance", "le"} for family in FAMILIES}
NAME = re.compile(r"\b(?:zeromind|nv)_\w+")


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def variables():
    return {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}


def expressions():
    """Every query, by where it stands."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for name, variable in variables().items():
        if variable["type"] == "query":
            yield f"${name}", variable["query"]["query"]
    for block in re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if not line.startswith("#"):
                yield "metrics.md", line
    for group in alerts():
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def alerts():
    (rules,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("groups:"))
    return yaml.safe_load(rules)["groups"]


QUERIES = list(expressions())


@pytest.mark.parametrize(("place", "query"), QUERIES, ids=[place for place, _ in QUERIES])
def test_every_query_is_of_metrics_that_there_are_and_of_their_labels(place, query):
    names = NAME.findall(query)
    assert names
    assert set(names) <= FOUND
    for name, matchers in re.findall(r"((?:zeromind|nv)_\w+)(?:\{(.*?)\})?", query):
        labels = set(re.findall(r"(\w+)[=!]~?\"", matchers))
        assert labels <= LABELS[re.sub(r"_(bucket|sum|count)$", "", name) if name not in LABELS else name], (place, name)
    for grouping in re.findall(r"by \(([^)]*)\)", query):
        assert {label.strip() for label in grouping.split(",")} <= set().union(*LABELS.values())
    assert query.count("(") == query.count(")")


def test_what_a_counter_counts_is_asked_for_as_a_rate():
    counters = {family.name for family in FAMILIES if family.kind == "counter"}
    for place, query in QUERIES:
        for name in NAME.findall(query):
            if name in counters or name.endswith(("_bucket", "_sum", "_count")):
                assert re.search(rf"(rate|increase)\({name}", query), place


def test_the_dashboard_is_one_of_grafana_10_on_any_data_source():
    assert DASHBOARD["schemaVersion"] >= 38
    assert {"datasource", "model"} <= set(variables())
    assert variables()["datasource"]["query"] == "prometheus"
    places = set()
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        used = panel["gridPos"]
        cells = {(x, y) for x in range(used["x"], used["x"] + used["w"]) for y in range(used["y"], used["y"] + used["h"])}
        assert not cells & places, f"{panel['title']} lies on another"
        assert used["x"] + used["w"] <= 24
        places |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboard_shows_what_one_looks_for():
    asked = {name for panel in panels() for target in panel["targets"] for name in NAME.findall(target["expr"])}
    for name in ("zeromind_requests_total", "zeromind_stage_seconds_bucket", "zeromind_batch_size_bucket", "zeromind_queue_length"):
        assert name in asked
    for name in ("zeromind_worker_restarts_total", "zeromind_model_memory_bytes", "nv_gpu_utilization"):
        assert name in asked
