"""Compute what requests cost, from counted requests, and what an idle system costs, from stacks.

`make bench` counts the requests, compares them with `counts.json`, and prints the tables that
docs/aws.md contains. No time is measured.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks import prices
from benchmarks.prices import MILLION, MONTH_HOURS, Price
from deploy.folders import ROOT, event_sourced_names
from deploy.services import declared_services
from deploy.stack_templates import read_template

COUNTS: Final = Path(__file__).parent / "counts.json"
"""What `make bench` counted: kind -> unit -> number for each command, read or mail."""
PAGE: Final = ROOT / "docs" / "aws.md"
UNITS: Final[Mapping[str, Price]] = {
    "write units": prices.WRITE_UNITS,
    "read units": prices.READ_UNITS,
    "FIFO requests": prices.FIFO_REQUESTS,
    "standard requests": prices.REQUESTS,
    "mails": prices.MAILS,
}
_STACKS: Final = ROOT / "deploy" / "aws"
_PROBE_SECONDS: Final = 10
_RECEIVE_SECONDS: Final = 5
"""Seconds of a long poll: the setting RECEIVE_WAIT_SECONDS."""
_FREE_DISK: Final = 20
SERVICES: Final = ("gateway", *event_sourced_names())

Counts = Mapping[str, Mapping[str, float]]
Row = tuple[str, str, float]
"""(what, how it is computed, US dollars)."""


def stored_counts() -> Counts:
    """Return what the last `make bench` with STORE=1 counted."""
    found: Counts = json.loads(COUNTS.read_text())
    return found


def per_million(counts: Counts) -> Iterator[Row]:
    """Yield what a million of each kind costs."""
    for kind, units in counts.items():
        used = ", ".join(f"{number:g} {unit}" for unit, number in units.items() if number)
        dollars = sum(UNITS[unit].dollars * number for unit, number in units.items())
        yield kind, used or "no request to AWS", dollars


def idle() -> Iterator[Row]:
    """Yield what each part of the smallest production system costs in a month without a request.

    It is the system that the commands of docs/aws.md create, with the defaults of the stacks.
    """
    tasks = {service: _task(service) for service in SERVICES}
    for service, (number, cpu, memory, disk) in tasks.items():
        hourly = (
            cpu * prices.CPU.dollars
            + memory * prices.MEMORY.dollars
            + max(0, disk - _FREE_DISK) * prices.DISK.dollars
        )
        size = f"{number} x ({cpu:g} vCPU, {memory:g} GB{f', {disk} GB of disk' if disk else ''})"
        yield f"tasks of {service}", size, number * hourly * MONTH_HOURS
    yield from _network()
    polls, requests = _polls(tasks)
    yield "long polls", polls, requests * prices.FIFO_REQUESTS.dollars / MILLION
    zones, gateways = int(_default("network", "Zones")), tasks["gateway"][0]
    checks = zones * gateways * MONTH_HOURS * 3_600 / _PROBE_SECONDS
    yield (
        "probes",
        f"{zones} zones ask {gateways} gateways every {_PROBE_SECONDS} s, one GetQueueUrl each",
        checks * prices.FIFO_REQUESTS.dollars / MILLION,
    )
    secrets, alarms = (
        _resources("AWS::SecretsManager::Secret"),
        _resources("AWS::CloudWatch::Alarm"),
    )
    yield "secrets", f"{secrets}", secrets * prices.SECRET.dollars
    yield "alarms", f"{alarms} metrics, at least", alarms * prices.ALARM.dollars


def _network() -> Iterator[Row]:
    zones = int(_default("network", "Zones"))
    hourly = prices.BALANCER.dollars + prices.CAPACITY.dollars
    yield "load balancer", "1, one capacity unit", hourly * MONTH_HOURS
    rules = 1
    cost = prices.FIREWALL.dollars + rules * prices.FIREWALL_RULE.dollars
    yield "firewall", f"{rules} rule", cost
    node = _default("cache", "NodeType")
    nodes = 2 * int(_default("cache", "Shards"))
    hourly = prices.CACHE_NODES[node].dollars
    yield "cache", f"{nodes} x {node}", nodes * hourly * MONTH_HOURS
    assert _default("network", "Nat") == "one"
    yield "NAT", "1", prices.NAT.dollars * MONTH_HOURS
    text = (_STACKS / "network.yaml").read_text()
    endpoints = text.count("VpcEndpointType: Interface")
    yield (
        "interface endpoints",
        f"{endpoints} in {zones} zones",
        endpoints * zones * prices.ENDPOINT.dollars * MONTH_HOURS,
    )
    addresses = zones + 1
    yield "public addresses", f"{addresses}", addresses * prices.ADDRESS.dollars * MONTH_HOURS


def _polls(tasks: Mapping[str, tuple[int, float, float, int]]) -> tuple[str, float]:
    """Return how the long polls are counted, and their number in a month."""
    queues = {
        service.name: 1 + (service.subscription is not None) + len(service.queues)
        for service in declared_services()
    }
    polls = sum(tasks[name][0] * number for name, number in queues.items())
    return f"{polls}, each of {_RECEIVE_SECONDS} s", polls * MONTH_HOURS * 3_600 / _RECEIVE_SECONDS


def _task(service: str) -> tuple[int, float, float, int]:
    """Return (number of tasks, vCPU, GB of memory, GB of disk) that the page's command deploys."""
    (line,) = re.findall(rf"^deploy {service} service (.*)$", PAGE.read_text(), re.MULTILINE)
    given = dict(word.split("=", 1) for word in line.split() if "=" in word)

    def value(name: str) -> int:
        return int(given.get(name) or _default("service", name))

    disk = value("Disk") if "Disk" in given else 0
    return value("MinTasks"), value("Cpu") / 1024, value("Memory") / 1024, disk


def _default(stack: str, parameter: str) -> str:
    template = read_template((_STACKS / f"{stack}.yaml").read_text())
    return str(template["Parameters"][parameter]["Default"])


def _resources(kind: str) -> int:
    return sum(path.read_text().count(f"Type: {kind}\n") for path in _STACKS.glob("*.yaml"))


def tables(counts: Counts) -> str:
    """Return both tables as Markdown."""
    rows = list(idle())
    total = sum(dollars for *_, dollars in rows)
    return "\n".join(
        [
            "| a million of | for each | US$ |",
            "|---|---|---|",
            *(
                f"| {kind} | {used} | {dollars:.2f} |"
                for kind, used, dollars in per_million(counts)
            ),
            "",
            "| idle, in a month | | US$ |",
            "|---|---|---|",
            *(f"| {what} | {how} | {dollars:.2f} |" for what, how, dollars in rows),
            f"| **together** | | **{total:.0f}** |",
        ]
    )
