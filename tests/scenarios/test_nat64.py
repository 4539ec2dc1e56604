"""An instance that has only IPv6 on the whole daemon: its applications reach IPv4 with `nat64: {}` and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from netnsmgr.config.instance import NAT64_PREFIX
from netnsmgr.core import ip
from tests.lab import AppHost, LabError
from tests.lab.site6 import V4_ONLY
from tests.scenarios.documents import Document, app, device
from tests.scenarios.ipv6 import GITHUB, GITHUB6, NET6, fetched, only6, port6, settled
from tests.scenarios.world import World

pytestmark = pytest.mark.root
((NAME, ADDRESS),) = V4_ONLY.items()
PRIVATE = "192.168.0.1"
GATEWAY = f"{NET6}::1"
EVERYTHING: list[dict[str, Any]] = [{"id": 1}]


def mapped(address: str) -> str:
    return str(ip.mapped(NAT64_PREFIX, IPv4Address(address)))


def url(address: str) -> str:
    return f"http://[{mapped(address)}]/"


def documents(*rules: dict[str, Any], **spec: Any) -> list[Document]:
    nat64: dict[str, Any] = {"nat64": {}, "dns": {"hosts": {"printer": [PRIVATE]}}}
    apps = [app("app1", "ni1", acl=list(rules) or EVERYTHING), app("app2", "ni1")]
    return [device(port6()), only6(**(nat64 | spec)), *apps]


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.lab.gw.serve_http(name="printer")
        made.apply(*documents())
        for name in ("app1", "app2"):
            settled(made, "ni1", name)
        yield made


@pytest.fixture
def app1(w: World) -> AppHost:
    w.apply(*documents())
    return w.lab.apps["app1"]


def refused(host: AppHost, what: str) -> bool:
    try:
        host.http(what, timeout=1)
    except LabError:
        return True
    return False


def test_what_is_in_force_is_told(w: World, app1: AppHost) -> None:
    """Defaults stand in the status: the prefix, how addresses are given, both pairs of the link, and who does it."""
    text = w.command("describe", "ni", "ni1").stdout
    for words in (
        f"nat64: {NAT64_PREFIX}",
        "addressing: stateless",
        "uplink: nat66",
        "outer6: ",
        "ra: radvd",
    ):
        assert words in text, text


def test_names_and_addresses(w: World, app1: AppHost) -> None:
    """What has only IPv4 is reached by name and by address; what has IPv6 is reached by that, untranslated."""
    assert fetched(app1, NAME, 6) == "you are 192.168.0.2"
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"
    assert app1.resolve("github.com", GATEWAY, kind="AAAA") == [GITHUB6]
    assert app1.resolve(NAME, GATEWAY, kind="AAAA") == [mapped(ADDRESS)]
    assert fetched(app1, "printer.internal", 6) == "you are 192.168.0.2"
    assert app1.http(url(PRIVATE)).startswith("I am printer")
    assert app1.ping(mapped(ADDRESS), count=2)
    assert len(app1.http(url(ADDRESS) + "bytes/2000000")) == 2_000_000
    assert app1.resolve("ipv4only.arpa", GATEWAY, kind="AAAA")


def test_status_and_the_same_file_again(w: World, app1: AppHost) -> None:
    """The instance says who translates; applied again, nothing is done."""
    backends = w.instance("ni1")["backends"]
    assert (backends["nat64"], backends["dns64"]) == ("tayga", "unbound")
    since = w.mark()
    w.apply(*documents())
    assert w.operations(since) == []


def test_a_list_names_the_target_of_ipv4(w: World, app1: AppHost) -> None:
    """A rule's IPv4 prefix means the target whichever way it is addressed, to allow and to drop; and by its name."""
    web = {"protocol": "tcp", "fport": 80}
    w.apply(*documents({"id": 1, "match": {"ip": f"{ADDRESS}/32", **web}}))
    assert app1.http(url(ADDRESS))
    assert refused(app1, url(GITHUB))
    assert refused(app1, url(PRIVATE))
    assert not app1.ping(mapped(ADDRESS), timeout=1)
    w.apply(*documents({"id": 1, "match": {"ip": PRIVATE, "icmp": "echo-request"}}))
    assert app1.ping(mapped(PRIVATE))
    assert not app1.ping(mapped(ADDRESS), timeout=1)
    network = IPv4Network((ADDRESS, 28), strict=False)
    w.apply(*documents({"id": 1, "match": {"ip": str(network)}, "action": "drop"}, {"id": 2}))
    assert refused(app1, url(ADDRESS))
    assert app1.http(url(PRIVATE))
    w.apply(
        *documents(
            {"id": 1, "match": {"host": NAME, **web}}, {"id": 2, "match": {"host": "github.com", **web}}
        )
    )
    assert refused(app1, url(GITHUB))
    assert fetched(app1, NAME, 6) == "you are 192.168.0.2"
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"
    assert refused(app1, url(GITHUB))


def test_a_changed_list_ends_what_is_under_way(w: World, app1: AppHost) -> None:
    """A flow through the translator is asked about again when its list changes."""
    argv = ["curl", "-gsS", "--max-time", "6", f"{url(ADDRESS)}slow/100000/4"]
    curl = app1.popen(argv)
    w.apply(*documents({"id": 1, "match": {"ip": f"{PRIVATE}/32"}}))
    assert curl.wait(timeout=10) != 0


def test_nothing_comes_in(w: World, app1: AppHost) -> None:
    """Neither the device nor another application begins anything by way of the translator."""
    for target in ("192.0.0.4", "192.0.0.5", "192.0.0.6"):
        w.sh(f"ip route replace {target}/32 via 169.254.100.1 dev nm-ni1")
        assert not w.lab.device.ping(target, timeout=1)
        assert not app1.ping(mapped(target), timeout=1)
        assert refused(app1, url(target))
    for target in ("169.254.100.0", "169.254.100.1", "169.254.169.254", "127.0.0.1"):
        assert refused(app1, url(target))


def kill_helper(w: World, program: str) -> None:
    """Kill the helper with this command line, and wait for its successor."""
    (pid,) = w.pids(program)
    w.kill(pid)
    w.eventually(lambda: w.pids(program) not in ([], [pid]), f"another {program}")


def test_killed_helpers_come_back(w: World, app1: AppHost) -> None:
    """tayga, unbound and its forwarder are started again; a transfer by way of tayga goes on."""
    curl = app1.popen(["curl", "-gsS", "--max-time", "15", f"{url(ADDRESS)}slow/1000000/3"])
    for program in ("^tayga ", "^unbound ", "^dnsmasq .*/ni1/etc/forwarder"):
        kill_helper(w, program)
    w.ready("ni1")
    assert curl.wait(timeout=20) == 0
    assert w.lab.device.eventually(
        lambda: app1.resolve(f"a.{NAME}", GATEWAY, kind="AAAA") == [mapped(ADDRESS)]
    )


def test_a_killed_agent_finds_all_of_it(w: World, app1: AppHost) -> None:
    """A new agent adopts translator and resolver, and does nothing."""
    before = w.pids("^tayga |^unbound |^dnsmasq .*/ni1/")
    since = w.mark()
    w.kill_agent("ni1")
    w.looked("ni1", since)
    assert w.operations(since) == []
    assert w.pids("^tayga |^unbound |^dnsmasq .*/ni1/") == before


def test_without_it_nothing_is_left(w: World, app1: AppHost) -> None:
    """An instance that loses NAT64 has neither helpers nor link nor routes of it; IPv6 goes on."""
    w.apply(*documents(nat64=None))
    assert w.pids("^tayga |^unbound |^dnsmasq .*/ni1/etc/forwarder") == []
    left = w.sh("ip link; ip route; ip -6 route; nft list tables; ls /run/netnsmgr/instances/ni1/etc", "ni1")
    assert not [
        word for word in ("nat64", "fd6e:6d64", "192.0.0", "unbound", "tayga", "forwarder") if word in left
    ]
    assert app1.resolve(NAME, GATEWAY, kind="AAAA") == []
    assert fetched(app1, "github.com", 6) == "you are 2001:db8::2"


def test_deleted_with_its_instance(w: World, app1: AppHost) -> None:
    """An instance that goes takes all of it along."""
    w.put(remove=documents()[1:])
    w.until(lambda: not w.instance("ni1"), "ni1 is gone")
    assert w.pids("^tayga |^unbound |^dnsmasq .*/ni1/") == []
