"""What lists say of new flows: both directions, both applications, each instance, and how a refusal looks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import instance
from tests.scenarios.frames import mac
from tests.scenarios.listed import EVERYTHING, NOTHING, address, answer, listed, lists, rule
from tests.scenarios.streams import Stream, go_on
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SERVER = "203.0.113.10"
NAMES = ("app1", "app2", "app3")
SILENCE = "curl 28"
REFUSED = "curl 7"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists(NAMES) as world:
        for name in NAMES:
            for number in (80, 81, 8000):
                world.lab.apps[name].serve_http(number)
        yield world


@pytest.fixture(autouse=True)
def without_lists(w: World) -> None:
    w.apply(instance("ni1"), *(listed(name) for name in NAMES))


def asks(w: World, number: int = 80, source: str = "app1", target: str = "app2") -> str:
    return answer(w.lab.apps[source], f"http://{address(w, target)}:{number}", timeout=0.6)


def pings(host: AppHost, target: str, *options: str) -> str:
    """What the first answer to a ping says."""
    said = host.run(["ping", "-n", "-c", "1", "-W", "1", *options, target], check=False).stdout
    found = re.search(r"bytes from|Packet filtered|Unreachable", said)
    return found[0] if found else "silence"


def test_what_no_rule_allows_is_denied_in_both_directions(w: World) -> None:
    w.apply(listed("app1", [rule(1, protocol="tcp", ip="203.0.113.0/24")]))
    assert answer(w.lab.apps["app1"], f"http://{SERVER}") == "github.com"
    assert asks(w) == SILENCE
    assert asks(w, source="app2", target="app1") == SILENCE
    assert asks(w, source="app2", target="app3") == "app3"
    assert pings(w.lab.apps["app1"], SERVER) == "silence"
    assert pings(w.lab.apps["app1"], "10.10.1.1") == "silence"
    # What the instance is for is always allowed.
    assert w.lab.apps["app1"].lookup("github.com") == [SERVER]
    w.lab.apps["app1"].dhcp("eth0")


def test_directions(w: World) -> None:
    w.apply(listed("app1", [rule(1, direction="out")]), listed("app2", [rule(1, direction="in")]))
    assert asks(w) == "app2"
    assert asks(w, source="app2", target="app1") == SILENCE
    assert asks(w, source="app3", target="app2") == "app2"
    assert asks(w, source="app3", target="app1") == SILENCE
    assert asks(w, source="app2", target="app3") == SILENCE


def test_the_first_rule_that_matches_counts_and_both_lists_are_asked(w: World) -> None:
    two = address(w, "app2")
    w.apply(
        listed("app1", [rule(1, ip=two, protocol="tcp", fport=[80, "8000-8001"]), rule(2, "drop", ip="10.10.1.0/24")]),
        listed("app2", [rule(1, "drop", protocol="tcp", lport=8000), rule(2)]),
    )  # fmt: skip
    assert [asks(w, number) for number in (80, 81, 8000)] == ["app2", SILENCE, SILENCE]
    assert asks(w, target="app3") == SILENCE
    w.apply(listed("app2", [rule(1, protocol="tcp", lport="79-81", direction="in")]))
    assert [asks(w, number, "app3") for number in (80, 81, 8000)] == ["app2", "app2", SILENCE]
    # A refusal of the one asked is seen by the one who asks.
    w.apply(listed("app2", [rule(1, "reject")]))
    assert asks(w) == REFUSED


def test_several_prefixes(w: World) -> None:
    w.apply(listed("app1", [rule(1, ip=["203.0.113.10", f"{address(w, 'app2')}/32", "198.51.100.0/24"])]))
    assert answer(w.lab.apps["app1"], f"http://{SERVER}") == "github.com"
    assert answer(w.lab.apps["app1"], "http://203.0.113.20", 0.6) == SILENCE
    assert asks(w) == "app2"
    assert asks(w, target="app3") == SILENCE


@pytest.mark.parametrize("denied", ["app1", "app2"])
def test_a_drop_is_silent_and_a_reject_says_so_at_once(w: World, denied: str) -> None:
    two = address(w, "app2")
    w.apply(listed(denied, [rule(1, "reject", ip="10.10.1.0/24"), rule(2, "reject", ip=SERVER), rule(3)]))
    begin = time.monotonic()
    assert asks(w) == REFUSED
    assert pings(w.lab.apps["app1"], two) == "Packet filtered"
    if denied == "app1":
        assert answer(w.lab.apps["app1"], f"http://{SERVER}") == REFUSED
        assert pings(w.lab.apps["app1"], SERVER) == "Packet filtered"
        assert pings(w.lab.apps["app1"], "10.10.1.1") == "Packet filtered"
    assert time.monotonic() < begin + 4.0
    w.apply(listed(denied, NOTHING))
    assert asks(w) == SILENCE
    assert pings(w.lab.apps["app1"], two) == "silence"


def test_types_of_icmp(w: World) -> None:
    app1, app2, two = w.lab.apps["app1"], w.lab.apps["app2"], address(w, "app2")
    w.apply(listed("app1", [rule(1, icmp="echo-request", direction="out"), rule(2, protocol="udp")]))
    assert pings(app1, two) == "bytes from"
    assert pings(app1, SERVER) == "bytes from"
    assert pings(app2, address(w, "app1")) == "silence"
    assert asks(w) == SILENCE
    w.apply(listed("app1", [rule(1, icmp=[13, "timestamp-reply"])]))
    assert pings(app1, two) == "silence"
    # An error about an allowed flow belongs to it: here that nobody listens at the port.
    w.apply(listed("app1", [rule(1, protocol="udp")]))
    closed = "import socket,sys; s = socket.socket(2, 2); s.connect((sys.argv[1], 9)); s.settimeout(1); s.send(b'x'); s.recv(9)"
    said = app1.run(["python3", "-I", "-S", "-c", closed, two], check=False).stderr
    assert "ConnectionRefusedError" in said


def test_protocols_by_number(w: World) -> None:
    """A protocol without ports and types: GRE, which needs no more than a header."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    send = "import socket,sys; s = socket.socket(2, 3, int(sys.argv[2])); s.sendto(bytes.fromhex('00000800') + sys.argv[3].encode(), (sys.argv[1], 0))"

    def sent(word: str, number: int) -> None:
        app1.run(["python3", "-I", "-S", "-c", send, address(w, "app2"), str(number), word])

    w.apply(listed("app1", [rule(1, protocol=47), rule(2, protocol="sctp")]))
    with app2.capture("eth0") as capture:
        sent("denied", 99)
        sent("allowed", 47)
        assert app2.eventually(lambda: b"allowed" in capture.file.read_bytes())
    assert b"denied" not in capture.file.read_bytes()


def test_the_device_reaches_all_and_its_neighbours_nobody(w: World) -> None:
    """A host of the site that has a route to the instance's subnet is not the device."""
    w.apply(*(listed(name, NOTHING) for name in NAMES[:2]))
    gw, device, two = w.lab.gw, w.lab.device, address(w, "app2")
    assert device.http(f"http://{two}", interface="nm-ni1").startswith("I am app2")
    assert device.ping(two)
    gw.run(["ip", "route", "add", "10.10.1.0/24", "via", "192.168.0.2"])
    try:
        for name in ("app2", "app3"):
            assert not gw.ping(address(w, name), timeout=1)
        # Even if the device's own table let it pass.
        w.sh("nft insert rule inet netnsmgr_uplink forward oifname nm-ni1 counter accept")
        with w.lab.apps["app2"].capture("eth0", "icmp") as capture:
            assert not gw.ping(two, timeout=1)
        assert capture.stop() == []
    finally:
        gw.run(["ip", "route", "del", "10.10.1.0/24"])


def test_what_the_device_began_goes_on_while_lists_change(w: World) -> None:
    with Stream(w.lab.device, w.lab.apps["app2"], address(w, "app2"), 9100) as stream:
        for turn in range(3):
            w.apply(listed("app2", [rule(1 + turn, "drop")]), listed("app1", [rule(1 + turn)]))
    assert stream.lost == 0


def test_ipv6_between_applications(w: World) -> None:
    """Link-local addresses: allowed without lists and by one that allows all, denied by any other."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]

    def reached() -> bool:
        return app1.ping(f"{link_local(app2)}%eth0", timeout=1)

    app1.eventually(reached, timeout=5)
    assert reached()
    w.apply(listed("app2", [rule(1, ip="10.0.0.0/8")]))
    assert not reached()
    # Neighbours are found all the same.
    app1.run(["ip", "-6", "neigh", "flush", "dev", "eth0"])
    assert not reached()
    found = app1.run(["ip", "-6", "neigh", "show", link_local(app2), "dev", "eth0"]).stdout
    assert f"lladdr {mac(app2)}" in found
    w.apply(listed("app1", EVERYTHING), listed("app2", EVERYTHING))
    assert reached()


def test_an_answer_of_ipv6_is_denied_when_the_list_is(w: World) -> None:
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    ping = app1.popen(["ping", "-n", "-i", "0.02", "-c", "500", f"{link_local(app2)}%eth0"])
    ping.wait_line("bytes from")
    w.apply(listed("app2", NOTHING))
    with app1.capture("eth0", "icmp6[0] == 129") as capture:
        go_on(0.3)
    ping.stop()
    assert capture.stop() == []


def link_local(host: AppHost) -> str:
    shown = host.run(["ip", "-6", "address", "show", "dev", "eth0"]).stdout
    found = re.search(r"inet6 (fe80::\S+)/64", shown)
    assert found, shown
    return found[1]


def test_indices_in_marks_and_in_the_file(w: World) -> None:
    """The layout that others read: epoch, action and index in a flow's mark, and whose rules the indices are."""
    w.apply(listed("app1", [rule(7, "drop", protocol="tcp", fport=81), rule(9)]), listed("app2", [rule(3)]))
    blocks = marks_of(w)
    with Stream(w.lab.apps["app1"], w.lab.apps["app2"], address(w, "app2"), 9101):
        asks(w, 81)
        mark = int(
            w.sh("grep -o 'dport=9101.*mark=[0-9]*' /proc/net/nf_conntrack | head -1", "ni1").rpartition("=")[
                2
            ]
        )
    index = mark & 0x3FFFF
    (base, ids) = next((b["base"], b["ids"]) for b in blocks if b["app"] == "app1" and b["ids"] == [7, 9])
    assert (index, mark >> 18 & 3, ids[index - base - 1]) == (base + 2, 0, 9)
    assert 1 <= mark >> 20 <= 4095
    hits = w.sh("nft list set inet netnsmgr_acl hits", "ni1")
    assert f"{1 << 18 | base + 1:#010x} counter packets" in hits
    assert "size 262144" in hits


def marks_of(w: World) -> list[dict[str, Any]]:
    text = w.lab.path("/run/netnsmgr/instances/ni1/etc/rules.json").read_text()
    found: list[dict[str, Any]] = json.loads(text)["blocks"]
    return found


def test_an_interface_whose_list_is_not_there_passes_nothing(w: World) -> None:
    """However it comes about: here its parts are removed while the agent is not looking."""
    app1 = w.lab.apps["app1"]
    w.apply(listed("app1", EVERYTHING))
    assert asks(w) == "app2"
    w.sh("kill -STOP " + str(w.agent("ni1")["pid"]))
    try:
        number = vif(w, "app1/eth0")
        w.sh(f"nft delete element inet netnsmgr_acl out_lists {{ {number} }}", "ni1")
        assert asks(w) == SILENCE
        assert asks(w, source="app2", target="app1") == "app1"
        w.sh(f"nft delete element inet netnsmgr_acl in_lists {{ {number << 16} }}", "ni1")
        assert asks(w, source="app2", target="app1") == SILENCE
        w.sh("nft delete element bridge netnsmgr_vif from_vif { app1.eth0 }", "ni1")
        assert not app1.ping("10.10.1.1", timeout=1)
        with w.lab.apps["app2"].capture("eth0", "arp") as capture:
            app1.run(["ip", "neigh", "flush", "dev", "eth0"])
            app1.ping(address(w, "app2"), timeout=1)
        assert capture.stop() == []
    finally:
        w.sh("kill -CONT " + str(w.agent("ni1")["pid"]))
    w.eventually(lambda: asks(w) == "app2", "the agent has put it back")


def vif(w: World, group: str) -> int:
    return int(json.loads(w.lab.path("/run/netnsmgr/instances/ni1/numbers.json").read_text())["vifs"][group])
