"""What rows read of the flow log."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from poc.rows.watched import Log, told
from poc.scene import Scene

FLOW = {
    "network": "ni1",
    "start": 0.0,
    "src": "10.10.1.77",
    "dst": "192.0.2.1",
    "dport": 80,
    "protocol": "tcp",
    "rule": 1,
    "verdict": "allow",
}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "10.10.1.77 > 192.0.2.1:80: allow, rule 1"),
        ({"rule": 0, "verdict": "drop"}, "10.10.1.77 > 192.0.2.1:80: drop, default rule"),
        ({"rule": None}, "10.10.1.77 > 192.0.2.1:80: allow, no list"),
        ({"rule": None, "service": "dns"}, "10.10.1.77 > 192.0.2.1:80: allow, dns"),
        (
            {"translated": {"src": "169.254.100.1", "dst": "192.0.2.1", "dport": 80}},
            "10.10.1.77 > 169.254.100.1 > 192.0.2.1:80: allow, rule 1",
        ),
        (
            {"translated": {"src": "10.10.1.77", "dst": "10.10.1.9", "dport": 8080}},
            "10.10.1.77 > 192.0.2.1:80 > 10.10.1.9:8080: allow, rule 1",
        ),
    ],
)
def test_a_record_is_told_in_one_line(more: dict[str, Any], expected: str) -> None:
    assert told(FLOW | more) == expected


def scene(*records: dict[str, Any]) -> Scene:
    """A scene with these records, where waiting is asking once."""
    device = SimpleNamespace(eventually=lambda seen, **_: seen())
    return cast(Scene, SimpleNamespace(flows=lambda app: list(records), device=device))


def test_a_flow_of_before_is_not_found_though_its_end_is_recorded_later() -> None:
    now = time.time()
    log = Log(scene(FLOW | {"start": now - 1, "end": now + 1, "rule": 7}), "app1")
    assert log.find("ni1", dst="192.0.2.1") == "no such record, but nothing"


def test_the_newest_that_fits_is_found_or_it_is_said_what_there_is() -> None:
    later = FLOW | {"start": time.time() + 1}
    log = Log(scene(later, later | {"rule": 2}, later | {"network": "ni2", "rule": 3}), "app1")
    assert log.find("ni1", dport=80).endswith("rule 2")
    assert log.find("ni1", dport=81).startswith(
        "no such record, but 10.10.1.77 > 192.0.2.1:80: allow, rule 1; "
    )
