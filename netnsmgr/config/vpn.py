"""The VPN of a network instance: what leaves is encrypted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netnsmgr.config.common import Model
from netnsmgr.config.ipsec import Ipsec, IpsecConnection
from netnsmgr.config.wireguard import Wireguard, WireguardTunnel
from netnsmgr.core.ip import IPNetwork


class Vpn(Model):
    """Tunnels by which apps leave: of WireGuard or of IPsec. What is for a tunnel never leaves in clear, whatever fails."""

    wireguard: Wireguard | None = Field(default=None, examples=[{"tunnels": [{"name": "wg0"}]}])
    """Tunnels of WireGuard."""

    ipsec: Ipsec | None = None
    """Connections of IPsec. Not together with `wireguard`."""

    rest: Literal["block", "direct"] = "block"
    """What no tunnel carries: it does not leave, or leaves by the ports as in an instance without VPN."""

    dns: Literal["tunnel", "direct"] = "tunnel"
    """How names are asked for. `tunnel`: only `dns.servers` of the instance (or those that the other end of `virtualIp`
    tells) are asked, and only through a tunnel. `direct`: the DNS servers of the ports, in clear."""

    @property
    def tunnels(self) -> tuple[WireguardTunnel, ...]:
        """Those of WireGuard."""
        return self.wireguard.tunnels if self.wireguard is not None else ()

    @property
    def connections(self) -> tuple[IpsecConnection, ...]:
        """Those of IPsec."""
        return self.ipsec.connections if self.ipsec is not None else ()

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """What is led into tunnels."""
        found = [each for tunnel in self.tunnels for each in tunnel.networks]
        found += [each for connection in self.connections for each in connection.networks]
        return tuple(dict.fromkeys(found))

    @property
    def kept(self) -> tuple[IPNetwork, ...]:
        """What never leaves in clear: what is led into tunnels, and the networks that tunnels themselves are in."""
        own = [address.network for tunnel in self.tunnels for address in tunnel.addresses]
        return tuple(dict.fromkeys([*self.networks, *own]))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The other ends' names or addresses, as written, each once."""
        found = [peer.endpoint.host for tunnel in self.tunnels for peer in tunnel.peers if peer.endpoint]
        found += [connection.remote for connection in self.connections]
        return tuple(dict.fromkeys(found))
