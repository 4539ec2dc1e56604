"""Host rules' domains: which there are, which addresses they have of themselves, and who is told of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from netnsmgr.config.acl import AclRule
from netnsmgr.core.item import Item, state
from netnsmgr.features import flowlog, names
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import File
from netnsmgr.items.lease import Lease
from netnsmgr.items.nft import NftTable
from netnsmgr.items.process import Process
from netnsmgr.items.system import ProcessInfo
from tests.unit.features.test_intent import app, instance, scope

LINK = LinkFacts(dns=("192.0.2.53",))


def hosts(*domains: str, running: tuple[str, ...] = ()) -> InstanceScope:
    """An instance whose application has rules for these domains; ``running``: names of helpers."""
    rules = [{"id": n, "match": {"host": domain}} for n, domain in enumerate(domains, 1)]
    made = scope(app("app1", **({"acl": rules} if rules else {})), link=LINK)
    return replace(made, helpers_now=tuple(ProcessInfo(name, 1, ("dnsmasq", name)) for name in running))


def processes(items: list[Item]) -> list[str]:
    return [item.name for item in items if isinstance(item, Process)]


def test_domains_are_sorted_and_each_is_there_once() -> None:
    rules = [
        AclRule.model_validate({"id": n, "match": {"host": host} if host else {}})
        for n, host in enumerate(("b.org", "a.org", "B.org", ""), 1)
    ]
    assert names.host_domains(rules) == ("a.org", "b.org")


@pytest.mark.parametrize(
    ("domain", "addresses"),
    [
        ("printer.internal", ["10.10.1.9"]),
        ("printer", ["10.10.1.9"]),
        ("internal", ["10.10.1.9", "10.10.1.20", "10.10.1.50"]),
        ("example.org", ["10.10.1.8"]),
        ("db.example.org", ["10.10.1.8"]),
        ("x.db.example.org", []),
        ("app2.internal", ["10.10.1.50"]),
        ("ample.org", []),
    ],
)
def test_static_addresses(domain: str, addresses: list[str]) -> None:
    """Static names, plain ones also below the instance's domain, and applications with their fixed or leased address."""
    made = scope(app("app1", address="10.10.1.20"), app("app2", mac="02:00:00:00:00:02"))
    document = instance(dhcp={}, dns={"hosts": {"printer": ["10.10.1.9"], "db.example.org": ["10.10.1.8"]}})
    lease = Lease("02:00:00:00:00:02", IPv4Address("10.10.1.50"))
    made = replace(made, instance=type(made.instance).model_validate(document), leases_now=(lease,))
    assert names.static_addresses(made, domain) == frozenset(map(IPv4Address, addresses))


def test_nothing_without_host_rules() -> None:
    assert names.items(hosts()) == []
    assert names.forwarding(hosts()) == ""


def test_nobody_is_asked_for_what_the_instance_knows_itself() -> None:
    """Its own domain and what lies below; a domain above it goes out, but for the instance's own part."""
    assert names.asked(hosts("printer.internal", "internal", "github.com")) == ("github.com",)


def test_first_the_new_one_runs_then_it_is_asked_then_the_old_one_goes() -> None:
    """Three passes, each from what runs: at no moment is somebody asked who is not there."""
    (new,) = processes(names.items(hosts("github.com")))
    assert names.forwarding(hosts("github.com")) == ""
    assert names.forwarding(hosts("github.com", running=(new,))) == f"server=/github.com/{names.SWITCH}\n"
    old = "names-00112233"
    before = names.items(hosts("github.com", running=(old,)))
    assert processes(before) == [new, old]
    (table,) = [item for item in before if isinstance(item, NftTable)]
    assert "dnat ip to 127.64.17.34" in table.body
    after = names.items(hosts("github.com", running=(old, new)))
    assert processes(after) == [new]
    (moved,) = [item for item in after if isinstance(item, NftTable)]
    assert moved.body != table.body
    state(after)


def test_a_shorter_domain_s_sets_get_what_lies_below() -> None:
    """dnsmasq takes the longest domain that fits, and no other."""
    (text,) = [
        i.text
        for i in names.items(hosts("example.org", "api.example.org"))
        if isinstance(i, File) and "nftset" in i.text
    ]
    lines = {line.split("/")[1]: line for line in text.splitlines() if line.startswith("nftset")}
    short, long = names.host_key("example.org"), names.host_key("api.example.org")
    assert f"4#inet#netnsmgr_acl#host_{short}_4" in lines["api.example.org"]
    assert f"6#inet#netnsmgr_acl#past_{long}_6" in lines["api.example.org"]
    assert long not in lines["example.org"]


def test_the_flow_log_is_not_restarted_by_applications() -> None:
    """What is read again on SIGHUP changes with them; the program's own file does not."""
    one, two = hosts("github.com"), hosts("example.org")
    first, second = (flowlog.items(each) for each in (one, two))
    assert [i for i in first if isinstance(i, Process)] == [i for i in second if isinstance(i, Process)]
    assert first != second
    assert flowlog.items(hosts()) == []
