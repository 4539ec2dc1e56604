"""WireGuard interfaces as they are in the instance: keys, peers, addresses."""

from __future__ import annotations

from ipaddress import ip_address

from netnsmgr.config.wireguard import WireguardPeer, WireguardTunnel
from netnsmgr.core.ip import IPAddress, IPInterface
from netnsmgr.core.ip import endpoint as written
from netnsmgr.core.item import Item, Ref
from netnsmgr.core.linkname import birth_name
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.marks import WIREGUARD_MARK_BASE
from netnsmgr.features.vpn.overhead import wireguard_go_mtu, wireguard_mtu
from netnsmgr.items.address import Address
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.tunnel import GO
from netnsmgr.items.wireguard import Peer, Wireguard

KERNEL = "kernel"
"""The backend that is configured by the interface's name inside; the other one by the name of its birth."""


def items(scope: InstanceScope) -> list[Item]:
    """Return the interfaces; nothing without tunnels."""
    return [item for tunnel in tunnels(scope) for item in _tunnel(scope, tunnel)]


def tunnels(scope: InstanceScope) -> tuple[WireguardTunnel, ...]:
    """Return the WireGuard tunnels of an instance."""
    return scope.instance.spec.vpn.tunnels if scope.instance.spec.vpn is not None else ()


def _tunnel(scope: InstanceScope, tunnel: WireguardTunnel) -> list[Item]:
    name = tunnel.name
    set_up = wanted(scope, tunnel)
    found: list[Item] = [ExternalLink(name), set_up]
    first: set[Ref] = {set_up.ref}
    if scope.instance.has_ipv6:
        # The TUN of wireguard-go would send questions for routers into the tunnel, which begin handshakes.
        for parameter, value in (("accept_ra", "0"), ("addr_gen_mode", "1")):
            sysctl = Sysctl(f"net/ipv6/conf/{name}/{parameter}", value, name)
            first.add(sysctl.ref)
            found.append(sysctl)
    # Not before it has its mark: what it sends without leaves by the device's own ways.
    found += [
        LinkUp(name, mtu(scope, tunnel), needs=frozenset(first)),
        # Answers, and what peers ask, are for applications.
        Forwarding(name),
        Sysctl(f"net/ipv4/conf/{name}/rp_filter", "0", name),
    ]
    return found + [Address(name, address) for address in addresses(scope, tunnel)]


def addresses(scope: InstanceScope, tunnel: WireguardTunnel) -> list[IPInterface]:
    """Return our addresses in a tunnel: of the versions that the instance has."""
    return [each for each in tunnel.addresses if each.version == 4 or scope.instance.has_ipv6]


def wanted(scope: InstanceScope, tunnel: WireguardTunnel) -> Wireguard:
    """Return how WireGuard shall be set."""
    return Wireguard(
        tunnel.name,
        tunnel.private_key.file if tunnel.private_key else f"{scope.secrets}/{tunnel.name}.key",
        listen_port=tunnel.listen_port,
        fwmark=WIREGUARD_MARK_BASE + scope.number,
        peers=tuple(
            sorted(
                (_peer(scope, tunnel.name, peer) for peer in tunnel.peers), key=lambda each: each.public_key
            )
        ),
        door=door(scope, tunnel.name),
        generated=tunnel.private_key is None,
    )


def door(scope: InstanceScope, tunnel: str) -> str:
    """Return the name by which ``wg`` finds an interface."""
    return tunnel if scope.vpn.wireguard == KERNEL else birth_name(scope.instance.name, tunnel)


def _peer(scope: InstanceScope, tunnel: str, peer: WireguardPeer) -> Peer:
    return Peer(
        peer.public_key,
        tuple(dict.fromkeys(peer.allowed_ips)),
        peer.preshared_key.file if peer.preshared_key else "",
        tuple(written(address, peer.endpoint.port) for address in addresses_of(scope, peer))
        if peer.endpoint
        else (),
        scope.vpn.places.get((tunnel, peer.public_key), ""),
        # At the first packet to nowhere WireGuard would wait for 5 s, also when it is told where.
        peer.keepalive if not peer.endpoint or addresses_of(scope, peer) else 0,
        name=peer.name,
    )


def addresses_of(scope: InstanceScope, peer: WireguardPeer) -> tuple[IPAddress, ...]:
    """Return where a peer may be; nothing while that is not known, or if it is the peer that calls."""
    if peer.endpoint is None:
        return ()
    try:
        return (ip_address(peer.endpoint.host),)
    except ValueError:
        return scope.vpn.endpoints.get(peer.endpoint.host, ())


def mtu(scope: InstanceScope, tunnel: WireguardTunnel) -> int:
    """Return the largest packet in the tunnel, in bytes: what the ports carry less what WireGuard adds."""
    if tunnel.mtu is not None:
        return tunnel.mtu
    known = [addresses_of(scope, peer) for peer in tunnel.peers]
    most = wireguard_mtu(scope.link.mtu, [each for found in known for each in found] if all(known) else ())
    return wireguard_go_mtu(most) if scope.vpn.wireguard == GO else most
