"""What is told of WireGuard tunnels: rows of ``InstanceStatus``, and what is the matter in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from netnsmgr.config.wireguard import WireguardPeer, WireguardTunnel
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import wireguard
from netnsmgr.features.vpn.handshakes import CONNECTING, DOWN, UP, PeerWatch
from netnsmgr.items.wireguard import WireguardSeen

COUNTERS = ("handshake", "rx", "tx")
"""What changes of a peer all the time."""


def row(
    scope: InstanceScope,
    tunnel: WireguardTunnel,
    seen: WireguardSeen | None,
    watches: Mapping[str, PeerWatch],
) -> dict[str, Any]:
    """Return a tunnel's row; ``seen`` is None while its interface is not there, ``watches`` are by public key."""
    peers = [
        _peer_row(scope, peer, watches.get(peer.public_key, PeerWatch(CONNECTING))) for peer in tunnel.peers
    ]
    return {
        "name": tunnel.name,
        "backend": scope.vpn.wireguard,
        "state": DOWN if seen is None else _state([peer["state"] for peer in peers]),
        "publicKey": seen.public_key if seen is not None else None,
        "listenPort": seen.listen_port if seen is not None else tunnel.listen_port,
        "mtu": wireguard.mtu(scope, tunnel),
        "addresses": [str(address) for address in wireguard.addresses(scope, tunnel)],
        "reasons": _reasons(scope, tunnel, seen, watches),
        "peers": peers,
    }


def _state(peers: list[str]) -> str:
    troubled = [state for state in peers if state in (CONNECTING, DOWN)]
    if not troubled:
        return UP
    return DOWN if set(troubled) == {DOWN} and UP not in peers else CONNECTING


def _peer_row(scope: InstanceScope, peer: WireguardPeer, watch: PeerWatch) -> dict[str, Any]:
    seen = watch.seen
    return {
        "name": peer.name,
        "publicKey": peer.public_key,
        "endpoint": (seen.endpoint if seen is not None else "")
        or (str(peer.endpoint) if peer.endpoint else None),
        "state": watch.state,
        "handshake": (seen.handshake or None) if seen is not None else None,
        "rx": seen.rx if seen is not None else 0,
        "tx": seen.tx if seen is not None else 0,
        "allowedIps": [str(network) for network in peer.allowed_ips],
    }


def _reasons(
    scope: InstanceScope,
    tunnel: WireguardTunnel,
    seen: WireguardSeen | None,
    watches: Mapping[str, PeerWatch],
) -> list[str]:
    if tunnel.name not in dict(scope.vpn.links):
        return [f"tunnel {tunnel.name}: its interface is not there"]
    if seen is None:
        return [f"tunnel {tunnel.name}: its interface is being set up"]
    found = []
    for peer in tunnel.peers:
        watch = watches.get(peer.public_key)
        if words := _trouble(scope, peer, watch) if watch is not None else "":
            found.append(f"tunnel {tunnel.name}: {words}")
    return found


def _trouble(scope: InstanceScope, peer: WireguardPeer, watch: PeerWatch) -> str:
    if watch.state not in (CONNECTING, DOWN):
        return ""
    where = watch.seen.endpoint if watch.seen is not None else ""
    if peer.endpoint and not where and not wireguard.addresses_of(scope, peer):
        return f"the address of {peer.endpoint.host} (peer {peer.name}) is not known yet"
    named = f"peer {peer.name} ({where or peer.endpoint})"
    if watch.seen is None or not watch.seen.handshake:
        return f"no handshake with {named} yet"
    last = datetime.fromtimestamp(watch.seen.handshake, UTC)
    return f"{named} does not answer; last handshake {last:%Y-%m-%d %H:%M:%S} UTC"


def without_counters(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what changes all the time, and says nothing of whether a tunnel works."""
    return [
        {
            **tunnel,
            "peers": [{k: v for k, v in peer.items() if k not in COUNTERS} for peer in tunnel["peers"]],
        }
        for tunnel in rows
    ]
