"""Write the Grafana dashboard: the alarms that Prometheus knows, and what the processes do."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.alarms import Alarm, alarms

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_COLUMNS: Final = 3
_WIDTH: Final = 8
_HEIGHT: Final = 7
_THRESHOLD: Final = re.compile(r" (>|<|==) ([0-9.]+)$")


@dataclass(frozen=True, slots=True)
class Panel:
    """Describe a graph over Prometheus' names."""

    title: str
    expressions: Sequence[str]
    unit: str = "short"


def _rate(samples: str, *labels: str) -> str:
    return f"sum by ({', '.join(labels)}) (rate({samples}[$__rate_interval]))"


def _quantile(quantile: float, histogram: str, *labels: str) -> str:
    rates = _rate(f"{histogram}_bucket", "le", *labels)
    return f"histogram_quantile({quantile}, {rates})"


TRAFFIC: Final = (
    Panel(
        "Requests per second, by status",
        [_rate("gateway_request_seconds_count", "status")],
        "reqps",
    ),
    Panel(
        "Time of a request, p50 and p99",
        [_quantile(quantile, "gateway_request_seconds") for quantile in (0.5, 0.99)],
        "s",
    ),
    Panel(
        "Slowest routes, p99",
        [f"topk(10, {_quantile(0.99, 'gateway_request_seconds', 'method', 'route')})"],
        "s",
    ),
    Panel(
        "Commands per second, by type",
        [_rate("command_seconds_count", "command")],
        "ops",
    ),
    Panel(
        "Commands per second that were not accepted",
        [_rate('command_seconds_count{result!="accepted"}', "command", "result")],
        "ops",
    ),
    Panel(
        "Time of a command, p99",
        [_quantile(0.99, "command_seconds", "command")],
        "s",
    ),
    Panel(
        "Rejections, by code",
        [_rate("commands_rejected_total", "command", "code")],
        "ops",
    ),
    Panel(
        "Messages, by queue and result",
        [_rate("messages_total", "queue", "result")],
        "ops",
    ),
    Panel(
        "Outages that have not ended",
        ["sum by (dependency) (outages)"],
    ),
    Panel(
        "Seconds in outages, of each second",
        [_rate("outage_seconds_total", "dependency")],
        "s",
    ),
    Panel("Lag of read models", ["max by (job) (projection_lag_seconds)"], "s"),
    Panel(
        "Changes of read models, by result",
        [_rate("projection_changes_total", "status")],
        "ops",
    ),
    Panel(
        "Rebuilds, share done",
        ["max by (read_model, generation) (rebuild_done_ratio)"],
        "percentunit",
    ),
    Panel("Mails, by result", [_rate("mails_total", "result")], "ops"),
    Panel("Mails that wait", ["max(mails_waiting)"]),
    Panel(
        "Rate limits that were exceeded",
        [_rate("gateway_rate_limit_rejections_total", "limit")],
        "ops",
    ),
    Panel("Event streams", ["sum(gateway_event_streams)"]),
    Panel(
        "Share of tokens found in the cache",
        ["avg(gateway_token_cache_hits / (gateway_token_cache_hits + gateway_token_cache_misses))"],
        "percentunit",
    ),
    Panel("Age of the signing keys", ["max(gateway_jwks_age_seconds)"], "s"),
    Panel(
        "CPU of each process",
        ["rate(process_cpu_seconds_total[$__rate_interval])"],
        "percentunit",
    ),
    Panel("Memory of each process", ["process_resident_memory_bytes"], "bytes"),
    Panel("Open files, share of the limit", ["process_open_fds / process_max_fds"], "percentunit"),
)


def dashboard() -> str:
    """Return the dashboard as JSON, to be imported."""
    watched = {alarm.prometheus: alarm for alarm in alarms() if alarm.prometheus}
    panels = [
        *_row("Alarms", [_of_alarm(alarm) for alarm in watched.values()], top=0),
        *_row("Traffic and processes", [_of_panel(panel) for panel in TRAFFIC], top=1_000),
    ]
    for number, panel in enumerate(panels, start=1):
        panel["id"] = number
    found = {
        "title": "Vouch",
        "uid": "vouch",
        "editable": True,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "utc",
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "runbook",
                    "label": "Runbook",
                    "type": "textbox",
                    "query": "docs/runbook.md",
                },
            ]
        },
        "panels": panels,
    }
    return json.dumps(found, indent=1) + "\n"


def expressions() -> list[str]:
    """Return all expressions of the dashboard."""
    watched = [alarm.prometheus for alarm in alarms() if alarm.prometheus]
    return [*watched, *(each for panel in TRAFFIC for each in panel.expressions)]


def _row(title: str, panels: Iterable[dict[str, Any]], *, top: int) -> list[dict[str, Any]]:
    placed = [{"type": "row", "title": title, "collapsed": False, "panels": []}]
    placed[0]["gridPos"] = {"x": 0, "y": top, "w": _COLUMNS * _WIDTH, "h": 1}
    for number, panel in enumerate(panels):
        line, column = divmod(number, _COLUMNS)
        place = {"x": column * _WIDTH, "y": top + 1 + line * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
        placed.append({**panel, "gridPos": place})
    return placed


def _of_alarm(alarm: Alarm) -> dict[str, Any]:
    """Return a graph of what the alarm compares, with its threshold and a link to the runbook."""
    found = _THRESHOLD.search(alarm.prometheus)
    if found is None:
        raise ValueError(f"{alarm.name}: an expression ends with a comparison")
    panel = _of_panel(Panel(alarm.name.replace("-", " "), [alarm.prometheus[: found.start()]]))
    panel["description"] = f"{alarm.means} {alarm.severity.capitalize()}, because {alarm.because}."
    panel["links"] = [{"title": "Runbook", "url": f"${{runbook}}#{alarm.section}"}]
    steps = [{"color": "green", "value": None}, {"color": "red", "value": float(found[2])}]
    panel["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
    panel["fieldConfig"]["defaults"]["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return panel


def _of_panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": expression}
            for number, expression in enumerate(panel.expressions)
        ],
    }
