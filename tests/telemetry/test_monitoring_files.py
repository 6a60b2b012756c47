"""The files of monitoring/, without a server: promtool's checks, dashboards, pages to read on."""

import json
import re
import subprocess

import pytest
import yaml

from loadtest.watch.questions import DASHBOARDS, FOLDER, RULES, alerts_of, operands, panels_of
from loadtest.watch.server import ROOT, WatchError, program


@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_promtool_finds_nothing_wrong(command: tuple[str, ...]) -> None:
    """It fires each alert on what it is for, and none on a server that is well."""
    try:
        promtool = program("promtool")
    except WatchError as error:
        pytest.skip(str(error))
    ran = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_is_tested_to_fire() -> None:
    tested = set(re.findall(r'alertname="(\w+)"', (FOLDER / "alerts_test.yml").read_text()))
    assert tested == {alert.name for alert in alerts_of()}


def test_each_alert_has_a_page_that_says_what_to_do() -> None:
    page = (ROOT / "docs/watching.md").read_text()
    anchors = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.M)}
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    assert {f"docs/watching.md#{each}" for each in anchors} == {
        rule["annotations"]["runbook"] for rule in rules
    }
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_fits_grafana(path) -> None:
    dashboard = json.loads(path.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert all(
        x + panel["gridPos"]["w"] <= 24 for (x, _), panel in zip(places, panels, strict=True)
    )
    assert all(panel["description"] for panel in panels)
    known = {f"${each['name']}" for each in dashboard["templating"]["list"]} | {"$__rate_interval"}
    for panel in panels_of(path, interval="$__rate_interval"):
        for target in panel.targets:
            assert set(re.findall(r"\$[a-z_]{2,}", target.expr)) <= known


def test_an_alert_is_taken_apart_where_it_compares() -> None:
    expr = 'sum(a{b=~"x>y"}) / sum(c) > 0.5 and on (m) max by (m) (rate(d[5m])) >= 1e3 or e == 0'
    assert list(operands(expr)) == ['sum(a{b=~"x>y"}) / sum(c)', "max by (m) (rate(d[5m]))", "e"]
