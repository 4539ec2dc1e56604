"""``netnsmgr why`` and the counters of ``describe``, on the whole daemon: what is said is what the kernel does."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab import HttpFailed
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]
WEB: dict[str, Any] = {"id": 1, "match": {"eidset": True, "protocol": "tcp", "fport": 80}}
PORT_MAP = {"id": 2, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}}

OWN = {"id": 3, "match": {"ip": "192.168.0.2"}, "direction": "out"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The scenario's app1 in ni1 and ni2, and app2 in ni2 with a port map; both serve HTTP."""
    with World() as w:
        hosts = [w.lab.app("app1"), w.lab.app("app2")]
        first = app("app1", "ni1", "ni2")
        first["spec"]["interfaces"][0]["acl"] = [
            {"id": 1, "match": {"host": "github.com"}},
            {"id": 2, "match": {"ip": "192.168.0.0/16"}},
            {"id": 3, "match": {"ip": "192.168.7.0/24"}, "action": "drop"},
        ]
        refused = {"id": 4, "match": {"protocol": "tcp", "fport": 90}, "action": "reject"}
        first["spec"]["interfaces"][1]["acl"] = [WEB, refused]
        w.apply(
            device(port(0), port(1)),
            instance("ni1"),
            instance("ni2", "192.168.1"),
            first,
            app("app2", "ni2", acl=[WEB, PORT_MAP, OWN]),
        )
        hosts[0].dhcp("eth0")
        hosts[0].dhcp("eth1")
        hosts[1].dhcp("eth0")
        for host in hosts:
            host.serve_http()
        w.until(lambda: w.interface("ni2", "app2").get("addresses"), "app2's lease is told")
        w.until(lambda: w.interface("ni1", "app1").get("addresses"), "app1's lease is told")
        w.until(lambda: w.interface("ni2", "app1", "eth1").get("addresses"), "app1's other lease is told")
        yield w


def why(world: World, *arguments: str, code: int) -> list[dict[str, Any]]:
    done = world.command("why", *arguments, "-o", "json", code=code)
    found: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
    return found


def one(world: World, *arguments: str, code: int) -> dict[str, Any]:
    (found,) = why(world, *arguments, code=code)
    return found


def rules(answer: Mapping[str, Any]) -> list[tuple[str, str, int | None, str]]:
    return [(said["app"], said["direction"], said["rule"], said["action"]) for said in answer["lists"]]


def test_allowed_by_the_name_and_denied_by_default(world: World) -> None:
    """The name is resolved by the instance, whose servers put the address where the rule looks for it."""
    first, second = why(world, "app1", "--to", "www.github.com:80", code=0)
    assert (first["interface"], first["flow"]["dst"]) == ("eth0", "203.0.113.10")
    assert rules(first) == [("app1", "out", 1, "allow")]
    assert "by port eth0, via 192.168.0.1; masqueraded as 192.168.0.2" in first["path"][-1]["what"]
    assert (second["interface"], rules(second)) == ("eth1", [("app1", "out", 0, "drop")])
    text = world.command("why", "app1", "--to", "google.com:80", "--interface", "eth0", code=1).stdout
    assert "google.com (203.0.113.20) port 80/tcp: dropped" in text
    assert "by its default: no rule matches" in text


def test_an_application_of_the_network(world: World) -> None:
    """Of two interfaces the one whose network knows the name; both lists are told."""
    found = one(world, "app1", "--to", "app2:80", code=0)
    assert found["interface"] == "eth1"
    assert rules(found) == [("app1", "out", 1, "allow"), ("app2", "in", 1, "allow")]
    assert one(world, "app1", "--to", "app2:81", code=1)["verdict"] == "drop"


def test_from_outside_by_the_port_map(world: World) -> None:
    found = one(world, "app2", "--from", "192.168.0.9", "--to-port", "80/tcp", code=0)
    assert rules(found) == [("app2", "in", 2, "allow")]
    assert [hop["at"] for hop in found["path"]] == ["device", "instance ni2"]
    world.command("why", "app2", "--from", "192.168.0.9", "--to-port", "81/tcp", code=1)


def test_a_name_that_does_not_exist(world: World) -> None:
    world.command("why", "app1", "--to", "nothing.internal:80", code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "outcome", "decided"),
    [
        (
            ["app1", "--to", "github.com:80", "--interface", "eth0"],
            0,
            "connected",
            [("app1", "out", 1, "allow")],
        ),
        (
            ["app1", "--to", "google.com:80", "--interface", "eth0"],
            1,
            "no answer",
            [("app1", "out", 0, "drop")],
        ),
        (
            ["app1", "--to", "192.168.0.1/icmp", "--interface", "eth0"],
            0,
            "answered",
            [("app1", "out", 2, "allow")],
        ),
        (["app1", "--to", "192.168.7.7:53/udp", "--interface", "eth0"], 0, "", [("app1", "out", 2, "allow")]),
        (
            ["app1", "--to", "app2:80"],
            0,
            "connected",
            [("app1", "out", 1, "allow"), ("app2", "in", 1, "allow")],
        ),
        (["app1", "--to", "app2:90"], 1, "refused", [("app1", "out", 4, "reject")]),
        (["app2", "--from", "device", "--to-port", "80"], 0, "connected", []),
        (
            ["app1", "--to", "192.168.0.2:8080", "--interface", "eth0"],
            0,
            "connected",
            [("app1", "out", 2, "allow"), ("app2", "in", 2, "allow")],
        ),
    ],
)
def test_live(
    world: World, arguments: list[str], code: int, outcome: str, decided: list[tuple[str, str, int, str]]
) -> None:
    """A packet is sent, the kernel says by which rules it passed or did not, and that was expected."""
    live = one(world, *arguments, "--live", code=code)["live"]
    assert live["outcome"].startswith(outcome), live
    assert rules(live) == decided
    assert live["allowed"] is (code == 0)
    assert live["differs"] == ""
    assert "why_" not in world.sh("nft list tables", "ni1") + world.sh("nft list tables", "ni2")


def test_live_in_its_own_network_through_the_device(world: World) -> None:
    """app2 asks its own port map: the packet passes ni2 twice, and is asked for by the list of each direction."""
    found = one(world, "app2", "--to", "192.168.0.2:8080", "--live", code=0)
    wanted = [("app2", "out", 3, "allow"), ("app2", "in", 2, "allow")]
    assert rules(found) == wanted
    assert rules(found["live"]) == wanted
    assert (found["live"]["outcome"], found["live"]["differs"]) == ("connected", "")


def test_live_sees_what_nobody_expects(world: World) -> None:
    """A firewall that somebody added by hand: the verdict is the kernel's, and that it differs is said."""
    world.sh(
        "nft 'table inet mine { chain f { type filter hook forward priority 10; tcp dport 80 drop; }; }'",
        "ni1",
    )
    try:
        found = one(world, "app1", "--to", "github.com:80", "--interface", "eth0", "--live", code=1)
        assert found["allowed"]
        assert found["live"]["differs"] == "expected accept, the kernel says drop"
        assert "inet mine f: tcp dport 80 drop" in found["live"]["rules"]
    finally:
        world.sh("nft delete table inet mine", "ni1")


def test_live_notices_that_a_packet_is_lost_on_the_device(world: World) -> None:
    """Between two instances a firewall of the device's own drops it: it never reaches the second."""
    world.sh(
        "nft 'table inet mine { chain f { type filter hook forward priority 10; tcp dport 8080 drop; }; }'"
    )
    try:
        to = ["app1", "--to", "192.168.0.2:8080", "--interface", "eth0"]
        live = one(world, *to, "--live", code=1)["live"]
        assert (live["verdict"], live["allowed"]) == ("nothing", False)
        assert "accepted in ni1, but did not reach ni2" in live["said"]
        assert "app2/eth0 was expected to be asked" in live["differs"]
    finally:
        world.sh("nft delete table inet mine")


def test_live_leaves_nothing_behind_when_it_is_ended(world: World) -> None:
    """Even by SIGKILL: the table belongs to the socket of a process that ends with the command."""
    argv = [
        sys.executable,
        "-m",
        "netnsmgr",
        "why",
        "app1",
        "--to",
        "google.com:80",
        "--interface",
        "eth0",
        "--live",
    ]
    process = world.lab.device.popen(argv, env={"PYTHONPATH": str(ROOT)})
    world.eventually(lambda: "why_" in world.sh("nft list tables", "ni1"), "the packet is followed")
    process.send(signal.SIGKILL)
    process.wait()
    world.eventually(lambda: "why_" not in world.sh("nft list tables", "ni1"), "the table is gone")


def hits(world: World, app_: str, interface: str) -> dict[str, int]:
    """Packets by rule, as ``describe`` shows them."""
    text = world.command("describe", "app", app_).stdout
    lines = text[text.index(f"Access list of {app_}/{interface} in ") :].split("\n\n")[0].splitlines()[2:]
    found = {}
    for line in lines:
        words = line.partition("  never reached")[0].split()
        if words and len(words) > 4 and words[-1].isdigit():
            found[words[0]] = int(words[-2])
    return found


def test_describe_counts_what_is_asked(world: World) -> None:
    """Each flow is asked about once: its rule's counter grows by one, and that of no other."""
    app1, app2 = world.lab.apps["app1"], world.lab.apps["app2"]
    address = str(app2.leases["eth0"].address.ip)
    before, peer = hits(world, "app1", "eth1"), hits(world, "app2", "eth0")
    assert app1.http(f"http://{address}", interface="eth1").startswith("I am app2")
    with pytest.raises(HttpFailed):
        app1.http(f"http://{address}:81", interface="eth1", timeout=0.5)
    after = hits(world, "app1", "eth1")
    assert after["1"] == before["1"] + 1
    assert after["default"] == before["default"] + 1
    assert hits(world, "app2", "eth0")["1"] == peer["1"] + 1
    text = world.command("describe", "app", "app1").stdout
    assert "never reached: covered by rule 2" in text
    assert "Hits are packets that the list was asked about" in text
