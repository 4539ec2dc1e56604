"""What the interfaces of applications must be to their networks and each other; each case is what `faults` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


def test_host_names_of_apps(network: Make, app: Make, faults: Faults) -> None:
    """An app's name with an interface's behind it may be another app's name, or too long: both are refused."""
    assert faults(network(), app("a", {}, {"name": "b"}), app("a-b")) == [
        "2 metadata.name: host name 'a-b' in network 'ni1' is also that of app 'a'; rename the app or its interface"
    ]
    (fault,) = faults(network(), app("x" * 60, {}, {"name": "eth1"}))
    assert fault.startswith("1 spec.interfaces[1].name: host name '")
    assert fault.endswith("is longer than 63; shorten the app's name")


def test_unknown_network(network: Make, app: Make, faults: Faults) -> None:
    """An app's network exists; a name that is close is proposed, or the known ones are listed."""
    where = "spec.interfaces[0].network: unknown network"
    assert faults(network("net-north"), app("a", {"network": "net-nroth"})) == [
        f"1 {where} 'net-nroth'; did you mean 'net-north'?"
    ]
    assert faults(app()) == [f"0 {where} 'ni1'; there is none: add a NetworkInstance document"]
    many = [network(f"n{n:02}") for n in range(20)]
    (fault,) = faults(*many, app("a", {"network": "zzz"}))
    assert fault.endswith(
        "known are: n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, n10, n11 … and 8 more"
    )


def test_interface_names(network: Make, app: Make, faults: Faults) -> None:
    """Interfaces that meet in one namespace have different names, whichever apps they are of."""
    assert faults(network(), app("a", {}, {})) == [
        "1 spec.interfaces[1].name: duplicate interface name 'eth0' in this app; rename one"
    ]
    for attach, shown in (({"netns": "x"}, "x"), ({"pid": 4711}, "4711"), ({"container": "xy"}, "xy")):
        what = f"interface 'eth0' of app '{{}}' goes to the same namespace ({shown}); rename one of the interfaces"
        first, second = app("a", attach=attach), app("b", attach=attach)
        assert faults(network(), first, second) == [f"2 spec.interfaces[0].name: {what.format('a')}"]
        assert faults(first, before=(network(), second)) == [f"0 spec.interfaces[0].name: {what.format('b')}"]
        assert faults(network(), first, app("b", {"name": "eth1"}, attach=attach)) == []
    assert faults(network(), app("a", attach={"tap": True}), app("b", attach={"tap": True})) == []
    # The namespace that has a container's name is another one.
    assert faults(network(), app("a", attach={"netns": "xy"}), app("b", attach={"container": "xy"})) == []


def test_namespace_of_an_instance(network: Make, app: Make, faults: Faults) -> None:
    """No app goes to an instance's own namespace."""
    expected = (
        "spec.attach.netns: 'ni1' is the namespace of the network instance of that name; "
        "attach the app to a namespace of its own"
    )
    assert faults(network(), app(attach={"netns": "ni1"})) == [f"1 {expected}"]


def test_mac_addresses(network: Make, app: Make, faults: Faults) -> None:
    """A MAC address is in a network once, however it is written, and whether it is given or made."""
    first, second = app("a", {"mac": "02:00:00:00:00:0A"}), app("b", {"mac": "02-00-00-00-00-0a"})
    what = "MAC address 02:00:00:00:00:0a is already in network 'ni1', in app '{}'; give another"
    assert faults(network(), first, second) == [f"2 spec.interfaces[0].mac: {what.format('a')}"]
    assert faults(first, before=(network(), second)) == [f"0 spec.interfaces[0].mac: {what.format('b')}"]
    made = app("c", {"mac": "02:16:3e:4c:52:db"})
    assert faults(network(), app("app1"), made)[0].startswith(
        "2 spec.interfaces[0].mac: MAC address 02:16:3e:4c:52:db"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.10.2.9", "is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254 (network 'ni1')"),
        ("10.10.1.0", "is the network address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254 (network 'ni1')"),
        (
            "10.10.1.255",
            "is the broadcast address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254 (network 'ni1')",
        ),
        ("10.10.1.1", "is the gateway of network 'ni1'; give another"),
        (
            "10.10.1.50",
            "is inside the DHCP range 10.10.1.50-10.10.1.60 of network 'ni1'; give one outside, or narrow the range",
        ),
    ],
)
def test_static_address(network: Make, app: Make, faults: Faults, address: str, expected: str) -> None:
    """A static address is a host's of the subnet, not the gateway's, and outside a range that was written."""
    net = network(dhcp={"range": "10.10.1.50-10.10.1.60"})
    assert faults(net, app("a", {"address": address})) == [
        f"1 spec.interfaces[0].address: address {address} {expected}"
    ]


def test_static_addresses(network: Make, app: Make, faults: Faults) -> None:
    """A static address is in a network once; where no range was written, any host's address will do."""
    same = {"address": "10.10.1.60"}
    assert faults(network(dhcp={}), app("a", same)) == []
    assert faults(network(), app("a", same), app("b", same)) == [
        "2 spec.interfaces[0].address: address 10.10.1.60 is already in network 'ni1', in app 'a'; give another"
    ]


def test_guesses_are_bounded(network: Make, app: Make, faults: Faults) -> None:
    """After twenty guesses at what was meant the known names are listed: guessing compares with all of them."""
    found = faults(network("net1"), *(app(f"a{n}", {"network": "net2"}) for n in range(25)))
    assert [("did you mean" in fault) for fault in found] == [True] * 20 + [False] * 5
