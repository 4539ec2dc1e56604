"""Why a flow passes and where it goes, from documents and statuses alone."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from netnsmgr.features.acl.why import Known
from netnsmgr.pubsub import tables
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why import outbound
from netnsmgr.supervisor.why_answer import Asked
from netnsmgr.supervisor.why_in import between, from_device, inbound

Document = dict[str, Any]
WEB = {"match": {"eidset": True, "protocol": "tcp", "fport": 80}}
MAP = {"match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}}
NARROW = {"match": {"protocol": "tcp", "lport": 9090, "ip": "10.9.0.0/16"}, "action": {"portmap": 90}}
HELD = {
    "app1/eth0": "10.1.0.50",
    "app1/eth1": "192.168.1.51",
    "app2/eth0": "192.168.1.52",
    "app3/eth0": "10.3.0.50",
}


def document(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def app(name: str, **lists: list[Document] | None) -> Document:
    interfaces: list[Document] = []
    for number, (network, rules) in enumerate(lists.items()):
        acl = None if rules is None else [{"id": 10 * n} | each for n, each in enumerate(rules, 1)]
        interfaces.append({"name": f"eth{number}", "network": network} | ({"acl": acl} if acl else {}))
    return document("App", name, {"attach": {"netns": name}, "interfaces": interfaces})


def network(name: str, subnet: str, *ports: str) -> Document:
    return document("NetworkInstance", name, {"ports": list(ports), "subnets": [subnet], "dhcp": {}})


def port(number: int, state: str = "up", **more: Any) -> Document:
    prefix = f"192.168.{number}"
    row = {"addresses": [f"{prefix}.2/24"], "gateways": [f"{prefix}.1"], "dns": [f"{prefix}.1"]}
    return {"name": f"eth{number}", "interface": f"eth{number}", "state": state} | row | more


def site(*ports: Document, held: dict[str, str] | None = None, app1: list[Document] | None = None) -> Site:
    """app1 in ni1 and ni2, app2 in ni2 with port maps, app3 in ni3, which is air-gapped; ni1 leaves by eth0, then eth1."""
    first: list[Document] = [
        {"match": {"host": "github.com"}},
        {"match": {"ip": "192.168.0.0/16"}, "action": "reject", "direction": "out"},
    ]
    last = {"match": {"ip": "203.0.113.0/24"}, "action": {"limit": {"rate": "5/second"}}}
    apps = [
        app("app1", ni1=[*first, last] if app1 is None else app1, ni2=[WEB]),
        app("app2", ni2=[WEB, MAP, NARROW]),
        app("app3", ni3=None),
    ]
    device = {"ports": [{"name": "eth0"}, {"name": "eth1", "cost": 5}]}
    instances = [
        network("ni1", "10.1.0.0/24", "eth1", "eth0"),
        network("ni2", "192.168.1.0/24", "eth0"),
        network("ni3", "10.3.0.0/24"),
    ]
    addresses = HELD if held is None else held
    networks = {"app1/eth0": "ni1", "app1/eth1": "ni2", "app2/eth0": "ni2", "app3/eth0": "ni3"}
    rows = {
        f"{networks[name]}/{name}": {"addresses": [{"address": address, "expires": 0}]}
        for name, address in addresses.items()
    }
    return Site(
        {
            tables.DEVICE_CONFIG: {"edge": document("Device", "edge", device)},
            tables.INSTANCE_CONFIG: {each["metadata"]["name"]: each for each in instances},
            tables.APP_CONFIG: {each["metadata"]["name"]: each for each in apps},
            tables.DEVICE_STATUS: {"edge": {"ports": list(ports or (port(0), port(1)))}},
            tables.INSTANCE_STATUS: {name: {"number": n} for n, name in enumerate(("ni1", "ni2", "ni3"))},
            tables.APP_STATUS: rows,
        },
        "/run/netnsmgr",
    )


def ask(
    where: Site, app: str, to: str, port: int = 80, protocol: int = 6, interface: int = 0, **known: Any
) -> Document:
    one = where.config.apps[app]
    asked = Asked(ip_address(to), protocol, port, name=known.get("name", ""))
    return outbound(where, (one, one.spec.interfaces[interface]), asked, Known(**({"hosts": {}} | known)))


def said(answer: Document) -> list[tuple[str, int | None, str, bool]]:
    return [(each["app"], each["rule"], each["action"], each["asked"]) for each in answer["lists"]]


def way(answer: Document) -> str:
    return "\n".join(f"{hop['at']}: {hop['what']}" for hop in answer["path"])


def test_a_name_by_the_kernel_s_set() -> None:
    """What the set holds decides; then out by the port that costs least, masqueraded there."""
    found = ask(site(), "app1", "140.82.121.3", 443, hosts={"github.com": {ip_address("140.82.121.3")}})
    assert (found["allowed"], found["verdict"]) == (True, "allow")
    assert said(found) == [("app1", 10, "allow", True)]
    assert found["lists"][0]["words"] == "host github.com: allow"
    assert "source address becomes 169.254.100.1" in way(found)
    assert "table 800: by port eth0, via 192.168.0.1; masqueraded as 192.168.0.2" in way(found)
    assert found["path"][-1]["ports"] == ["eth0 (cost 0): usable", "eth1 (cost 5): usable"]


def test_a_name_without_root() -> None:
    """Names are compared instead, and what needs addresses is said to be left out."""
    unknown: Document = {"hosts": None, "name": "www.github.com", "placeholder": True}
    found = ask(site(), "app1", "0.0.0.0", **unknown)
    assert found["allowed"]
    assert found["flow"]["dst"] is None
    other = ask(site(), "app1", "0.0.0.0", **unknown | {"name": "example.com"})
    assert not other["allowed"]
    assert any("rule 20, 30 of app1/eth0 was left out" in note for note in other["notes"])


@pytest.mark.parametrize(
    ("to", "verdict", "rule"),
    [("192.168.9.9", "reject", 20), ("203.0.113.9", "limit", 30), ("198.51.100.1", "drop", 0)],
)
def test_each_verdict(to: str, verdict: str, rule: int) -> None:
    found = ask(site(), "app1", to)
    assert (found["verdict"], found["lists"][0]["rule"]) == (verdict, rule)
    assert found["allowed"] is (verdict == "limit")


def test_another_application() -> None:
    """Both lists are asked; when the first denies, the second is told all the same."""
    found = ask(site(), "app2", "192.168.1.51")
    assert said(found) == [("app2", 10, "allow", True), ("app1", 10, "allow", True)]
    assert "delivered on the bridge bn0 to app1/eth1" in way(found)
    denied = ask(site(), "app2", "192.168.1.51", 81)
    assert said(denied) == [("app2", 0, "drop", True), ("app1", 0, "drop", False)]


def test_no_list() -> None:
    found = ask(site(), "app3", "10.3.0.9")
    assert found["lists"][0]["hasList"] is False
    assert (found["verdict"], found["allowed"]) == ("allow", False)
    assert found["reason"] == "no application of ni3 is known to hold 10.3.0.9"


@pytest.mark.parametrize(
    ("to", "port", "protocol"), [("10.1.0.1", 53, 17), ("10.1.0.1", 53, 6), ("169.254.169.254", 80, 6)]
)
def test_services_are_always_allowed(to: str, port: int, protocol: int) -> None:
    found = ask(site(), "app1", to, port, protocol)
    assert found["allowed"]
    assert found["lists"] == []
    assert found["service"].startswith("always allowed")


def test_what_leads_nowhere() -> None:
    """Air-gapped, no address yet, no port that is up, IPv6, another instance's link."""
    assert "air-gapped" in ask(site(), "app3", "1.1.1.1")["reason"]
    assert "no address in ni3 yet" in ask(site(held={}), "app3", "10.3.0.1", 53, 17)["reason"]
    opened = site(port(0, "down"), port(1, addresses=[]), app1=[{"match": {}}])
    assert "eth0 (cost 0): down; eth1 (cost 5): no address" in ask(opened, "app1", "1.1.1.1")["reason"]
    everything = site(app1=[{"match": {}}])
    assert "no IPv6" in ask(everything, "app1", "2001:db8::1")["reason"]
    assert "no way leads from one instance to another" in ask(everything, "app1", "169.254.100.5")["reason"]
    assert "ICMP only" in ask(everything, "app1", "192.168.0.2", 22)["reason"]
    assert ask(everything, "app1", "192.168.0.2", 8 << 8, 1)["allowed"]


def test_the_next_port_when_the_first_is_down() -> None:
    found = ask(site(port(0, "down"), port(1), app1=[{"match": {}}]), "app1", "1.1.1.1")
    assert "by port eth1, via 192.168.1.1" in way(found)
    near = ask(site(app1=[{"match": {}}]), "app1", "192.168.1.77")
    assert "by port eth1, on its own network" in way(near)


def test_a_port_map_from_another_network() -> None:
    """The device's port leads around into ni2: app2's list is asked as for any other sender."""
    found = ask(site(app1=[{"match": {}}]), "app1", "192.168.0.2", 8080)
    assert said(found) == [("app1", 10, "allow", True), ("app2", 20, "allow", True)]
    assert "169.254.100.3:8080 → 192.168.1.52:80, which is app2/eth0" in way(found)
    assert found["passes"] == ["ni1", "ni2"]


def test_from_outside() -> None:
    where = site()
    two = where.config.apps["app2"]
    member = (two, two.spec.interfaces[0])

    def from_(sender: str, port: int, protocol: int = 6) -> Document:
        return inbound(
            where, member, Asked(ip_address("0.0.0.0"), protocol, port), IPv4Address(sender), Known({})
        )

    found = from_("192.168.0.9", 80)
    assert (found["allowed"], said(found)) == (True, [("app2", 20, "allow", True)])
    assert found["flow"]["dst"] == "192.168.0.2"
    assert found["flow"]["dport"] == 8080
    assert found["notes"] == ["also open at 192.168.1.2:8080"]
    assert from_("192.168.0.9", 8080)["allowed"], "the device's own port is understood"
    assert "becomes 169.254.100.2" in way(from_("192.168.1.9", 80))
    assert "192.168.0.9 is not among them" in from_("192.168.0.9", 90)["reason"]
    assert from_("10.9.1.1", 90)["allowed"]
    assert "no port map leads to 80/udp" in from_("192.168.0.9", 80, 17)["reason"]
    assert "its port maps: tcp 8080 → 80, tcp 9090 → 90" in from_("192.168.0.9", 81)["reason"]


def test_from_the_device_and_from_applications() -> None:
    where = site(app1=[{"match": {}}])
    one, two = where.config.apps["app1"], where.config.apps["app2"]
    member = (two, two.spec.interfaces[0])
    asked = Asked(ip_address("0.0.0.0"), 6, 80)
    assert from_device(where, member, asked)["allowed"]
    near = between(where, (one, one.spec.interfaces[1]), member, asked, Known({}))
    assert said(near) == [("app1", 10, "allow", True), ("app2", 10, "allow", True)]
    far = between(where, (one, one.spec.interfaces[0]), member, asked, Known({}))
    assert said(far) == [("app1", 10, "allow", True), ("app2", 20, "allow", True)]
    gone = site(held={})
    assert "app2/eth0 has no address in ni2 yet" in between(gone, member, member, asked, Known({}))["reason"]
