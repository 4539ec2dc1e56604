"""What a switch is told of host rules: whose DNS is looked at, and whom each interface believes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from netnsmgr.config.instance import Dns
from netnsmgr.features import flowlog
from netnsmgr.features.names import static_addresses
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import names
from netnsmgr.items.nft import NftTable
from tests.kernel.switchnames import DNS, scope


def text(of: InstanceScope) -> str:
    (table,) = names.items(of)
    assert isinstance(table, NftTable)
    return table.body


def test_nothing_without_need() -> None:
    """Neither table nor program without host rules and flow log."""
    of = scope()
    plain = replace(of, interfaces=of.interfaces[1:])
    assert names.items(plain) == flowlog.items(plain) == []
    assert names.items(of)
    assert flowlog.items(of)


def test_whose_dns_is_looked_at() -> None:
    """With host rules that of their interfaces; with a flow log that of all, and nobody is a server who is guarded."""
    of = text(scope())
    assert 'set apps { type ifname; elements = { "app1.eth0" }; }' in of
    assert 'set guarded { type ifname; elements = { "app1.eth0", "app2.eth0" }; }' in of
    assert f'"app1.eth0" . {DNS}' in of
    assert 'app2.eth0" .' not in of
    logged = text(scope(log=True, unguarded=True))
    assert 'set apps { type ifname; elements = { "app1.eth0", "app2.eth0" }; }' in logged
    assert 'set guarded { type ifname; elements = { "app1.eth0" }; }' in logged
    assert 'prefix "dns"' in logged
    assert 'prefix "dns"' not in of


def test_static_names_are_those_that_are_written() -> None:
    """Applications' names mean nothing on a switch, and there is no domain of ours."""
    of = scope()
    hosts = {"plc.github.com": (ip_address("10.0.0.1"),), "printer": (ip_address("10.0.0.2"),)}
    spec = of.instance.spec.model_copy(update={"dns": Dns(hosts=hosts)})
    of = replace(of, instance=of.instance.model_copy(update={"spec": spec}))
    assert static_addresses(of, "github.com") == {ip_address("10.0.0.1")}
    assert static_addresses(of, "printer") == {ip_address("10.0.0.2")}
    assert static_addresses(of, "printer.internal") == static_addresses(of, "app2") == frozenset()
