"""What documents must be to each other; each case is what `faults` says of one configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


def wan(name: str = "eth0", *addresses: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **({"addresses": list(addresses)} if addresses else {}), **more}


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([wan(), wan()], "ports[1].name: duplicate port name 'eth0'; rename one"),
        (
            [wan("a", interface="eth0"), wan("b", interface="eth0")],
            "ports[1].interface: interface 'eth0' is already that of port 'a'; give another",
        ),
        (
            [wan("a", interface="eth0"), wan("eth0")],
            "ports[1].name: interface 'eth0' is already that of port 'a'; give another",
        ),
        (
            [wan("a", labels=["x", "b"]), wan("b")],
            "ports[0].labels[1]: label 'b' is the name of another port; choose another label",
        ),
        (
            [wan("a", "10.0.0.1/24"), wan("b", "10.0.0.1/8")],
            "ports[1].addresses[0]: address 10.0.0.1 is already that of port 'a'; give another",
        ),
        (
            [wan("the-port-of-the-north")],
            (
                "ports[0].name: 'the-port-of-the-north' is 21 bytes long; the kernel takes interface names of at most 15; "
                "or give the interface's name in 'interface'"
            ),
        ),
        (
            [wan("a", "10.0.0.1/24", dhcp=True)],
            "ports[0].addresses: static addresses and 'dhcp: true' exclude each other; keep one",
        ),
        (
            [wan("a", "10.0.0.2/24", gateways=["10.0.1.1"])],
            "ports[0].gateways[0]: gateway 10.0.1.1 is outside the port's subnet 10.0.0.0/24; give one inside it",
        ),
        (
            [wan("a", "10.0.0.2/24", gateways=["10.0.0.2"])],
            "ports[0].gateways[0]: gateway 10.0.0.2 is the port's own address; give the router's",
        ),
        (
            [wan("a", "169.254.101.1/24")],
            (
                "ports[0].addresses[0]: subnet 169.254.101.0/24 overlaps linkPool 169.254.100.0/22; "
                "set spec.linkPool to a range that nobody uses"
            ),
        ),
    ],
)
def test_ports(device: Make, faults: Faults, ports: list[dict[str, Any]], expected: str) -> None:
    """Ports that contradict each other or themselves are refused."""
    assert faults(device(*ports)) == [f"0 spec.{expected}"]


def test_ports_that_are_fine(device: Make, faults: Faults) -> None:
    """Two ports in one subnet, a gateway anywhere behind a /32, and a long logical name are no faults."""
    assert (
        faults(
            device(
                wan("a", "10.0.0.2/24", "10.0.5.2/24", gateways=["10.0.5.1"], labels=["a"]),
                wan("b", "10.0.0.3/24", gateways=["10.0.0.1"]),
                wan("c", "10.9.9.9/32", gateways=["10.0.0.1"]),
                wan("d", "10.8.8.0/31", gateways=["10.8.8.1"]),
                wan("the-port-of-the-north", interface="eth9", dhcp=True),
            )
        )
        == []
    )


def test_management(device: Make, faults: Faults) -> None:
    """The management port exists, and no other port is in its network, be it equal or overlapping."""
    ports = [
        wan("m", "10.0.0.2/24"),
        wan("a", "10.0.0.3/24"),
        wan("b", "10.1.0.1/24", "10.9.0.1/8"),
        wan("c", dhcp=True),
    ]
    where = "0 spec.ports[{}].addresses[{}]: subnet {} of port '{}' is {} the device's management network "
    assert faults(device(*ports, management="m")) == [
        where.format(1, 0, "10.0.0.0/24", "a", "equal to") + "10.0.0.0/24 (port 'm'); "
        "use another subnet, or another management port",
        where.format(2, 1, "10.0.0.0/8", "b", "overlapping") + "10.0.0.0/24 (port 'm'); "
        "use another subnet, or another management port",
    ]
    assert faults(device(*ports)) == []
    assert faults(device(wan("mgmt0"), management="mgmt")) == [
        "0 spec.management: unknown port 'mgmt'; did you mean 'mgmt0'?"
    ]


def test_link_pool(device: Make, network: Make, faults: Faults) -> None:
    """The pool for links has room for all instances and leaves the metadata service alone."""
    assert faults(device(linkPool="169.254.0.0/16")) == [
        "0 spec.linkPool: linkPool 169.254.0.0/16 holds 169.254.169.254, the metadata service; use another range"
    ]
    five = [network(f"n{n}") for n in range(5)]
    assert faults(device(linkPool="10.255.0.0/29"), *five[:4]) == []
    assert faults(device(linkPool="10.255.0.0/29"), *five) == [
        "0 spec.linkPool: linkPool 10.255.0.0/29 is too small for 5 instances with two addresses each; use at least a /28"
    ]


def test_link_pool_overlap(device: Make, network: Make, faults: Faults) -> None:
    """Where the pool and instances overlap, the one that was just written is at fault, and a pool only once."""
    pool, nets = device(linkPool="10.10.0.0/16"), [network(f"n{n}") for n in range(5)]
    once = (
        "0 spec.linkPool: linkPool 10.10.0.0/16 overlaps the subnet of n0 (10.10.1.0/24), n1 (10.10.1.0/24), "
        "n2 (10.10.1.0/24) …; use a range that nobody uses"
    )
    assert faults(pool, *nets) == [once]
    assert faults(pool, before=tuple(nets)) == [once]
    instance = "spec.subnets[0]: subnet {} overlaps the device's linkPool {}; use another, or set the Device's linkPool"
    assert faults(nets[0], before=(pool,)) == ["0 " + instance.format("10.10.1.0/24", "10.10.0.0/16")]
    local = network(subnets=["169.254.100.0/24"])
    assert faults(local) == ["0 " + instance.format("169.254.100.0/24", "169.254.100.0/22")]
    assert faults(device(), local) == ["1 " + instance.format("169.254.100.0/24", "169.254.100.0/22")]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"gateways": ["10.10.2.1"]},
            "gateways[0]: gateway 10.10.2.1 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.0"]},
            "gateways[0]: gateway 10.10.1.0 is the network address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.255"]},
            "gateways[0]: gateway 10.10.1.255 is the broadcast address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"gateways": ["10.10.1.9"], "dhcp": {"range": "10.10.1.5-10.10.1.9"}},
            "gateways[0]: gateway 10.10.1.9 is inside the DHCP range 10.10.1.5-10.10.1.9; move one of them",
        ),
        (
            {"dhcp": {"range": "10.10.1.1-10.10.1.9"}},
            "dhcp.range: gateway 10.10.1.1 is inside the DHCP range 10.10.1.1-10.10.1.9; move one of them",
        ),
        (
            {"dhcp": {"range": "10.10.1.5-10.10.2.9"}},
            "dhcp.range: 10.10.2.9 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"dhcp": {"range": "10.10.2.5-10.10.2.5"}},
            "dhcp.range: 10.10.2.5 is outside the subnet 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
        (
            {"dhcp": {"range": "10.10.1.2-10.10.1.255"}},
            "dhcp.range: 10.10.1.255 is the broadcast address of 10.10.1.0/24; use 10.10.1.1 to 10.10.1.254",
        ),
    ],
)
def test_addresses_of_an_instance(network: Make, faults: Faults, spec: dict[str, Any], expected: str) -> None:
    """Gateway and DHCP range are hosts of the subnet, and the gateway is not for lease."""
    assert faults(network(**spec)) == [f"0 spec.{expected}"]


def test_ports_of_an_instance(device: Make, network: Make, faults: Faults) -> None:
    """An instance names ports or labels that the Device has; without a Device nothing is known about them."""
    known = device(wan("eth0", labels=["uplink"]), wan("eth1"))
    assert faults(known, network(ports=["eth1", "uplink"])) == []
    assert faults(network(ports=["eth7"])) == []
    assert faults(known, network(ports=["eth0", "eht1", "zzz"])) == [
        "1 spec.ports[1]: unknown port or label 'eht1'; did you mean 'eth1'?",
        "1 spec.ports[2]: unknown port or label 'zzz'; known are: eth0, eth1, uplink",
    ]
    assert faults(device(wan("eth0")), before=(known, network(ports=["eth1"]))) == [
        "-1 spec.ports[0]: NetworkInstance 'ni1', applied before: unknown port or label 'eth1'; did you mean 'eth0'?"
    ]


def test_reserved_name(network: Make, faults: Faults) -> None:
    """No instance takes the name of the device's own agent."""
    assert faults(network("uplink")) == [
        "0 metadata.name: the name 'uplink' is reserved for the device; choose another"
    ]


def test_host_names(network: Make, app: Make, faults: Faults) -> None:
    """In a network's DNS each name stands for one thing: a static entry, or one interface of one app."""
    nets = network(dns={"hosts": {"printer": ["10.10.1.9"], "App1": ["10.10.1.8"]}})
    what = "host name 'App1' in network 'ni1' is also that of "
    assert faults(nets, app()) == [f"0 spec.dns.hosts.App1: {what}App 'app1'; rename one"]
    assert faults(app(), before=(nets,)) == [f"0 metadata.name: {what}NetworkInstance 'ni1'; rename one"]
    below = network(dns={"hosts": {"app1.internal": ["10.10.1.8"], "app1.example": ["10.10.1.8"]}})
    assert [fault.split(":")[0] for fault in faults(below, app())] == ["0 spec.dns.hosts.app1.internal"]
    assert faults(network(dns={"hosts": {"a": ["10.0.0.1"], "A": ["10.0.0.2"]}})) == [
        "0 spec.dns.hosts.A: host name 'A' is listed twice in different spelling; keep one"
    ]


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
    for attach, shown in (({"netns": "x"}, "x"), ({"pid": 4711}, "4711")):
        what = f"interface 'eth0' of app '{{}}' goes to the same namespace ({shown}); rename one of the interfaces"
        first, second = app("a", attach=attach), app("b", attach=attach)
        assert faults(network(), first, second) == [f"2 spec.interfaces[0].name: {what.format('a')}"]
        assert faults(first, before=(network(), second)) == [f"0 spec.interfaces[0].name: {what.format('b')}"]
        assert faults(network(), first, app("b", {"name": "eth1"}, attach=attach)) == []
    assert faults(network(), app("a", attach={"tap": True}), app("b", attach={"tap": True})) == []


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
