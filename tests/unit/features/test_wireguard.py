"""The instance's half of WireGuard tunnels: what is wanted of an interface, what is changed, what is told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from netnsmgr.core.item import Item, Ref
from netnsmgr.core.plan import plan
from netnsmgr.features.instance import intent
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import wireguard, wireguard_rows
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.handshakes import PeerWatch
from netnsmgr.items.link import LinkUp
from netnsmgr.items.wireguard import OTHER, Peer, PeerChange, PeerSeen, Wireguard, WireguardSeen, changes
from tests.kernel.netstage import HEAD
from tests.kernel.told import told

KEYS = ("TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=")
HUB = {
    "name": "hub",
    "publicKey": KEYS[0],
    "endpoint": "hub.site:51820",
    "allowedIps": ["10.9.0.0/24", "fd09::/64"],
}
GO = VpnFacts("", "wireguard-go")


def scope(*peers: dict[str, Any], facts: VpnFacts = GO, six: bool = False, **tunnel: Any) -> InstanceScope:
    made = {"name": "wg0", "addresses": ["10.9.0.2/24", "fd09::2/64"], "peers": list(peers), **tunnel}
    subnets = ["10.1.0.0/24", *(["fd01::/64"] if six else [])]
    spec: dict[str, Any] = {"subnets": subnets, "ports": ["eth0"], "vpn": {"wireguard": {"tunnels": [made]}}}
    if six:
        spec["ipv6"] = {"uplink": "nat66"}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    return replace(told(device, instance, link=LinkFacts(state="ready", mtu=1500)), vpn=facts)


def items(wanted: InstanceScope) -> dict[Ref, Item]:
    return {item.ref: item for item in wireguard.items(wanted)}


def interface(wanted: InstanceScope) -> Wireguard:
    found = items(wanted)[Ref("wireguard", "wg0")]
    assert isinstance(found, Wireguard)
    return found


def resolved(*addresses: str) -> VpnFacts:
    return replace(GO, endpoints={"hub.site": tuple(map(ip_address, addresses))})


def test_nothing_without_tunnels() -> None:
    """An instance without tunnels has nothing of them."""
    bare = scope(HUB)
    spec = bare.instance.spec.model_copy(update={"vpn": None})
    assert wireguard.items(replace(bare, instance=bare.instance.model_copy(update={"spec": spec}))) == []


def test_order() -> None:
    """The interface is up only when it has its keys, its mark and its parameters; nothing is blocked but by the link."""
    wanted = intent(scope(HUB, facts=resolved("192.0.2.1"), six=True))[""]
    todo = plan(
        {},
        {item.ref: item for item in wanted},
        frozenset({Ref("link", "uplink"), Ref("link", "lo"), Ref("link", "wg0")}),
    )
    order = [op.ref for op in todo.order()]
    up = order.index(Ref("link-up", "wg0"))
    assert order.index(Ref("wireguard", "wg0")) < up
    assert order.index(Ref("sysctl", "net/ipv6/conf/wg0/addr_gen_mode")) < up
    assert up < order.index(Ref("route", "10.9.0.0/24 metric 0"))


def test_doors_and_keys() -> None:
    """The kernel's interface is known by its name, wireguard-go's by that of its birth; keys are files."""
    assert interface(scope(HUB)).door == "nmw-agent.wg0"
    assert interface(scope(HUB, facts=VpnFacts("", "kernel"))).door == "wg0"
    made = interface(scope(HUB))
    assert (made.private_key, made.generated) == ("/run/state/secrets/agent/wg0.key", True)
    made = interface(scope(HUB, privateKey={"file": "/etc/keys/wg0"}))
    assert (made.private_key, made.generated) == ("/etc/keys/wg0", False)


def test_addresses_of_the_instance_alone() -> None:
    """Addresses of IPv6 are for instances that have it."""
    assert Ref("address", "fd09::2/64 dev wg0") not in items(scope(HUB))
    assert Ref("address", "fd09::2/64 dev wg0") in items(scope(HUB, six=True))


def test_names() -> None:
    """A name that is not resolved keeps nothing from being set up; no keepalive goes to nowhere."""
    (peer,) = interface(scope(HUB | {"keepalive": 25})).peers
    assert (peer.endpoints, peer.keepalive) == ((), 0)
    (peer,) = interface(scope(HUB | {"keepalive": 25}, facts=resolved("192.0.2.1", "2001:db8::1"))).peers
    assert (peer.endpoints, peer.keepalive) == (("192.0.2.1:51820", "[2001:db8::1]:51820"), 25)
    (peer,) = interface(scope({**HUB, "endpoint": "192.0.2.9:1"})).peers
    assert peer.endpoints == ("192.0.2.9:1",)


def test_mtu() -> None:
    """60 bytes less by IPv4; 80 by IPv6, and where it is not known; what is written counts."""

    def mtu(*peers: dict[str, Any], **more: Any) -> int | None:
        up = items(scope(*peers, **more))[Ref("link-up", "wg0")]
        assert isinstance(up, LinkUp)
        return up.mtu

    caller = {"name": "phone", "publicKey": KEYS[1], "allowedIps": ["10.9.1.0/24"]}
    by_kernel = replace(resolved("192.0.2.1"), wireguard="kernel")
    assert mtu(HUB, facts=by_kernel) == 1440
    assert mtu(HUB, facts=resolved("192.0.2.1")) == 1436  # wireguard-go pads some of those more
    assert mtu(HUB, facts=resolved("192.0.2.1", "2001:db8::1")) == 1420
    assert mtu(HUB) == 1420
    assert mtu(HUB, caller, facts=resolved("192.0.2.1"), listenPort=4000) == 1420
    assert mtu(HUB, mtu=1300) == 1300


def test_changes() -> None:
    """Only what is different is changed, who goes goes first, and nobody's place is set back."""
    network, other = ip_network("10.0.0.0/8"), ip_network("10.9.0.0/24")
    one = Peer(KEYS[0], (network,), "", ("192.0.2.1:1",), keepalive=25)
    two = Peer(KEYS[1], (other,), "/etc/psk")
    assert changes([one, two], [two, one]) == []
    assert changes([two], [one]) == [
        PeerChange(KEYS[1], remove=True),
        PeerChange(KEYS[0], False, None, "192.0.2.1:1", 25, (network,)),
    ]
    assert changes([one], [replace(one, at="192.0.2.2:1")]) == [PeerChange(KEYS[0], endpoint="192.0.2.2:1")]
    assert changes([replace(two, preshared=OTHER)], [two]) == [PeerChange(KEYS[1], preshared="/etc/psk")]
    assert changes([replace(two, preshared=OTHER)], [replace(two, preshared="")]) == [
        PeerChange(KEYS[1], preshared="")
    ]
    assert changes([replace(one, endpoints=())], [one]) == [PeerChange(KEYS[0], endpoint="192.0.2.1:1")]


def test_rows() -> None:
    """A row says how each peer stands and what is the matter; without counters it is the same while nothing happens."""
    wanted = scope(HUB, facts=replace(resolved("192.0.2.1"), links=(("wg0", 7),)))
    tunnel = wireguard.tunnels(wanted)[0]
    row = wireguard_rows.row(replace(wanted, vpn=GO), tunnel, None, {})
    assert (row["state"], row["reasons"]) == ("down", ["tunnel wg0: its interface is not there"])
    seen = PeerSeen(KEYS[0], "", "192.0.2.1:51820", (), 0, 0, 148, 0)
    there = WireguardSeen("x", KEYS[1], 4711, 1, (seen,))
    watch = PeerWatch("connecting", seen=seen)
    row = wireguard_rows.row(wanted, tunnel, there, {KEYS[0]: watch})
    assert (row["state"], row["publicKey"], row["listenPort"]) == ("connecting", KEYS[1], 4711)
    assert row["reasons"] == ["tunnel wg0: no handshake with peer hub (192.0.2.1:51820) yet"]
    assert row["peers"][0]["handshake"] is None
    watch.state, watch.seen = "down", seen._replace(handshake=1_800_000_000)
    row = wireguard_rows.row(wanted, tunnel, there, {KEYS[0]: watch})
    assert row["state"] == "down"
    assert row["reasons"] == [
        "tunnel wg0: peer hub (192.0.2.1:51820) does not answer; last handshake 2027-01-15 08:00:00 UTC"
    ]
    watch.state = "up"
    row = wireguard_rows.row(wanted, tunnel, there, {KEYS[0]: watch})
    assert (row["state"], row["reasons"]) == ("up", [])
    watch.seen = seen._replace(handshake=1_800_000_000, rx=999)
    later = wireguard_rows.row(wanted, tunnel, there, {KEYS[0]: watch})
    assert row != later
    assert wireguard_rows.without_counters([row]) == wireguard_rows.without_counters([later])
