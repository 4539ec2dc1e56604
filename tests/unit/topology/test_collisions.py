"""Which networks collide: equal ones and nested ones of different stacks, and nothing else."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.topology.collisions import with_collisions
from netnsmgr.topology.model import Health, Instance, Link, Spot, Topology
from tests.unit.topology.site import KEY, OTHER, collisions, device, drawn, ipsec, network

NI1 = network("ni1", "subnets: [10.10.1.0/24]")


def wireguard(*peers: str, addresses: str = "") -> str:
    listed = ", ".join(
        f"{{name: p{n}, publicKey: {key}, allowedIps: [{peer}], endpoint: '192.0.2.{n}:51820'}}"
        for n, (peer, key) in enumerate(zip(peers, (KEY, OTHER), strict=False))
    )
    return f"vpn: {{wireguard: {{tunnels: [{{name: wg0, addresses: [{addresses}], peers: [{listed}]}}]}}}}"


def test_scenario() -> None:
    """The collisions that the scenario is made of, in the order of the drawing."""
    assert collisions() == [
        "10.10.1.0/24: ni1, ni3",
        "192.168.1.0/24: ni2, port eth1",
        "10.10.10.0/24: ni4, ni5",
        "192.168.0.0/24: port eth0, behind cloud1 of ni4, behind cloud2 of ni5",
        "selectors 10.10.10.0/24 === 192.168.0.0/24: cloud1 of ni4, cloud2 of ni5",
    ]


def test_marks() -> None:
    """Each member has its number where it is drawn."""
    marks = drawn().marks
    assert marks[Spot("subnet", ("ni3",)), "10.10.1.0/24"] == 1
    assert marks[Spot("port", ("eth1",)), "192.168.1.0/24"] == 2
    assert marks[Spot("end", ("ni5", "cloud2", "cloud2")), "192.168.0.0/24"] == 4
    assert marks[Spot("selectors", ("ni4", "cloud1", "net")), "10.10.10.0/24 === 192.168.0.0/24"] == 5
    assert (Spot("port", ("eth2",)), "192.168.2.0/24") not in marks


def test_nested_networks() -> None:
    """The widest names the collision, the others say what they are; what lies beside them is not in it."""
    ni2 = network("ni2", f"ports: [eth0], subnets: [10.20.0.0/24], {ipsec('10.0.0.0/8')}")
    ni3 = network("ni3", "subnets: [11.0.0.0/24]")
    assert collisions(device("name: eth0"), NI1, ni2, ni3) == [
        "10.0.0.0/8: ni1 (10.10.1.0/24), ni2 (10.20.0.0/24), behind cloud of ni2"
    ]


def test_everything_collides_with_nothing() -> None:
    """A tunnel for all addresses is no collision with each of them."""
    ni2 = network("ni2", f"ports: [eth0], subnets: [10.20.0.0/24], {wireguard('0.0.0.0/0')}")
    assert collisions(device("name: eth0"), NI1, ni2) == []


def test_within_one_instance() -> None:
    """A server's peers are in the network of its tunnel, and a tunnel's other end may have what its own subnet is part of."""
    own = network(
        "ni1", f"ports: [eth0], subnets: [10.10.1.0/24], {wireguard('10.9.0.2/32', addresses='10.9.0.1/24')}"
    )
    assert collisions(device("name: eth0"), own) == []
    own = network("ni1", f"ports: [eth0], subnets: [10.10.1.0/24], {ipsec('10.0.0.0/8')}")
    assert collisions(device("name: eth0"), own) == []


def test_tunnels_networks() -> None:
    """Two instances whose tunnels have the same addresses inside."""
    spec = f"ports: [eth0], {wireguard('10.9.0.2/32', addresses='10.9.0.1/24')}"
    ni1 = network("ni1", f"subnets: [10.1.0.0/24], {spec}")
    ni2 = network("ni2", f"subnets: [10.2.0.0/24], {spec}")
    assert collisions(device("name: eth0"), ni1, ni2) == [
        "10.9.0.0/24: tunnel wg0 of ni1, behind p0 of ni1 (10.9.0.2/32), tunnel wg0 of ni2, behind p0 of ni2 (10.9.0.2/32)"
    ]


def test_two_ports_in_one_network() -> None:
    assert collisions(
        device("name: eth0, addresses: [192.168.0.2/24]", "name: eth1, addresses: [192.168.0.3/24]")
    ) == ["192.168.0.0/24: port eth0, port eth1"]


def test_ipv6() -> None:
    """Versions do not meet; a proxied subnet is part of its port's on purpose, another's is not."""
    port = device("name: eth0, addresses: ['2001:db8::2/48']")
    ni1 = network("ni1", "ports: [eth0], subnets: ['2001:db8:0:1::/64'], ipv6: {uplink: ndpProxy}")
    ni2 = network("ni2", "subnets: ['2001:db8:0:2::/64', 10.0.0.0/24]")
    assert collisions(port, ni1) == []
    assert collisions(port, ni1, ni2) == ["2001:db8::/48: ni2 (2001:db8:0:2::/64), port eth0"]


networks = st.builds(
    lambda value, length: IPv4Network((value >> (32 - length) << (32 - length), length)),
    st.integers(10 << 24, (10 << 24) + 7),
    st.integers(8, 32),
)


@given(st.lists(networks, max_size=8))
def test_as_by_pairs(found: list[IPv4Network]) -> None:
    """Two instances have the same number exactly if a chain of networks that overlap leads from one to the other."""
    instances = tuple(
        Instance(f"n{n}", "local", ((net, ""),), (), (), (), True, (), Link("", ()), health=Health())
        for n, net in enumerate(found)
    )
    topology = with_collisions(Topology("", False, instances=instances))
    number = [topology.marks.get((Spot("subnet", (f"n{n}",)), str(net))) for n, net in enumerate(found)]
    for a, b in combinations(range(len(found)), 2):
        if found[a].overlaps(found[b]):
            assert number[a] == number[b] is not None
        elif number[a] is not None and number[a] == number[b]:
            (widest,) = [each.what for each in topology.collisions if each.number == number[a]]
            assert ip_network(widest).supernet_of(found[a])  # type: ignore[arg-type]
            assert ip_network(widest).supernet_of(found[b])  # type: ignore[arg-type]
    alone = [
        n for n, net in enumerate(found) if not any(net.overlaps(o) for m, o in enumerate(found) if m != n)
    ]
    assert all(number[n] is None for n in alone)
