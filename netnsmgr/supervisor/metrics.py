"""What monitoring reads: the device's state as OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/).

prometheus_client (1.8 MiB) is imported by the first who asks.  The number of series is bounded: one instance has a fixed
number, applications are counted by instance and state, and what agents say (states, reasons) is not believed to be few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netnsmgr import __version__
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.tables import (
    AGENT_STATUS,
    APP_STATUS,
    DEVICE_STATUS,
    INSTANCE_STATUS,
    PERSISTENT,
    STATUS,
)

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from netnsmgr.kernel.link_counters import Counters

PREFIX = "netnsmgr_"
STATES = frozenset(
    [
        "ready",
        "degraded",
        "reconciling",
        "pending",
        "deleting",
        "moved",
        "up",
        "down",
        "missing",
        "running",
        "starting",
        "backing-off",
    ]
)
"""Words of state that are labels; any other one is "other"."""
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True)
class Seen:
    """All that is shown, as it is at one moment."""

    revision: int
    rows: Mapping[str, Mapping[str, Row]]
    agents: Mapping[str, Mapping[str, int]]
    """By agent: passes, operations, failures, since it was started."""
    events: Mapping[tuple[str, str], int]
    """By type and reason, since the daemon was started."""
    published: Mapping[str, int]
    """By table: rows that became different, since the daemon was started."""
    links: Mapping[str, Counters]
    """By instance: the outer end of its link."""
    started: float
    """Seconds since the epoch."""


def exposition(seen: Seen) -> bytes:
    """Return the text of the format."""
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(_Registry(seen))  # type: ignore[no-untyped-call]
    return text


class _Registry:
    """What ``generate_latest`` asks of a registry."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        return families(self._seen)


def families(seen: Seen) -> Iterator[Metric]:
    """Yield the families of metrics."""
    from prometheus_client.metrics_core import InfoMetricFamily

    yield InfoMetricFamily(f"{PREFIX}build", "The daemon's version.", {"version": __version__})
    yield _gauge("start_time_seconds", "When the daemon was started, since the epoch.", [((), seen.started)])
    yield _gauge(
        "revision", "Of the configuration: how many changes were accepted, ever.", [((), seen.revision)]
    )
    rows = seen.rows
    instances, apps, agents = (rows.get(t, {}) for t in (INSTANCE_STATUS, APP_STATUS, AGENT_STATUS))
    yield _gauge(
        "instance_state",
        "1 for the state that a network instance is in.",
        [((name, _state(row)), 1) for name, row in instances.items()],
        "instance",
        "state",
    )
    counted = Counter((key.partition("/")[0], _state(row)) for key, row in apps.items())
    yield _gauge(
        "app_interfaces", "Interfaces of applications, by their state.", counted.items(), "instance", "state"
    )
    yield _gauge(
        "port_state",
        "1 for the state that a port of the device is in.",
        [
            ((device, name, _state(port)), 1)
            for device, row in rows.get(DEVICE_STATUS, {}).items()
            for name, port in _ports(row)
        ],
        "device",
        "port",
        "state",
    )
    yield from _agents(seen, agents)
    yield _counter(
        "events",
        "What happened, by type and reason; see netnsmgr events.",
        seen.events.items(),
        "type",
        "reason",
    )
    tables = [table for table in (*PERSISTENT, *STATUS) if table in rows]
    yield _gauge("rows", "Of pubsub's tables.", [((table,), len(rows[table])) for table in tables], "table")
    published = [((table,), count) for table, count in seen.published.items()]
    yield _counter("rows_changed", "Rows of pubsub that became different.", published, "table")
    yield from _links(seen)


def _agents(seen: Seen, agents: Mapping[str, Row]) -> Iterator[Metric]:
    yield _gauge(
        "agent_state",
        "1 for the state that an agent's process is in.",
        [((name, _state(row)), 1) for name, row in agents.items()],
        "agent",
        "state",
    )
    restarts = [((name,), int(row.get("restarts", 0))) for name, row in agents.items()]
    yield _counter("agent_restarts", "How often an agent had to be started again.", restarts, "agent")
    texts = {
        "passes": "Looks of an agent at its namespace.",
        "operations": "What an agent made, changed or removed.",
        "failures": "Passes that ended with an error or something that failed.",
    }
    for what, text in texts.items():
        told = [((name,), counters.get(what, 0)) for name, counters in seen.agents.items()]
        yield _counter(f"agent_{what}", text, told, "agent")


def _links(seen: Seen) -> Iterator[Metric]:
    # What the outer end received is what the instance sent.
    directions = (("transmit", "rx", "sent"), ("receive", "tx", "received"))
    for name, end, verb in directions:
        for what in ("bytes", "packets", "errors", "dropped"):
            values = [((ni,), getattr(link, f"{end}_{what}")) for ni, link in seen.links.items()]
            text = f"{what.capitalize()} that an instance {verb} by its link to the device's ports."
            yield _counter(f"instance_{name}_{what}", text, values, "instance")


Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _ports(row: Row) -> Iterator[tuple[str, Row]]:
    """Yield what are ports of what is said to be."""
    ports = row.get("ports")
    for port in ports if isinstance(ports, list) else ():
        if isinstance(port, dict):
            yield str(port.get("name", "")).encode("utf-8", "replace").decode(), port


def _state(row: Mapping[str, Any]) -> str:
    state = row.get("state")
    return state if isinstance(state, str) and state in STATES else "other"
