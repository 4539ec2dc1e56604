"""What belongs to others: interfaces, rules, routes, tables, namespaces and processes, also where names or numbers collide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.scenarios.documents import app as app_in
from tests.scenarios.documents import bare, device, instance, switch
from tests.scenarios.ipv6 import dual, port6
from tests.scenarios.portmaps import port_map
from tests.scenarios.world import World

pytestmark = pytest.mark.root

FOREIGN = r"""
# Links: of the names that ours would have, and like those.
ip link add nm-ni3 type veth peer name x3
ip link add nm-other type veth peer name xother
ip link add bn0 type bridge
ip link add uplink type veth peer name xuplink
ip address add 198.51.100.1/24 dev bn0
ip link set bn0 up; ip link set nm-other up; ip link set xother up
# Rules: the same priorities, tables and marks.
ip rule add priority 50 iif xother lookup 800 proto static
ip rule add priority 50 from 198.51.100.0/24 lookup 950
ip rule add priority 45 fwmark 0x6e000063 lookup 500 proto static
ip rule add priority 60 from 198.51.100.7 lookup 950 proto static
ip -6 rule add priority 50 from 2001:db8:f::/48 lookup 800 proto static
# Routes: in our tables, and of our metrics.
ip route add 198.51.100.128/25 dev xother table 800 proto static
ip route add 198.51.100.128/25 dev xother table 500 proto static
ip route add blackhole 203.0.113.128/25 metric 10001 proto static
ip -6 route add 2001:db8:f::/48 dev xother table 800 proto static
# Tables of nftables: names that begin like ours, and the rules of somebody who does not use tables of his own.
nft add table inet netnsmgr
nft add table inet netnsmgr_other
nft 'add chain inet netnsmgr_other c { type filter hook forward priority 5; }'
nft add rule inet netnsmgr_other c meta mark 0x6e000063 counter
nft add table ip netnsmgr_uplink
nft 'add chain ip netnsmgr_uplink c { type filter hook output priority 5; }'
# A neighbour, a multicast route's group, a queueing discipline.
ip neighbour add 198.51.100.9 lladdr 02:00:00:00:00:09 dev bn0
tc qdisc add dev nm-other root tbf rate 100mbit burst 100k latency 50ms
# Namespaces: one of the name of an instance, one of another.
ip netns add ni4
ip -n ni4 link add bn0 type bridge
ip netns exec ni4 nft add table inet netnsmgr_nat
ip netns add other
"""

SEEN = r"""
ip -o link | grep -E ': (nm-ni3|nm-other|bn0|uplink|x3|xother|xuplink)[@:]' | sed 's/ state [A-Z]*//'
ip -4 -o address show dev bn0
ip rule | grep -E '198\.51|xother|0x6e000063'; ip -6 rule | grep 2001:db8:f
ip route show table all | grep -E '198\.51\.100|203\.0\.113\.128'
ip -6 route show table all | grep 2001:db8:f
for t in 'inet netnsmgr' 'inet netnsmgr_other' 'ip netnsmgr_uplink'; do nft -s list table $t; done
ip neighbour show dev bn0 nud permanent
tc qdisc show dev nm-other
for n in ni4 other; do stat -c %i /run/netns/$n; ip netns exec $n sh -c 'ip -o link; nft list ruleset; ip rule; sysctl net.ipv4.ip_forward'; done
"""


class Innocent(NamedTuple):
    """A process of somebody else's, with the time of its start: its id alone might be another's by now."""

    pid: int
    since: str


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        made.sh(FOREIGN)
        yield made


def seen(w: World) -> str:
    return w.sh(SEEN)


def since(w: World, pid: int) -> str:
    """When a process began; empty if it has ended."""
    return w.sh(f"cut -d' ' -f22 /proc/{pid}/stat 2>/dev/null || true")


def innocents(w: World) -> list[Innocent]:
    """Processes with the vector or the place of a helper, but of nobody's namespace that is ours."""
    etc, inode = "/run/netnsmgr/instances/ni1/etc", w.sh("stat -Lc %i /run/netns/other").strip()
    found = []
    for where, vector in (
        ("", f"dnsmasq --conf-file={etc}/dnsmasq.1.conf"),
        ("", f"dnsmasq --conf-file={etc}/dnsmasq.{inode}.conf"),
        ("ip netns exec other", f"dnsmasq --conf-file={etc}/dnsmasq.{inode}.conf"),
        ("ip netns exec other", "netnsmgr:ni1"),
    ):
        script = f"{where} bash -c 'exec -a \"$0\" sleep 600' '{vector}' >/dev/null 2>&1 & echo $!"
        pid = int(w.sh(script))
        w.eventually(lambda pid=pid: "sleep" in w.sh(f"cat /proc/{pid}/comm"), "it runs")  # type: ignore[misc]
        found.append(Innocent(pid, since(w, pid)))
    return found


def test_others_are_not_touched(w: World) -> None:
    """Instances come, are repaired, crash and go: what others have is there all the time, as it was."""
    for name in ("app1", "app2"):
        w.lab.app(name)
    others = innocents(w)
    before = seen(w)
    assert before.count("\n") > 40

    def intact(when: str) -> None:
        assert seen(w) == before, when
        assert [since(w, each.pid) for each in others] == [each.since for each in others], when

    apps = [app_in("app1", "ni1", acl=[port_map(), {"id": 1}]), app_in("app2", "ni2")]
    instances = [dual("ni1"), instance("ni2", "10.10.2"), switch("ni5", "eth1")]
    w.apply(device(port6(), bare("eth1")), *instances, *apps)
    w.leased("ni1", "app1")
    intact("after instances came")
    # A process id that somebody wrote down and that is another's by now: after a reboot an innocent process was killed
    # for it elsewhere.
    w.sh(f"for f in /run/netnsmgr/instances/*/*/*.pid; do echo {others[0].pid} >$f; done")
    w.sh("ip link del bn0; nft flush ruleset", "ni1")
    w.sh("ip link del nm-ni1; ip rule del priority 40")
    w.ready("ni1")
    intact("after repairs")
    w.crash()
    w.restart()
    w.ready("ni1", "ni2", "ni5")
    intact("after a crash of everything")
    w.put(remove=[*apps, *instances])
    w.until(lambda: not any(w.agent(name) for name in ("ni1", "ni2", "ni5")), "they are gone")
    intact("after they went")
    for each in others:
        w.kill(each.pid)


def test_a_link_of_somebody_else_is_in_the_way(w: World) -> None:
    """An instance whose link's name is taken says so and waits; when the other one has gone it goes on by itself."""
    before = seen(w)
    w.put(device(port6(), bare("eth1")), instance("ni3", "10.10.3"))
    w.until(lambda: any("nm-ni3" in reason for reason in w.instance("ni3").get("reasons", ())), "the reason")
    assert seen(w) == before
    w.sh("ip link set nm-ni3 name theirs")
    w.ready("ni3")
    assert "x3" in w.sh("ip -o link show theirs")
    w.put(remove=[instance("ni3", "10.10.3")])
    w.until(lambda: not w.agent("ni3"), "it is gone")
    assert "theirs" in w.sh("ip -o link show x3")
    w.sh("ip link set theirs name nm-ni3")
    assert seen(w) == before


def test_a_namespace_of_somebody_else_is_in_the_way(w: World) -> None:
    """It is not entered, not changed and not removed, also when the instance is deleted again; the instance says why."""
    before = seen(w)
    w.put(device(port6(), bare("eth1")), instance("ni4", "10.10.4"))
    w.until(lambda: "is not netnsmgr's" in (w.agent("ni4").get("cause") or ""), "the cause")
    assert seen(w) == before
    w.put(remove=[instance("ni4", "10.10.4")])
    w.until(lambda: not w.agent("ni4"), "it is gone")
    assert seen(w) == before
