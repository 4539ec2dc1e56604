"""Access lists: what EVE means by them is kept, or the rule is left out, never widened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config.eve.written import (
    Json,
    accepted,
    app,
    converted,
    device,
    faults,
    instance,
    interface,
    notes,
    port,
    rule,
    spec,
    switch,
)


def acl(*rules: Json, network: str = "ni1", **more: Any) -> Any:
    """Return what becomes of an access list."""
    found = accepted(device(instance(), switch(), app("app1", interface(network, acls=list(rules))), **more))
    return spec(found, "app1")["interfaces"][0]["acl"]


def said(*rules: Json, network: str = "ni1", **more: Any) -> str:
    """Return what is said of an access list."""
    return notes(
        converted(device(instance(), switch(), app("app1", interface(network, acls=list(rules))), **more))
    )


def test_no_rules_allow_nothing() -> None:
    """In EVE as here, where an empty list would be refused."""
    assert acl() == [{"id": 1, "action": "drop"}]
    found = accepted(device(instance(), app("app1", {"networkId": "uuid-ni1"})))
    assert spec(found, "app1")["interfaces"][0]["acl"] == [{"id": 1, "action": "drop"}]


def test_the_order_stays() -> None:
    """The first that matches decides, whatever its number is."""
    rules = [rule({"ip": f"10.0.{n}.0/24"}, n) for n in (3, 1, 2)]
    assert [each["id"] for each in acl(*rules)] == [3, 1, 2]


@pytest.mark.parametrize(
    ("matches", "wanted"),
    [
        ({"ip": "10.0.0.0/8"}, {"ip": "10.0.0.0/8"}),
        ({"ip": "10.1.2.3/8"}, {"ip": "10.0.0.0/8"}),
        ({"ip": "10.1.2.3"}, {"ip": "10.1.2.3"}),
        ({"ip": "0.0.0.0/0"}, {"ip": "0.0.0.0/0"}),
        ({"ip": "2001:db8::/32"}, {"ip": "2001:db8::/32"}),
        ({"host": "GitHub.com"}, {"host": "github.com"}),
        ({"host": "10.1.2.3"}, {"ip": "10.1.2.3"}),
        ({"host": "10.0.0.0/8"}, {"ip": "10.0.0.0/8"}),
        ({"host": "github.com", "ip": "10.0.0.0/8"}, {"ip": "10.0.0.0/8", "host": "github.com"}),
        ({"eidset": ""}, {"eidset": True}),
        ({"eidset": "", "ip": "0.0.0.0/0"}, {"eidset": True}),
        ({"eidset": "", "protocol": "tcp", "fport": "80"}, {"eidset": True, "protocol": "tcp", "fport": 80}),
        ({"protocol": "tcp"}, {"protocol": "tcp"}),
        ({"protocol": "ICMP"}, {"protocol": "icmp"}),
        ({"protocol": "47"}, {"protocol": 47}),
        ({"protocol": "all", "ip": "10.0.0.0/8"}, {"ip": "10.0.0.0/8"}),
        ({"protocol": "udp", "fport": "1000:2000"}, {"protocol": "udp", "fport": "1000-2000"}),
        ({"protocol": "6", "lport": "22"}, {"protocol": 6, "lport": 22}),
    ],
)  # fmt: skip
def test_matches(matches: dict[str, str], wanted: Json) -> None:
    assert acl(rule(matches)) == [{"id": 1, "match": wanted}]
    assert said(rule(matches)) == ""


def test_no_matches_are_everything() -> None:
    assert acl({"id": 7}) == [{"id": 7}]


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ({"drop": True}, "drop"),
        ({"limit": True, "limitrate": 5, "limitunit": "s", "limitburst": 15}, {"limit": {"rate": "5/second", "burst": 15}}),
        ({"limit": True, "limitrate": 100, "limitunit": "m"}, {"limit": {"rate": "100/minute"}}),
        ({"limit": True, "limitrate": 100, "limitunit": "Hour"}, {"limit": {"rate": "100/hour"}}),
        ({"limit": True, "limitrate": 48, "limitunit": "day"}, {"limit": {"rate": "2/hour"}}),
        ({"limit": True}, {"limit": {"rate": "3/hour"}}),
    ],
)  # fmt: skip
def test_actions(action: Json, wanted: Any) -> None:
    """Units are the beginnings of words that iptables takes; what is left out is its default."""
    (found,) = acl(rule({"ip": "10.0.0.0/8"}, **action))
    assert found["action"] == wanted


def test_an_action_that_is_none_allows() -> None:
    assert acl(rule({"ip": "10.0.0.0/8"}, drop=False, limitrate=0)) == [
        {"id": 1, "match": {"ip": "10.0.0.0/8"}}
    ]


def test_a_direction_counts_here() -> None:
    rules = [rule({"ip": "10.0.0.0/8"}, 1) | {"dir": 1}, rule({"ip": "10.0.0.0/8"}, 2) | {"dir": "EGRESS"}]
    assert [each.get("direction") for each in acl(*rules)] == ["in", "out"]
    assert "acls[0].dir: EVE takes no notice of a rule's direction; here it counts (also" in said(*rules)


MAP = {"protocol": "tcp", "lport": "8080"}
TWO = (port("eth0", sharedLabels=["site"]), port("eth1", addr="192.168.0.3", sharedLabels=["site"]))
MORE = (*TWO, port("eth2", addr="192.168.0.4"))


@pytest.mark.parametrize(
    ("ports", "label", "adapter", "wanted"),
    [
        ((port(),), "eth0", None, None),
        (TWO, "eth0", None, "eth0"),
        (TWO, "uplink", None, None),
        (MORE, "site", None, "site"),
        (MORE, "uplink", "site", "site"),
        (MORE, "eth1", "site", "eth1"),
        (MORE, "site", "all", "site"),
    ],
)
def test_a_port_map_is_open_where_eve_opens_it(
    ports: Any, label: str, adapter: str | None, wanted: str | None
) -> None:
    """At the ports of its network, or those of them with the label; here without `adapter` it would be all."""
    matches = MAP | ({"adapter": adapter} if adapter else {})
    found = accepted(device(instance(port={"name": label}), app("app1", interface("ni1", rule(matches, portmap=True, appPort=80))), ports=ports))  # fmt: skip
    match = {"protocol": "tcp", "lport": 8080} | ({"adapter": wanted} if wanted else {})
    assert spec(found, "app1")["interfaces"][0]["acl"] == [
        {"id": 1, "match": match, "action": {"portmap": 80}}
    ]


def test_a_port_map_with_senders() -> None:
    (found,) = acl(rule(MAP | {"ip": "192.168.0.0/16"}, portmap=True, appPort=80))
    assert found["match"] == {"ip": "192.168.0.0/16", "protocol": "tcp", "lport": 8080}


@pytest.mark.parametrize(
    ("one", "network", "why"),
    [
        (rule(MAP, portmap=True, appPort=80), "sw1", "a port map in a switch (EVE refuses it, too)"),
        (rule(MAP | {"adapter": "nix"}, portmap=True, appPort=80), "ni1", "no port of its network has the label 'nix'"),
        (rule(MAP | {"host": "a.b"}, portmap=True, appPort=80), "ni1", "restricted by ip only"),
        (rule({"adapter": "uplink", "ip": "10.0.0.0/8"}), "ni1", "only a port map has an adapter"),
        (rule({"eidset": "", "ip": "10.0.0.0/8"}), "ni1", "eidset and ip exclude each other here"),
        (rule({"ip": "10.0.0.0/8"}, limit=True, limitrate=5, limitunit="d"), "ni1", "not days"),
        (rule({"protocol": "all", "fport": "80"}), "ni1", "fport with protocol all"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_left_out(one: Json, network: str, why: str) -> None:
    """Then less is allowed, and that is told; the last one leaves a list that allows nothing."""
    assert acl(one, network=network) == [{"id": 1, "action": "drop"}]
    note = said(one, network=network)
    assert "rule 1 is not carried over, so that less is allowed than in EVE" in note
    assert why in note


def test_what_cannot_be_forbidden_is_refused() -> None:
    """To leave out a rule that drops would allow more."""
    one = rule({"eidset": "", "ip": "10.0.0.0/8"}, drop=True)
    (found,) = faults(device(instance(), app("app1", interface("ni1", one))))
    assert "acls[0]: cannot be converted: eidset and ip exclude each other here" in found


def test_numbers() -> None:
    """Of rules that have none, or one that another has, as those after the highest."""
    rules = [rule({"ip": "10.0.0.0/8"}, n) for n in (5, 0, 5, -3)]
    assert [each["id"] for each in acl(*rules)] == [5, 6, 7, 8]
    assert "acls[1].id: the rule is number 6 here" in said(*rules)


def test_of_two_matches_of_one_kind_the_last_counts() -> None:
    one = rule({})
    one["matches"] = [{"type": "ip", "value": "10.0.0.0/8"}, {"type": "ip", "value": "10.1.0.0/16"}]
    assert acl(one) == [{"id": 1, "match": {"ip": "10.1.0.0/16"}}]
    assert "a second ip in one rule: as in EVE, only the last one counts" in said(one)


def test_switches_have_hosts_here() -> None:
    """In EVE they have not; the rule says what is meant all the same."""
    assert acl(rule({"host": "github.com"}), network="sw1") == [{"id": 1, "match": {"host": "github.com"}}]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (rule({"fport": "80"}), "matches: fport needs a protocol (EVE refuses it, too)"),
        (rule({"protocol": "tcp", "fport": "0"}), "value: port 0 must be from 1 to 65535"),
        (rule({"protocol": "tpc"}), "value: unknown protocol 'tpc'"),
        (rule({"ip": "10.0.0.0/33"}), "value: '10.0.0.0/33' is no prefix"),
        (rule({"ip": ""}), "value: is missing"),
        (rule({"host": "*.a.b"}), "value: '*.a.b' has a wildcard"),
        (rule({"port": "80"}), "type: 'port' is no match of EVE's: ip, host"),
        (rule({"eidset": "", "host": "a.b"}), "matches: host and eidset in one rule"),
        (rule(MAP, portmap=True), "appPort: must be from 1 to 65535"),
        (rule({"protocol": "tcp"}, portmap=True, appPort=80), "matches: a port map needs an lport"),
        (rule(MAP, portmap=True, appPort=80, drop=True), "actions: several actions in one rule"),
        (rule({}, limit=True, limitrate=5), "limitunit: must be s, m, h or d"),
        (rule({}, limit=True, limitrate=5, limitunit="w"), "limitunit: must be s, m, h or d"),
        (rule({}, limit=True, limitrate=2000000000, limitunit="s", limitburst=1) , "limitrate: '2000000000/second' is more"),
        (rule({}) | {"dir": 7}, "dir: is none of this enumeration"),
        (rule({}) | {"matches": [3]}, "matches[0]: must be an object {…}, not a number"),
        (rule({}) | {"id": "x"}, "id: must be a whole number, not a text"),
    ],
)  # fmt: skip
def test_what_is_wrong(one: Json, why: str) -> None:
    found = faults(device(instance(), app("app1", interface("ni1", one))))
    assert any(why in each for each in found), found
