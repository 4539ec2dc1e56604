"""WireGuard tunnels of a network instance."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from netnsmgr.config.common import (
    Endpoint,
    HostAddress,
    Model,
    Mtu,
    Network,
    SimpleName,
    TunnelName,
    WireguardKey,
)
from netnsmgr.config.secret import SecretField
from netnsmgr.core.ip import IPNetwork


class WireguardPeer(Model):
    """Another end of a WireGuard tunnel."""

    name: SimpleName = Field(examples=["hub"])
    """Name of the peer, unique in its tunnel; for people only."""

    public_key: WireguardKey = Field(examples=["TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="])
    """The peer's public key: 32 bytes in base64."""

    preshared_key: SecretField | None = Field(
        default=None, examples=[{"file": "/etc/netnsmgr/secrets/hub.psk"}]
    )
    """A further secret that both ends have, in the form of a key. Default: none."""

    endpoint: Endpoint | None = Field(default=None, examples=["vpn.example.com:51820"])
    """Where the peer is, `host:port`; a name is resolved by the DNS servers of the instance's ports, again when it
    changes. Default: the peer calls us."""

    allowed_ips: Annotated[tuple[Network, ...], Field(min_length=1)] = Field(
        examples=[["10.20.0.0/24"], ["0.0.0.0/0", "::/0"]]
    )
    """Networks behind the peer: what goes there is encrypted for it, and only from there it may send. Each belongs to
    one peer of the tunnel alone."""

    keepalive: Annotated[StrictInt, Field(ge=0, le=65535)] = 0
    """Seconds after which an empty packet is sent, so that a NAT on the way keeps the flow; 0: never."""


class WireguardTunnel(Model):
    """A WireGuard interface in the instance's namespace."""

    name: TunnelName = Field(examples=["wg0"])
    """Name of the interface in the instance's namespace, at most 15 bytes."""

    private_key: SecretField | None = Field(
        default=None, examples=[{"file": "/etc/netnsmgr/secrets/wg0.key"}]
    )
    """Our private key. Default: one that is generated, and kept in the state directory."""

    addresses: tuple[HostAddress, ...] = Field(default=(), examples=[["10.9.0.2/24"]])
    """Our addresses in the tunnel. Apps are seen as these, unless `nat` is false."""

    listen_port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    """UDP port on the device at which peers can reach us. Default: a free one."""

    mtu: Mtu | None = Field(default=None, examples=[1420])
    """Largest packet in the tunnel, in bytes. Default: what the instance's ports carry, less WireGuard's own bytes."""

    nat: StrictBool = True
    """Apps' addresses become ours when they leave by the tunnel, where it has `addresses` of that version. False: the peers
    know the instance's subnet."""

    peers: tuple[WireguardPeer, ...] = ()
    """The other ends."""

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """What is behind the peers."""
        return tuple(dict.fromkeys(network for peer in self.peers for network in peer.allowed_ips))


class Wireguard(Model):
    """WireGuard in an instance."""

    tunnels: Annotated[tuple[WireguardTunnel, ...], Field(min_length=1)] = Field(examples=[[{"name": "wg0"}]])
    """WireGuard interfaces, each with its peers."""
