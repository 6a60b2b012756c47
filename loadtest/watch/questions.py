"""The files of monitoring/ in, the queries that they ask out, as Prometheus itself takes them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loadtest.watch.server import ROOT

FOLDER = ROOT / "monitoring"
DASHBOARDS = tuple(sorted((FOLDER / "grafana").glob("*.json")))
RULES = FOLDER / "alerts.yml"
_JOINS = re.compile(r"(>=|<=|==|!=|>|<|\band\b|\bor\b|\bunless\b)")
_MATCHING = re.compile(r"^\s*(bool|(on|ignoring|group_left|group_right)\s*\([^)]*\))\s*")
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    expr: str
    legend: str
    """Grafana's: `{{model}}` is that label of a series."""


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    unit: str
    is_stacked: bool
    is_logarithmic: bool
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    name: str
    expr: str
    operands: tuple[str, ...]
    """What it compares, without the numbers that it is compared with: none of them may be empty on
    a server that is well, or the alert could never fire."""


def panels_of(path: Path, *, interval: str) -> list[Panel]:
    """Of one dashboard; `interval` stands for Grafana's own, and all models are asked for."""
    dashboard = json.loads(path.read_text())
    return [_panel(each, interval) for each in dashboard["panels"] if each["type"] != "row"]


def _panel(panel: dict[str, Any], interval: str) -> Panel:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    is_stacked = custom["stacking"]["mode"] != "none"
    is_logarithmic = custom["scaleDistribution"]["type"] == "log"
    targets = [
        Target(
            each["expr"].replace("$__rate_interval", interval).replace("$model", ".*"),
            each["legendFormat"],
        )
        for each in panel["targets"]
    ]
    return Panel(panel["title"], defaults["unit"], is_stacked, is_logarithmic, tuple(targets))


def alerts_of(path: Path = RULES) -> list[Alert]:
    rules = yaml.safe_load(path.read_text())
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    return [Alert(rule["alert"], rule["expr"], tuple(operands(rule["expr"]))) for rule in found]


def operands(expr: str) -> Iterator[str]:
    """`sum(a) / sum(b) > 2 and c < d` → `sum(a) / sum(b)`, `c`, `d`."""
    for part in _split(" ".join(expr.split())):
        rest = part
        while matched := _MATCHING.match(rest):
            rest = rest[matched.end() :]
        rest = rest.strip()
        if not _NUMBER.fullmatch(rest):
            yield rest


def _split(expr: str) -> Sequence[str]:
    """At what joins two operands outside of all brackets and quotes."""
    parts, depth, begun, at, quoted = [], 0, 0, 0, False
    while at < len(expr):
        character = expr[at]
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "([{") - (character in ")]}")
        joint = None if depth or quoted else _JOINS.match(expr, at)
        if joint is None:
            at += 1
            continue
        parts.append(expr[begun:at])
        begun = at = joint.end()
    return [*parts, expr[begun:]]
