"""How switches and their ports are listed."""

from __future__ import annotations

from typing import Any

import click
import pytest

from netnsmgr.cli.describe import _said
from netnsmgr.cli.get import _devices, _instances
from netnsmgr.cli.kinds import KindType
from netnsmgr.pubsub import tables


def document(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


DEVICE = document(
    "edge", ports=[{"name": "eth0", "shared": True}, {"name": "eth3", "labels": ["field"]}, {"name": "eth5"}]
)
ROWS: dict[str, dict[str, Any]] = {
    tables.DEVICE_CONFIG: {"edge": DEVICE},
    tables.DEVICE_STATUS: {
        "edge": {
            "state": "ready",
            "ports": [
                {"name": "eth0", "state": "up", "interface": "eth0", "addresses": ["192.168.0.2/24"]},
                {"name": "eth3", "state": "moved", "interface": "eth3", "instance": "sw1"},
                {"name": "eth5", "state": "down", "interface": "eth5"},
            ],
        }
    },
    tables.INSTANCE_CONFIG: {
        "ni1": document("ni1", ports=["eth0"], subnets=["10.10.1.0/24"]),
        "sw0": document("sw0", type="switch"),
        "sw1": document("sw1", type="switch", ports=["field", "eth5"]),
        "sw2": document("sw2", type="switch", ports=["eth0"]),
    },
    tables.INSTANCE_STATUS: {
        "sw1": {
            "state": "ready",
            "type": "switch",
            "subnets": [],
            "ports": [
                {"name": "eth3", "state": "up", "stp": "forwarding"},
                {"name": "eth5", "state": "missing", "stp": "off"},
            ],
        }
    },
}


def test_ports_of_the_device() -> None:
    """Whose a port is is said beside its state, whether it has moved already or not."""
    assert _devices("edge", ROWS, wide=False) == [
        ["edge", "ready", "eth0:up(sw2),eth3:moved(sw1),eth5:down(sw1)", ""]
    ]
    assert [line[2:6] for line in _devices("edge", ROWS, wide=True)] == [
        ["eth0", "up", "sw2", "eth0"],
        ["eth3", "moved", "sw1", "eth3"],
        ["eth5", "down", "sw1", "eth5"],
    ]


def test_switches() -> None:
    """A switch has no subnets; its ports are those that are written, and in the wide list the real ones."""
    assert _instances("sw1", ROWS, wide=False) == [["sw1", "ready", "switch", "-", "field,eth5", "0", ""]]
    assert _instances("sw0", ROWS, wide=False) == [["sw0", "pending", "switch", "-", "(air-gapped)", "0", ""]]
    (line,) = _instances("sw1", ROWS, wide=True)
    assert line[4] == "eth3:forwarding,eth5:missing"


def test_described_rows_say_what_there_is() -> None:
    """Fields without a value are left out, also within the rows of ports; what is false or 0 is a value."""
    row = {"ports": [{"name": "eth3", "vlan": "", "reasons": [], "cost": 0}], "dns": [], "on": False}
    assert _said(row) == {"ports": [{"name": "eth3", "cost": 0}], "on": False}
    assert _said({"ports": ["eth3"]}) == {"ports": ["eth3"]}


@pytest.mark.parametrize("word", ["switch", "Switches"])
def test_no_kind_of_its_own(word: str) -> None:
    """Who asks for switches is told how they are called."""
    with pytest.raises(click.BadParameter, match=r"a switch is a NetworkInstance \(ni\) with 'type: switch'"):
        KindType().convert(word, None, None)
