"""Why a flow of a switch's application passes: the lists of both ends, whoever has which address."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netnsmgr.features.acl.why import Known, Member
from netnsmgr.pubsub import tables
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why import holder, outbound
from netnsmgr.supervisor.why_answer import Asked
from netnsmgr.supervisor.why_in import between, from_device, inbound
from tests.unit.supervisor.test_why import app, document, network, said, way

EIDS = [{"match": {"eidset": True, "protocol": "tcp", "fport": 80}}]
INWARD = [{"match": {"protocol": "tcp", "lport": 80, "ip": "10.0.0.0/8"}, "direction": "in"}]
HELD = {"app1": "10.0.0.1", "app2": "10.0.0.2", "app3": "10.0.0.3"}
OUTSIDE = "10.0.0.9"


def site(*ports: str, **spec: Any) -> Site:
    """app1 to app3 on the switch sw, app4 in the local network ni."""
    apps = [app("app1", sw=EIDS), app("app2", sw=INWARD), app("app3", sw=None), app("app4", ni=None)]
    switch = document("NetworkInstance", "sw", {"type": "switch", "ports": list(ports), **spec})
    device = document("Device", "edge", {"ports": [{"name": "eth3"}]})
    rows = {
        f"sw/{name}/eth0": {"addresses": [{"address": address, "source": source, "expires": None}]}
        for (name, address), source in zip(HELD.items(), ("dhcp", "arp", "arp"), strict=True)
    }
    return Site(
        {
            tables.DEVICE_CONFIG: {"edge": device},
            tables.INSTANCE_CONFIG: {"sw": switch, "ni": network("ni", "10.0.0.0/24")},
            tables.APP_CONFIG: {each["metadata"]["name"]: each for each in apps},
            tables.INSTANCE_STATUS: {"sw": {"number": 0}, "ni": {"number": 1}},
            tables.APP_STATUS: rows,
        },
        "/run/netnsmgr",
    )


def member(where: Site, name: str) -> Member:
    return where.members(where.config.apps[name])[0]


def to(where: Site, name: str, address: str, port: int = 80, protocol: int = 6, **known: Any) -> Any:
    asked = Asked(ip_address(address), protocol, port)
    return outbound(where, member(where, name), asked, Known(**({"hosts": {}} | known)))


def asks(version: str = "0.0.0.0", port: int = 80) -> Asked:
    return Asked(ip_address(version), 6, port)


def test_to_another_application_both_lists_are_asked() -> None:
    found = to(site("eth3"), "app1", HELD["app2"])
    assert found["allowed"]
    assert said(found) == [("app1", 10, "allow", True), ("app2", 10, "allow", True)]
    assert "bridges it to app2/eth0" in way(found)


def test_to_the_outside_no_application_is_meant() -> None:
    where = site("eth3")
    assert said(to(where, "app1", OUTSIDE)) == [("app1", 0, "drop", True)], (
        "eidset is not whoever has an address"
    )
    found = to(where, "app3", OUTSIDE)
    assert found["allowed"]
    assert "bridges it to eth3" in way(found)


def test_from_the_outside_the_list_for_in_decides() -> None:
    where = site("eth3")
    found = inbound(where, member(where, "app2"), asks(), ip_address(OUTSIDE), Known({}))
    assert (found["allowed"], said(found)) == (True, [("app2", 10, "allow", True)])
    found = inbound(where, member(where, "app1"), asks(), ip_address(OUTSIDE), Known({}))
    assert (found["allowed"], said(found)) == (False, [("app1", 0, "drop", True)])


def test_from_another_application() -> None:
    where = site("eth3")
    found = between(where, member(where, "app3"), member(where, "app2"), asks(), Known({}))
    assert found["allowed"]
    assert holder(where.scope("sw"), ip_address(HELD["app3"])) == member(where, "app3")


@pytest.mark.parametrize("who", ["app4", "device"])
def test_who_is_not_on_the_switch_comes_from_outside(who: str) -> None:
    where = site("eth3")
    two = member(where, "app2")
    found = (
        from_device(where, two, asks())
        if who == "device"
        else between(where, member(where, who), two, asks(), Known({}))
    )
    assert not found["allowed"]
    assert "is not on the switch sw" in found["reason"]
    found = between(where, two, member(where, "app4"), asks(), Known({}))
    assert not found["allowed"]


def test_a_switch_without_ports_leads_nowhere() -> None:
    where = site()
    assert "air-gapped" in to(where, "app3", OUTSIDE)["reason"]
    assert (
        "air-gapped"
        in inbound(where, member(where, "app2"), asks(), ip_address(OUTSIDE), Known({}))["reason"]
    )


def test_services_need_no_rule() -> None:
    where = site("eth3", dns={"servers": ["10.0.0.53"]})
    for address, port, protocol in (
        ("10.0.0.53", 53, 17),
        ("255.255.255.255", 67, 17),
        ("169.254.169.254", 80, 6),
    ):
        found = to(where, "app1", address, port, protocol)
        assert (found["allowed"], found["lists"]) == (True, []), address
        assert "always allowed" in found["service"]
    found = to(site("eth3"), "app1", "10.0.0.53", 53, 17)
    assert not found["allowed"]
    assert "DHCP" in found["notes"][0]
