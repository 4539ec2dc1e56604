"""``netnsmgr why`` and ``netnsmgr flows`` in IPv6: what is said is what the kernel does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.scenarios.documents import app, device, instance
from tests.scenarios.ipv6 import GITHUB6, GOOGLE6, dual, only6, port6
from tests.scenarios.portmaps import port_map
from tests.scenarios.test_ipv6_portmaps import static
from tests.scenarios.world import World

pytestmark = pytest.mark.root

PING = {"id": 1, "match": {"protocol": "icmpv6"}}
ONE = [
    PING,
    {"id": 2, "match": {"host": "github.com"}},
    {"id": 3, "match": {"ip": ["2001:db8::/48", "192.168.0.0/24"]}},
    {"id": 4, "match": {"eidset": True, "protocol": "tcp", "fport": 80}},
    {"id": 5, "match": {"eidset": True, "protocol": "tcp", "fport": 90}, "action": "reject"},
    {"id": 6, "match": {"ip": "fe80::/10", "protocol": "tcp", "fport": 80}},
]
TWO = [{"id": 7, "match": {"eidset": True, "protocol": "tcp", "fport": 80}}, port_map(), PING]
FIVE = [{"id": 1, "match": {"ip": "203.0.113.10"}}, {"id": 2, "match": {"ip": "192.168.0.0/24"}}]
APP1, APP2, APP5, APP6 = "fd00:10:1::10", "fd00:10:1::20", "fd00:10:5::50", "2001:db8:6::60"
DOORS = "2001:db8::2", "2001:db8:1::2"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """Hidden behind the device (ni1), only IPv4 (ni4), only IPv6 with NAT64 (ni5), routed (ni6)."""
    with World(ipv6=True) as made:
        hosts = {name: made.lab.app(name) for name in ("app1", "app2", "app4", "app5", "app6")}
        made.apply(
            device(port6(0), port6(1)),
            dual("ni1", flowLog=True),
            instance("ni4", "10.10.4"),
            only6("ni5", "fd00:10:5", nat64={}),
            only6("ni6", "2001:db8:6", ipv6={"uplink": "routed"}),
            app("app1", "ni1", address6=APP1, acl=ONE),
            app("app2", "ni1", address6=APP2, acl=TWO),
            app("app4", "ni4"),
            app("app5", "ni5", address6=APP5, acl=FIVE),
            app(
                "app6",
                "ni6",
                address6=APP6,
                acl=[PING, {"id": 2, "match": {"protocol": "tcp"}, "direction": "out"}],
            ),
        )
        for name, address in (("app1", APP1), ("app2", APP2), ("app5", APP5), ("app6", APP6)):
            static(hosts[name], address)
            hosts[name].serve_http()
        hosts["app1"].dhcp("eth0")
        hosts["app4"].dhcp("eth0")
        made.lab.gw.run(["ip", "route", "add", "2001:db8:6::/64", "via", "2001:db8::2"])
        made.until(lambda: made.interface("ni4", "app4").get("addresses"), "app4's lease is told")
        yield made


def one(w: World, *arguments: str, code: int) -> dict[str, Any]:
    done = w.command("why", *arguments, "-o", "json", code=code)
    (found,) = json.loads(done.stdout)["answers"]
    return dict(found)


def rules(answer: Mapping[str, Any]) -> list[tuple[str, str, int | None, str]]:
    return [(said["app"], said["direction"], said["rule"], said["action"]) for said in answer["lists"]]


@pytest.mark.parametrize(
    ("arguments", "code", "outcome", "decided"),
    [
        (["app1", "--to", f"[{GITHUB6}]:80"], 1, "no answer", [("app1", "out", 0, "drop")]),
        (["app1", "--to", "[2001:db8::1]:80"], 0, "refused", [("app1", "out", 3, "allow")]),
        (["app1", "--to", f"{GOOGLE6}/icmp"], 0, "answered", [("app1", "out", 1, "allow")]),
        (
            ["app1", "--to", f"[{APP2}]:80"],
            0,
            "connected",
            [("app1", "out", 4, "allow"), ("app2", "in", 7, "allow")],
        ),
        (["app1", "--to", f"[{APP2}]:90"], 1, "refused", [("app1", "out", 5, "reject")]),
        (
            ["app1", "--to", f"[{DOORS[0]}]:8080"],
            0,
            "connected",
            [("app1", "out", 3, "allow"), ("app2", "in", 8080, "allow")],
        ),
        (["app5", "--to", "[fd6e:6d64::c0a8:1]:53/tcp"], 0, "connected", [("app5", "out", 2, "allow")]),
        (["app2", "--from", "device", "--to-port", "80", "--interface", "eth0"], 0, "connected", []),
        (["app6", "--to", "[2001:db8::1]:81"], 0, "refused", [("app6", "out", 2, "allow")]),
    ],
)
def test_live(
    w: World, arguments: list[str], code: int, outcome: str, decided: list[tuple[str, str, int | None, str]]
) -> None:
    """A packet is sent; the kernel says by which rules it passed or did not, as was expected."""
    found = one(w, *arguments, "--live", code=code)
    assert rules(found["live"]) == decided
    assert found["live"]["outcome"].startswith(outcome), found["live"]
    assert (found["live"]["allowed"], found["live"]["differs"]) == (code == 0, "")


def link_local(w: World, name: str) -> str:
    (address,) = w.lab.apps[name].addresses6("eth0", scope="link")
    return address.partition("/")[0]


def test_a_neighbour_by_its_link_local_address(w: World) -> None:
    """It is who has that MAC; nobody else's such address leads anywhere."""
    two = link_local(w, "app2")
    found = one(w, "app1", "--to", f"[{two}]:80", "--live", code=1)
    assert rules(found) == [("app1", "out", 6, "allow"), ("app2", "in", 0, "drop")]
    assert (found["live"]["verdict"], found["live"]["differs"]) == ("drop", ""), found["live"]
    assert "known to hold fe80::77" in one(w, "app1", "--to", "[fe80::77]:80", code=1)["reason"]


def test_names_have_addresses_of_both_versions(w: World) -> None:
    """The DNS of the instance is asked for both; with an address that nobody routes IPv4 is tried first (RFC 6724)."""
    found = one(w, "app1", "--to", "github.com:80", code=0)
    (other,) = found["others"]
    assert (found["flow"]["dst"], other["dst"]) == ("203.0.113.10", GITHUB6)
    assert (other["allowed"], other["verdict"], other["reason"]) == (True, "allow", None)
    assert rules(found) == [("app1", "out", 2, "allow")]
    only = one(w, "app1", "--to", "v6only.example/icmp", code=0)
    assert (only["flow"]["dst"], only["flow"]["type"]) == ("2001:db8:ffff::86", "echo-request")
    assert one(w, "app1", "--to", "app2:80", code=0)["flow"]["dst"] == APP2
    text = w.command("why", "app1", "--to", "v6only.example:80", code=1).stdout
    assert "v6only.example (2001:db8:ffff::86) port 80/tcp: dropped" in text


def test_the_ways_out(w: World) -> None:
    """Behind the device's address, by the translator, with an own address; and none at all."""
    hidden = one(w, "app1", "--to", "2001:db8:ffff::81/icmp", code=0)["path"]
    assert "source address becomes fd6e:6d00::1 (nat66)" in hidden[1]["what"]
    assert "by port eth0, via 2001:db8::1; masqueraded as 2001:db8::2" in hidden[2]["what"]
    translated = one(w, "app5", "--to", "[fd6e:6d64::cb00:710a]:80", code=0)["path"]
    assert "stands for 203.0.113.10; goes on as IPv4" in translated[1]["what"]
    written = one(w, "app5", "--to", "203.0.113.10:80", code=0)
    assert (written["flow"]["dst"], rules(written)) == ("fd6e:6d64::cb00:710a", [("app5", "out", 1, "allow")])
    assert written["path"] == translated
    assert "via 192.168.0.1; masqueraded as 192.168.0.2" in translated[2]["what"]
    routed = one(w, "app6", "--to", "[2001:db8:ffff::81]:80", code=0)["path"]
    assert "source address stays as it is (routed)" in routed[1]["what"]
    assert "not translated: the site has to route the subnet to 2001:db8::2" in routed[2]["what"]
    assert "ni4 has no IPv6" in one(w, "app4", "--to", f"[{GITHUB6}]:80", code=1)["reason"]


def test_from_outside(w: World) -> None:
    """By the port map, written as it is reached; to an address that the site routes without any."""
    found = one(w, "app2", "--from", "2001:db8::9", "--to-port", "80", code=0)
    assert rules(found) == [("app2", "in", 8080, "allow")]
    assert found["notes"] == [f"also open at [{DOORS[1]}]:8080"]
    assert f"port map tcp [{DOORS[0]}]:8080 → [fd6e:6d00::1]:8080" in found["path"][0]["what"]
    ping = one(w, "app6", "--from", "2001:db8::1", "--to-port", "icmp", code=0)
    assert rules(ping) == [("app6", "in", 1, "allow")]
    assert w.lab.gw.ping(APP6)
    assert rules(one(w, "app6", "--from", "2001:db8::1", "--to-port", "80", code=1)) == [
        ("app6", "in", 0, "drop")
    ]
    assert "no port map leads" in one(w, "app1", "--from", "2001:db8::1", "--to-port", "80", code=1)["reason"]
    assert "ni4 has no IPv6" in one(w, "app4", "--from", "2001:db8::1", "--to-port", "80", code=1)["reason"]


def records(w: World, app: str, *options: str) -> list[dict[str, Any]]:
    done = w.command("flows", app, "-o", "json", *options, code=None)
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"] if done.stdout else []
    return found


def test_flows_drops_and_questions(w: World) -> None:
    """Over IPv6 each is recorded as over IPv4 is; addresses stand in brackets where a port follows."""
    app1 = w.lab.apps["app1"]
    assert w.lab.gw.http(f"http://[{DOORS[0]}]:8080").startswith("I am app2")
    assert app1.http(f"http://[{APP2}]").startswith("I am app2")
    assert app1.resolve("github.com", "fd00:10:1::1", kind="AAAA") == [GITHUB6]
    w.eventually(lambda: any(r["name"] == "github.com" for r in records(w, "app1", "--dns")), "the question")
    asked = next(r for r in records(w, "app1", "--dns") if r["query"] == "AAAA" and r["name"] == "github.com")
    assert (asked["answers"], asked["interface"]) == ([GITHUB6], "eth0")
    assert app1.ping(GOOGLE6)
    app1.run(["curl", "-m", "1", f"http://[{GOOGLE6}]"], check=False)

    def seen(app: str, **wanted: Any) -> list[dict[str, Any]]:
        return [r for r in records(w, app) if wanted.items() <= r.items()]

    w.eventually(lambda: seen("app1", type="drop", dst=GOOGLE6, dport=80, rule=0), "the drop")
    w.eventually(lambda: seen("app1", protocol="icmpv6", dst=GOOGLE6, icmpType=128, rule=1), "the echo")
    w.eventually(lambda: seen("app2", direction="in", dport=80, src=APP1, peer="app1", rule=7), "between")
    w.eventually(lambda: seen("app1", service="dns", dst="fd00:10:1::1", dport=53), "the question's flow")
    w.eventually(lambda: seen("app2", direction="in", dport=8080, src="2001:db8::1"), "by the port map")
    mapped = seen("app2", direction="in", dport=8080, src="2001:db8::1")[-1]
    assert (mapped["rule"], mapped["translated"]["dst"], mapped["translated"]["dport"]) == (8080, APP2, 80)
    text = w.command("flows", "app2").stdout
    assert "[fd6e:6d00::1]:8080" in text
    assert f"[{APP2}]:80" in text
