"""What the configuration of an instance with NAT64 means for the addresses that stand for those of IPv4."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.acl import AclRule
from netnsmgr.config.instance import NAT64_PREFIX, NetworkInstance
from netnsmgr.config.whole import parse
from netnsmgr.core import ip
from netnsmgr.core.agreed import Action
from netnsmgr.core.protocols import ICMP, ICMPV6, TCP
from netnsmgr.features import mapped
from netnsmgr.features.acl.verdict import Flow, decide

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
SOURCE = IPv6Address("fd00:10:1::10")


def instance(**spec: Any) -> NetworkInstance:
    given = {"ports": ["eth0"], "subnets": ["fd00:10:1::/64"], "nat64": {}} | spec
    document = {**HEAD, "kind": "NetworkInstance", "metadata": {"name": "ni1"}, "spec": given}
    return parse([document]).instances["ni1"]


def rules(*written: dict[str, Any], **spec: Any) -> tuple[AclRule, ...]:
    """The rules of an application in the instance, as features are told of them."""
    acl = [{"id": number, **rule} for number, rule in enumerate(written, 1)]
    interface = {"name": "eth0", "network": "ni1", "acl": acl}
    app = {
        **HEAD,
        "kind": "App",
        "metadata": {"name": "app1"},
        "spec": {"attach": {"tap": True}, "interfaces": [interface]},
    }
    (member,) = mapped.members(
        instance(**spec), ((a, i) for a in parse([app]).apps.values() for i in a.spec.interfaces)
    )
    assert member[1].acl is not None
    return member[1].acl


def says(found: tuple[AclRule, ...], target: str, protocol: int = TCP, dport: int = 80) -> Action:
    flow = Flow(SOURCE, ip.mapped(NAT64_PREFIX, IPv4Address(target)), protocol, 1024, dport)
    return decide(found, "out", flow, {}, ())[1]


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_mapped_network_holds_the_mapped_addresses(address: IPv4Address, length: int) -> None:
    """An address lies in a prefix just if what stands for the one lies in what stands for the other."""
    network = IPv4Network((address, length), strict=False)
    there = ip.mapped_network(NAT64_PREFIX, network)
    assert there.num_addresses == network.num_addresses
    for one in (network[0], network[-1], address):
        assert ip.mapped(NAT64_PREFIX, one) in there
    for outside in {network[0] - 1 if int(network[0]) else address, address}:
        assert (ip.mapped(NAT64_PREFIX, outside) in there) == (outside in network)


def test_as_rfc_6052_has_it() -> None:
    """The example of its section 2.4: a prefix of 96 bits."""
    prefix = IPv6Network("2001:db8:122:344::/96")
    assert ip.mapped(prefix, IPv4Address("192.0.2.33")) == ip_address("2001:db8:122:344::192.0.2.33")


def test_a_prefix_means_both() -> None:
    """A prefix of IPv4 is beside that which stands for it, one of IPv6 is alone; of the user's prefix, too."""
    (rule,) = rules({"match": {"ip": ["192.0.2.0/24", "2001:db8::/32"]}}, nat64={"prefix": "fd00:64::/96"})
    assert rule.match.ip == tuple(map(ip_network, ("192.0.2.0/24", "2001:db8::/32", "fd00:64::c000:200/120")))


def test_without_nat64_nothing_is_touched() -> None:
    """The rules and the instance are the very same."""
    (rule,) = rules({"match": {"ip": "192.0.2.0/24"}}, nat64=None)
    assert rule.match.ip == (ip_network("192.0.2.0/24"),)
    plain = instance(nat64=None)
    assert mapped.instance(plain) is plain


@pytest.mark.parametrize("match", [{}, {"ip": "0.0.0.0/0"}, {"ip": "192.0.2.0/24"}, {"icmp": "echo-request"}])
def test_icmp_is_icmpv6(match: dict[str, Any]) -> None:
    """Who forbids a ping of IPv4 targets forbids that which is translated to it; and nothing of IPv6's own."""
    found = rules({"match": {"protocol": "icmp", **match}, "action": "drop"}, {})
    assert [rule.id for rule in found] == [1, 1, 2]
    assert says(found, "192.0.2.7", ICMPV6, 128 << 8) == Action.DROP
    assert says(found, "192.0.2.7") == Action.ALLOW
    untranslated = Flow(SOURCE, IPv6Address("2001:db8::1"), ICMPV6, 0, 128 << 8)
    assert decide(found, "out", untranslated, {}, ())[1] == Action.ALLOW
    assert {rule.match.protocol for rule in found[:2]} == {ICMP, ICMPV6}


def test_types_that_begin_no_flow_have_no_twin() -> None:
    """Of ICMP's types only the echo is translated as a question."""
    assert len(rules({"match": {"icmp": "timestamp-request"}})) == 1


def test_static_names() -> None:
    """A name with IPv4 addresses alone gets those that stand for them; one with an IPv6 address keeps what it has."""
    hosts = {"printer": ["192.0.2.9"], "both": ["192.0.2.8", "2001:db8::8"], "six": ["2001:db8::6"]}
    found = mapped.instance(instance(dns={"hosts": hosts})).spec.dns.hosts
    assert found["printer"] == (ip_address("192.0.2.9"), ip_address("fd6e:6d64::192.0.2.9"))
    assert found["both"] == tuple(map(ip_address, hosts["both"]))
    assert found["six"] == (ip_address("2001:db8::6"),)
