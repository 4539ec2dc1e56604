"""Whatever is changed by hand is noticed, told as what it was, and put right; every kind of item has its case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import pytest

from netnsmgr.agent.reconciler import INSTANCE_KINDS, UPLINK_KINDS
from tests.scenarios.documents import Document, app, bare, device, port, switch
from tests.scenarios.ipv6 import dual, port6
from tests.scenarios.vpn import hub, wireguard
from tests.scenarios.world import World

pytestmark = pytest.mark.root

PORTS = ("eth0", "eth1", "eth2", "eth3")
INSIDE = "2001:db8:0:0:8000::/80"
PROXIED = "2001:db8::8000:0:0:77"
MAPS = [
    {"id": 10, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}},
    {"id": 20, "match": {}, "action": "allow"},
]

NONE = {
    "lease": "a client gives it back; one that is gone is for the client to ask for again",
    "flows": "remembers what conntrack was made to follow: a file of the agent's own, read once",
    "led-flows": "the same for tunnels",
    "led-flows-end": "nothing of the kernel's",
}
"""Kinds that cannot be changed by hand, and why."""


class Case(NamedTuple):
    """What is done by hand in a namespace, and how it is told: of what, which words, what undoes it."""

    kind: str
    network: str | None
    script: str
    about: str
    words: str
    wakes: str = ""
    """What makes the agent look: where nothing notifies, it does so once a minute."""


CASES = {
    "link deleted": Case(
        "link", "ni1", "ip link del bn0", "NetworkInstance/ni1", "link bn0 was removed; with it went address"
    ),
    "link's MTU": Case(
        "link",
        "ni1",
        "ip link set bn0 mtu 1300",
        "NetworkInstance/ni1",
        "link bn0 was changed: mtu 1300 instead of mtu 1500",
    ),
    "link down": Case(
        "link",
        "ni1",
        "ip link set bn0 down",
        "NetworkInstance/ni1",
        "link bn0 was changed: down instead of up",
    ),
    "link's MAC": Case(
        "link",
        "ni1",
        "ip link set bn0 address 02:00:00:00:00:99",
        "NetworkInstance/ni1",
        "link bn0 was changed: address 02:00:00:00:00:99 instead of address ",
    ),
    "link off its bridge": Case(
        "link",
        "ni1",
        "ip link set app1.eth0 nomaster",
        "App/app1/eth0",
        "link app1.eth0 was changed: master none instead of master bn0",
    ),
    "interface of an application": Case(
        "link", "ni1", "ip link del app1.eth0", "App/app1/eth0", "link app1.eth0 was removed"
    ),
    "link outside": Case(
        "link",
        None,
        "ip link del nm-ni1",
        "NetworkInstance/ni1",
        "link nm-ni1 was removed; with it went address",
    ),
    "port down": Case(
        "link-up", None, "ip link set eth0 down", "Device/edge", "link eth0 was set down; with it went "
    ),
    "address": Case(
        "address",
        "ni1",
        "ip address del 10.10.1.1/24 dev bn0",
        "NetworkInstance/ni1",
        "address 10.10.1.1/24 dev bn0 was removed",
    ),
    "address added": Case(
        "address",
        "ni1",
        "ip address add 10.10.1.99/24 dev bn0",
        "NetworkInstance/ni1",
        "address 10.10.1.99/24 dev bn0 was added",
    ),
    "address of IPv6": Case(
        "address",
        "ni1",
        "ip -6 address flush dev bn0 scope global",
        "NetworkInstance/ni1",
        "dev bn0 was removed",
    ),
    "route": Case(
        "route", "ni1", "ip route del default", "NetworkInstance/ni1", "route default metric 0 was removed"
    ),
    "route changed": Case(
        "route",
        None,
        "ip route change 10.10.1.0/24 dev eth1 metric 10000 proto 110",
        "NetworkInstance/ni1",
        "route 10.10.1.0/24 metric 10000 was changed: dev eth1",
    ),
    "routes of a table": Case(
        "route", None, "ip route flush table 800", "NetworkInstance/ni1", "routes were removed: "
    ),
    "rule": Case(
        "rule",
        None,
        "ip rule del priority 50 iif nm-ni1",
        "NetworkInstance/ni1",
        "rule 50 from all iif nm-ni1 lookup 800 was removed",
    ),
    "rule for local addresses": Case(
        "local-rule",
        None,
        "ip rule add priority 0 lookup local; ip rule del priority 100",
        "Device/edge",
        "local-rule local was removed",
    ),
    "forwarding": Case(
        "forwarding",
        "ni1",
        "sysctl -qw net.ipv4.conf.bn0.forwarding=0",
        "NetworkInstance/ni1",
        "forwarding bn0 was removed",
    ),
    "parameter": Case(
        "sysctl",
        "ni1",
        "sysctl -qw net.ipv4.conf.uplink.accept_local=0",
        "NetworkInstance/ni1",
        "sysctl net/ipv4/conf/uplink/accept_local was changed: 0 instead of 1",
    ),
    "table": Case(
        "nft-table",
        "ni1",
        "nft delete table inet netnsmgr_mss",
        "NetworkInstance/ni1",
        "table inet netnsmgr_mss was removed",
    ),
    "rule added to a table": Case(
        "nft-table",
        "ni1",
        "nft insert rule inet netnsmgr_mss forward tcp dport 7 drop",
        "NetworkInstance/ni1",
        "table inet netnsmgr_mss was changed: + chain forward: tcp dport 7 drop",
    ),
    "chain flushed": Case(
        "nft-table",
        "ni1",
        "nft flush chain inet netnsmgr_nat postrouting",
        "NetworkInstance/ni1",
        "table inet netnsmgr_nat was changed: - chain postrouting: ",
    ),
    "ruleset flushed": Case(
        "nft-table", "ni1", "nft flush ruleset", "NetworkInstance/ni1", "tables were removed: "
    ),
    "ruleset flushed outside": Case(
        "nft-table", None, "nft flush ruleset", "Device/edge", "inet netnsmgr_uplink"
    ),
    "element of a set": Case(
        "nft-set",
        "ni1",
        "nft add element inet netnsmgr_nat portmap '{ tcp . 9 : 10.10.1.77 . 80 }'",
        "NetworkInstance/ni1",
        "set inet netnsmgr_nat portmap was changed: + tcp . 9 : 10.10.1.77 . 80",
    ),
    "chain of a list": Case(
        "nft-part",
        "ni1",
        "nft flush chain inet netnsmgr_acl $(nft list chains inet | grep -o 'list_app1.eth0_[0-9a-f]*_[a-z]*' | grep -v part | head -1)",
        "App/app1/eth0",
        "part inet netnsmgr_acl list_app1.eth0 was changed: - chain list_app1.eth0",
    ),
    "file": Case(
        "file",
        None,
        "echo 'address=/evil/1.2.3.4' >>/run/netnsmgr/instances/ni1/etc/hosts",
        "NetworkInstance/ni1",
        "file /run/netnsmgr/instances/ni1/etc/hosts was changed: ",
    ),
    "files removed": Case(
        "file", None, "rm /run/netnsmgr/instances/ni1/etc/*", "NetworkInstance/ni1", "files were removed: "
    ),
    "directory": Case(
        "directory",
        None,
        "rm -r /run/netnsmgr/instances/ni1/etc",
        "NetworkInstance/ni1",
        "directory /run/netnsmgr/instances/ni1/etc was removed; with it went file",
    ),
    "helper": Case(
        "process",
        None,
        "kill -9 $(pgrep -o -f '^dnsmasq .*/ni1/')",
        "NetworkInstance/ni1",
        "helper dnsmasq has ended",
    ),
    "port of a switch's bridge": Case(
        "bridge-port",
        "ni6",
        "ip link set app6.eth0 nomaster",
        "App/app6/eth0",
        "bridge-port app6.eth0 was removed",
    ),
    "port at a switch": Case(
        "port",
        "ni6",
        "ip link set eth3 mtu 1300",
        "NetworkInstance/ni6",
        "port eth3 was changed: mtu 1300 instead of mtu none",
    ),
    "port taken from a switch": Case(
        "port", None, "ip -n ni6 link set eth3 netns $$", "NetworkInstance/ni6", "port eth3 was removed"
    ),
    "proxied neighbour": Case(
        "ndp-proxy",
        None,
        "ip -6 neigh del proxy $(ip -6 neigh show proxy | cut -d' ' -f1) dev eth0",
        "NetworkInstance/ni1",
        "ndp-proxy ",
        "ip link add look type veth peer look2; ip link del look",
    ),
    "tunnel": Case("tunnel", "ni4", "ip link del wg0", "NetworkInstance/ni4", "tunnel nmw-"),
    "peers of a tunnel": Case(
        "wireguard",
        None,
        "d=$(wg show interfaces | tr ' ' '\\n' | grep ^nmw- | head -1); wg set $d peer $(wg show $d peers) remove",
        "NetworkInstance/ni4",
        "wireguard wg0 was changed: its keys or peers",
        "ip -n ni4 link add look type veth peer look2; ip -n ni4 link del look",
    ),
    "name of a namespace": Case(
        "netns", None, "umount /run/netns/ni1", "NetworkInstance/ni1", "namespace ni1 had lost its name"
    ),
}


def documents() -> list[Document]:
    ports = device(port6(), port(1), bare("eth3"))
    stateful = {"uplink": "ndpProxy", "addressing": "stateful"}
    return [
        ports,
        dual(subnets=["10.10.1.0/24", INSIDE], ipv6=stateful),
        switch("ni6", "eth3"),
        app("app1", "ni1", acl=MAPS),
        app("app6", "ni6"),
    ]


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(PORTS, ipv6=True) as made:
        for name in ("app1", "app4", "app6"):
            made.lab.app(name)
        cloud, public, own = hub(made)
        made.apply(*documents(), wireguard(made, "ni4", "eth1", cloud, public, own), app("app4", "ni4"))
        made.leased("ni1", "app1")
        made.lab.apps["app1"].dhcp6()
        made.eventually(lambda: made.sh("ip -6 neigh show proxy"), "the device answers for app1")
        made.ready("ni1", "ni4", "ni6")
        yield made


def told(w: World, since: int, *reasons: str) -> list[dict[str, str]]:
    return [each for each in w.logged(since, event="drift") if not reasons or each["reason"] in reasons]


def test_every_kind_has_a_case() -> None:
    """A kind that is added without one is not known to be noticed at all."""
    kinds = {each.kind for each in (*INSTANCE_KINDS, *UPLINK_KINDS)}
    assert kinds == {case.kind for case in CASES.values()} - {"netns"} | NONE.keys()


@pytest.mark.parametrize("what", CASES)
def test_changed_by_hand(w: World, what: str) -> None:
    """It is told once, with all that went along, and as repaired; nothing else is told."""
    case = CASES[what]
    since = w.mark()
    start = float(w.sh(f"date +%s.%N; {case.script}", case.network).split()[0])
    if case.wakes:
        w.sh(case.wakes)
    if case.kind == "netns":
        w.eventually(lambda: case.words in w.command("events").stdout, case.words)
        w.sh("true", "ni1")
        return
    w.eventually(lambda: told(w, since, "Repaired"), f"{what} is repaired")
    (repaired, *_) = told(w, since, "Repaired")
    news = told(w, since, "Drift", "HelperEnded")
    assert [(case.about, True)] == [(each["about"], case.words in each["message"]) for each in news], news
    assert news[0]["reason"] == ("HelperEnded" if "has ended" in news[0]["message"] else "Drift")
    took = datetime.fromisoformat(repaired["timestamp"]).timestamp() - start
    print(
        f"figure: {case.kind}: {what}: {took * 1000:.0f} ms, {repaired['milliseconds']} of these since it was noticed"
    )
    w.ready("ni1", "ni4", "ni6")
