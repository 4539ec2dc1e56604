"""On which ground addresses are learned, and how the status shows them and is read again."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from netnsmgr.agent.status import addresses
from netnsmgr.features.learnable import ground
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Delegated, Learned
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.lease import Lease
from netnsmgr.pubsub.tables import APP_STATUS, KIND_TABLE
from netnsmgr.supervisor.site import Site

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
NET = IPv6Network("fd00:10:1::/64")
LINKS = {"app1.eth0", "app2.eth0", "bn0", "uplink"}
MACS = {"app1": "02:00:00:00:00:01", "app2": "02:00:00:00:00:02"}


def documents(spec: dict[str, Any], **interface: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    instance = HEAD | {
        "kind": "NetworkInstance",
        "metadata": {"name": "ni1"},
        "spec": {"subnets": ["10.10.1.0/24", str(NET)], "ports": ["eth0"], **spec},
    }
    apps: list[dict[str, Any]] = [
        HEAD
        | {
            "kind": "App",
            "metadata": {"name": name},
            "spec": {
                "attach": {"netns": name},
                "interfaces": [
                    {"name": "eth0", "network": "ni1", "mac": mac, **(interface if name == "app1" else {})}
                ],
            },
        }
        for name, mac in MACS.items()
    ]
    return instance, apps


def scope(
    spec: dict[str, Any], *, leases: tuple[Lease, ...] = (), learned: tuple[Learned, ...] = (),
    link: LinkFacts | None = None, **interface: Any,
) -> InstanceScope:  # fmt: skip
    instance, apps = documents(spec, **interface)
    row = {
        "instance": instance,
        "apps": apps,
        "number": 0,
        "links": [["169.254.100.0", "169.254.100.1"], ["fd6e:6d00::", "fd6e:6d00::1"]],
        "hostnames": [["app1", "eth0", "app1"], ["app2", "eth0", "app2"]],
    }
    return instance_scope(
        row, link or LinkFacts(), run_dir="/run/n", state_dir="/state", netns_inode=1,
        leases=leases, learned=learned,
    )  # fmt: skip


def test_without_ipv6_there_is_none() -> None:
    assert ground(scope({"subnets": ["10.10.1.0/24"]}), LINKS) is None


def test_who_is_there_and_what_is_given() -> None:
    found = ground(scope({}, address6=str(NET[0x20])), LINKS - {"app2.eth0"})
    assert found is not None
    assert list(found.macs.values()) == [MACS["app1"]]
    assert found.prefixes == {NET}
    (one,) = found.macs
    assert (found.given[NET[1]], found.given[NET[0x20]]) == (None, one)
    assert not any(found.fits(one, address) for address in found.given)
    assert found.fits(one, NET[0x1005])
    assert found.fits(one, IPv6Address("fe80::1"))
    assert not found.fits(one, IPv6Address("fe80::ff:fe00:2"))
    assert not found.fits(one, NET[0xFF_FE00_0002])
    assert found.fits(one, NET[0xFF_FE00_0001])


@pytest.mark.parametrize(("how", "fits"), [("stateful", False), ("stateless", True), ("slaac", True)])
def test_what_the_server_gives_nobody_takes(how: str, fits: bool) -> None:
    found = ground(scope({"dhcp": {}, "ipv6": {"addressing": how}}), LINKS)
    assert found is not None
    one, _ = found.macs
    assert found.fits(one, NET[0x5005]) is fits
    assert found.fits(one, IPv6Address("fe80::5"))


def test_a_prefix_that_comes_and_goes() -> None:
    """Before the delegated prefix is known link-local addresses are learned; the old one stays while it is valid."""
    spec = {"subnets": ["10.10.1.0/24"], "ipv6": {"uplink": "delegated"}}
    waiting = ground(scope(spec), LINKS)
    assert waiting is not None
    assert waiting.prefixes == frozenset()
    assert waiting.fits(min(waiting.macs), IPv6Address("fe80::5"))
    new, old = IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:2::/64")
    found = ground(scope(spec, link=LinkFacts(delegated=(Delegated(new), Delegated(old, 10, 20)))), LINKS)
    assert found is not None
    assert (found.prefixes, found.leaving) == (frozenset({new, old}), frozenset({old}))


def test_the_status_of_addresses_and_back() -> None:
    first = scope({"dhcp": {}}, address6=str(NET[0x20]))
    one, two = first.numbers.vifs["app1/eth0"], first.numbers.vifs["app2/eth0"]
    local = IPv6Address("fe80::7")
    learned = (Learned(one, local), Learned(one, NET[5]), Learned(two, NET[6]))
    lease = Lease(MACS["app1"], first.instance.subnet4[9], expires=77)  # type: ignore[index]
    it = scope({"dhcp": {}}, address6=str(NET[0x20]), leases=(lease,), learned=learned)
    rows = {app.name: addresses(it, app, interface) for app, interface in it.interfaces}
    assert rows == {
        "app1": [
            {"address": "10.10.1.9", "source": "dhcp", "expires": 77},
            {"address": str(NET[0x20]), "source": "static", "expires": None},
            {"address": str(NET[5]), "source": "slaac", "expires": None},
            {"address": str(local), "source": "link-local", "expires": None},
        ],
        "app2": [{"address": str(NET[6]), "source": "slaac", "expires": None}],
    }
    instance, apps = documents({"dhcp": {}}, address6=str(NET[0x20]))
    tables: dict[str, dict[str, Any]] = {}
    for document in (instance, *apps):
        tables.setdefault(KIND_TABLE[document["kind"]], {})[document["metadata"]["name"]] = document
    tables[APP_STATUS] = {f"ni1/{name}/eth0": {"addresses": found} for name, found in rows.items()}
    seen = Site(tables, "/run/n").scope("ni1")
    assert [(each.mac, str(each.address), each.expires) for each in seen.leases_now] == [
        (MACS["app1"], "10.10.1.9", 77)
    ]
    named = {number: name for name, number in seen.numbers.vifs.items()}
    assert {(named[each.vif], each.address) for each in seen.learned} == {
        ("app1/eth0", local), ("app1/eth0", NET[5]), ("app2/eth0", NET[6])
    }  # fmt: skip
