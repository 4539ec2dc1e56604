"""The lab's cables between namespaces that come and go, as those of containers do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from poc import wires
from tests.lab import isolated

FILE = """\
# a comment
gw:eth0=192.168.0.1/24   zedbox:eth0
gw:inet=203.0.113.1/24   internet:eth0=203.0.113.10/24,203.0.113.20/24>203.0.113.1  # another
"""


@pytest.fixture
def cables(tmp_path: Path) -> list[wires.Wire]:
    (tmp_path / "wires").write_text(FILE)
    return wires.read(tmp_path / "wires")


def made(*names: str) -> dict[str, str]:
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)
    return {name.partition(".")[0]: f"/run/netns/{name}" for name in names}


def link(netns: str, name: str) -> dict[str, Any]:
    return dict(json.loads(wires.ip(netns, "-json", "address", "show", "dev", name))[0])


def addresses(netns: str, name: str) -> list[str]:
    return [f"{a['local']}/{a['prefixlen']}" for a in link(netns, name)["addr_info"] if a["family"] == "inet"]


def test_wires_are_read(cables: list[wires.Wire]) -> None:
    assert cables == [
        wires.Wire(wires.End("gw", "eth0", ("192.168.0.1/24",)), wires.End("zedbox", "eth0")),
        wires.Wire(
            wires.End("gw", "inet", ("203.0.113.1/24",)),
            wires.End("internet", "eth0", ("203.0.113.10/24", "203.0.113.20/24"), "203.0.113.1"),
        ),
    ]


@pytest.mark.root
@isolated
def test_a_wire_is_put_once(cables: list[wires.Wire]) -> None:
    netns = made("gw", "zedbox", "internet")
    assert list(wires.lay(cables, netns)) == ["gw:eth0", "gw:inet"]
    assert addresses(netns["gw"], "eth0") == ["192.168.0.1/24"]
    assert addresses(netns["internet"], "eth0") == ["203.0.113.10/24", "203.0.113.20/24"]
    assert "UP" not in link(netns["zedbox"], "eth0")["flags"], "the device's end is the device's affair"
    assert json.loads(wires.ip(netns["internet"], "-json", "route", "show", "default"))
    before = link(netns["gw"], "eth0")["ifindex"]
    assert list(wires.lay(cables, netns)) == []
    assert link(netns["gw"], "eth0")["ifindex"] == before


@pytest.mark.root
@isolated
def test_a_port_that_a_switch_has_taken_is_no_missing_wire(cables: list[wires.Wire]) -> None:
    netns = made("gw", "zedbox", "internet", "ni6")
    list(wires.lay(cables, netns))
    wires.ip(netns["zedbox"], "link", "set", "eth0", "netns", netns["ni6"])
    assert list(wires.lay(cables, netns)) == []


@pytest.mark.root
@isolated
def test_a_host_that_is_started_again_gets_its_wires_again(cables: list[wires.Wire]) -> None:
    netns = made("gw", "zedbox", "internet")
    list(wires.lay(cables, netns))
    # The former namespace is still there, as while the kernel takes it down.
    assert list(wires.lay(cables, netns | made("zedbox.2"))) == ["gw:eth0"]
    assert addresses(netns["gw"], "eth0") == ["192.168.0.1/24"]
    assert link("/run/netns/zedbox.2", "eth0")["ifname"] == "eth0"
    subprocess.run(["ip", "netns", "delete", "gw"], check=True)
    again = made("gw.2", "zedbox.3") | {"internet": netns["internet"]}
    assert list(wires.lay(cables, again)) == ["gw:eth0", "gw:inet"]
    assert addresses(again["internet"], "eth0") == ["203.0.113.10/24", "203.0.113.20/24"]


@pytest.mark.root
@isolated
def test_a_host_that_is_not_there_keeps_no_other_waiting(cables: list[wires.Wire]) -> None:
    netns = made("gw", "internet") | {"zedbox": "/run/netns/none"}
    first, second = wires.lay(cables, netns)
    assert first.startswith("gw:eth0 (not yet: ")
    assert second == "gw:inet"
    assert list(wires.lay(cables, {"gw": netns["gw"]})) == []
