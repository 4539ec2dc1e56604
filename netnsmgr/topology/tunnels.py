"""An instance's tunnels for a drawing: their other ends, what is behind these, and whether they are up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.ipsec import IpsecConnection
from netnsmgr.config.wireguard import WireguardTunnel
from netnsmgr.topology.model import End, Health, Tunnel

Row = Mapping[str, Any]
STATES = {"up": "up", "down": "down", "idle": "idle", "waiting": "idle"}
"""A tunnel that waits for its first packet, or its peer, is neither up nor down; all other words are on their way."""


def tunnels(ni: NetworkInstance, row: Row | None) -> Iterator[Tunnel]:
    """Yield an instance's tunnels; ``row`` is its status, None for a configuration alone."""
    vpn = ni.spec.vpn
    if vpn is None:
        return
    told = None if row is None else row.get("vpn") or {}
    for tunnel in vpn.tunnels:
        yield _wireguard(tunnel, _named(told, "wireguard", tunnel.name))
    for connection in vpn.connections:
        yield _ipsec(ni, connection, _named(told, "ipsec", connection.name))


def _wireguard(tunnel: WireguardTunnel, row: Row | None) -> Tunnel:
    notes = [str(address) for address in tunnel.addresses]
    if tunnel.listen_port:
        notes.append(f"listens at UDP port {tunnel.listen_port}")
    peers = {each.get("name"): each for each in (row or {}).get("peers") or ()}
    ends = []
    for peer in tunnel.peers:
        found = None if row is None else peers.get(peer.name) or {}
        where = (found or {}).get("endpoint") or peer.endpoint
        ends.append(End(peer.name, str(where) if where else "calls us", peer.allowed_ips, (), _health(found)))
    networks = tuple(address.network for address in tunnel.addresses)
    return Tunnel("WireGuard", tunnel.name, tuple(notes), networks, tuple(ends), _health(row))


def _ipsec(ni: NetworkInstance, connection: IpsecConnection, row: Row | None) -> Tunnel:
    selectors = []
    for child in connection.children:
        own = child.local or (() if connection.virtual_ip else ni.spec.subnets)
        local = _listed(own) if own else "virtual address"
        selectors.append((child.name, f"{local} === {_listed(child.remote)}"))
    health = _health(row)
    address = (row or {}).get("remoteAddress")
    where = (
        f"{connection.remote} ({address})" if address and address != connection.remote else connection.remote
    )
    end = End(connection.name, where, connection.networks, tuple(selectors), health)
    notes = ["virtual address"] if connection.virtual_ip else []
    return Tunnel("IPsec", connection.name, tuple(notes), (), (end,), health)


def _named(told: Row | None, kind: str, name: str) -> Row | None:
    if told is None:
        return None
    return next((each for each in told.get(kind) or () if each.get("name") == name), {})


def _health(row: Row | None) -> Health:
    if row is None:
        return Health()
    reasons = [*(row.get("reasons") or ()), *([row["error"]] if row.get("error") else [])]
    return Health(STATES.get(str(row.get("state")), "pending"), tuple(map(str, reasons)))


def _listed(networks: Iterable[object]) -> str:
    return ", ".join(map(str, networks))
