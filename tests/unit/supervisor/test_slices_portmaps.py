"""Port maps in the slices: the uplink agent hears of the device's ports, and of nothing that is within an application."""

from __future__ import annotations

from typing import Any

from netnsmgr.supervisor.slices import UPLINK
from tests.unit.supervisor.test_slices import Cutter, app, device, ni


def mapping(to: int = 80, **match: Any) -> dict[str, Any]:
    return {"id": 1, "match": {"protocol": "tcp", "lport": 8080, **match}, "action": {"portmap": to}}


def with_list(*rules: dict[str, Any]) -> dict[str, Any]:
    document = app("x", "a")
    document["spec"]["interfaces"][0]["acl"] = [*rules, {"id": 99}]
    return document


def test_are_told_to_the_uplink_agent() -> None:
    """Protocol, port, adapter and senders; other rules and the application's port are not."""
    rule = mapping(adapter="wan", ip=["10.0.0.0/8", "192.0.2.1"])
    slices = Cutter().cut(device(), ni("a"), ni("b"), with_list(rule))
    first, second = slices[UPLINK]["instances"]
    assert first["portMaps"] == [
        {"protocol": "tcp", "port": 8080, "adapter": "wan", "ip": ["10.0.0.0/8", "192.0.2.1/32"]}
    ]
    assert second["portMaps"] == []


def test_change_the_revision_of_the_link_and_nothing_else_does() -> None:
    """A new port map is told to the uplink agent; the application's port behind it concerns the instance alone."""
    cutter = Cutter()
    documents = device(), ni("a"), ni("b")
    cutter.cut(*documents, with_list())
    assert cutter.revisions(*documents, with_list(mapping())) == {"a": 2, "b": 1, UPLINK: 2}
    assert cutter.revisions(*documents, with_list(mapping(81))) == {"a": 3, "b": 1, UPLINK: 2}
    slices = cutter.cut(*documents, with_list(mapping(81, adapter="eth0")))
    assert (slices["a"]["linkRevision"], slices[UPLINK]["revision"]) == (4, 4)
