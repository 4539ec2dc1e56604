"""Clients of a WireGuard server: which address is free, what a client needs to know, and its file; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from netnsmgr.config import wgquick
from netnsmgr.core.ip import IPAddress, IPInterface, IPNetwork, endpoint, host_network

Document = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Server:
    """A tunnel of an instance that clients call, as its document and its status have it."""

    instance: str
    document: Mapping[str, Any]
    tunnel: Mapping[str, Any]
    row: Row = field(default_factory=dict)
    """Of the status; empty where there is none yet."""

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"tunnel {self.tunnel['name']} of {self.instance}"

    @property
    def where(self) -> str:
        """Where its fields stand in the document."""
        return f"spec.vpn.wireguard.tunnels[{self.tunnel['name']}]"

    @property
    def peers(self) -> Sequence[Mapping[str, Any]]:
        """What is written of the other ends."""
        return self.tunnel.get("peers") or ()

    @property
    def own(self) -> list[IPInterface]:
        """The server's addresses in the tunnel; of IPv6 only where the instance has it, as elsewhere they are not set."""
        spec = self.document["spec"]
        six = any(":" in each for each in spec.get("subnets") or ())
        six = six or (spec.get("ipv6") or {}).get("uplink") == "delegated"
        written = [ip_interface(each) for each in self.tunnel.get("addresses") or ()]
        return [each for each in written if each.version == 4 or six]

    @property
    def taken(self) -> dict[IPNetwork, str]:
        """Return whose each network is that is somebody's already."""
        found: dict[IPNetwork, str] = {host_network(each.ip): "the server itself" for each in self.own}
        for peer in self.peers:
            found |= {ip_network(each): f"peer {peer['name']}" for each in peer.get("allowedIps") or ()}
        return found

    @property
    def behind(self) -> list[IPNetwork]:
        """What a client reaches by it: the tunnel's own networks, and the instance's subnets."""
        subnets = self.document["spec"].get("subnets") or ()
        return list(
            dict.fromkeys([each.network for each in self.own] + [ip_network(each) for each in subnets])
        )

    def changed(self, peers: Iterable[Mapping[str, Any]]) -> Document:
        """Return the instance's document with other peers of this tunnel."""
        spec = dict(self.document["spec"])
        tunnels = [
            {**each, "peers": [dict(peer) for peer in peers]} if each["name"] == self.tunnel["name"] else each
            for each in _written(spec)
        ]
        vpn = spec["vpn"] | {"wireguard": {"tunnels": tunnels}}
        return dict(self.document) | {"spec": spec | {"vpn": vpn}}


def tunnels(instance: str, document: Mapping[str, Any] | None, status: Row) -> list[Server]:
    """Return an instance's WireGuard tunnels, each with what its status says."""
    if document is None:
        return []
    rows = {row.get("name"): row for row in (status.get("vpn") or {}).get("wireguard") or ()}
    return [
        Server(instance, document, each, rows.get(each["name"], {})) for each in _written(document["spec"])
    ]


def _written(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the tunnels of an instance's document."""
    wireguard = (spec.get("vpn") or {}).get("wireguard") or {}
    return wireguard.get("tunnels") or ()


def free_address(server: Server, network: IPNetwork) -> IPAddress | None:
    """Return the first address of a network that nobody has; None if there is none left."""
    taken = [each for each in server.taken if each.version == network.version and each.overlaps(network)]
    bits = network.max_prefixlen - network.prefixlen
    # The first address of a larger network is nobody's (in IPv6 every router's, RFC 4291, 2.6.1), the last one of IPv4
    # is for all.
    candidate = int(network.network_address) + (1 if bits > 1 else 0)
    last = int(network.broadcast_address) - (1 if bits > 1 and network.version == 4 else 0)
    while candidate <= last:
        address = ip_address(candidate) if network.version == 4 else type(network.network_address)(candidate)
        holder = next((each for each in taken if address in each), None)
        if holder is None:
            return address
        candidate = int(holder.broadcast_address) + 1
    return None


def free_addresses(server: Server) -> list[IPAddress]:
    """Return a free address of each version that the tunnel has, in the first of its networks with room."""
    found: dict[int, IPAddress] = {}
    for each in server.own:
        if each.version not in found and (address := free_address(server, each.network)) is not None:
            found[each.version] = address
    return list(found.values())


def in_use(server: Server, addresses: Iterable[IPAddress]) -> Iterator[str]:
    """Say which of these addresses are somebody's already."""
    for address in addresses:
        whose = next(
            (
                who
                for network, who in server.taken.items()
                if address.version == network.version and address in network
            ),
            None,
        )
        if whose:
            yield f"{address} belongs to {whose}; leave --address out to get a free one"


def public_addresses(
    document: Mapping[str, Any], devices: Iterable[Row], written: Iterable[Row]
) -> list[tuple[str, str]]:
    """Return port and address by which the world can reach an instance's device: those that are not private."""
    labels = {
        port["name"]: set(port.get("labels") or ())
        for device in written
        for port in device["spec"].get("ports") or ()
    }
    words = document["spec"].get("ports") or ()
    return [
        (port["name"], str(address))
        for word in words
        for device in devices
        for port in device.get("ports") or ()
        if word == port["name"] or word in labels.get(port["name"], ())
        for address in (ip_interface(each).ip for each in port.get("addresses") or ())
        if address.is_global
    ]


@dataclass(frozen=True)
class Client:
    """What one client needs to call a server; ``private_key`` is None where the client made it itself."""

    name: str
    public_key: str
    private_key: str | None
    addresses: Sequence[IPAddress]
    host: str
    port: int
    allowed: Sequence[IPNetwork]
    dns: Sequence[IPAddress] = ()
    keepalive: int = 0

    def peer(self) -> Document:
        """Return what is to be written of the client in the server's document."""
        networks = [str(host_network(each)) for each in self.addresses]
        return {"name": self.name, "publicKey": self.public_key, "allowedIps": networks}

    def file(self, server: Server, server_key: str) -> str:
        """Return the client's wg-quick file."""
        ours = [("#", f"{self.name}, a client of {server.label}")]
        if self.private_key is None:
            ours.append(("#", "PrivateKey = the one whose public key you gave"))
        else:
            ours.append(("PrivateKey", self.private_key))
        ours.append(("Address", ", ".join(str(host_network(each)) for each in self.addresses)))
        if self.dns:
            ours.append(("DNS", ", ".join(map(str, self.dns))))
        theirs = [
            ("PublicKey", server_key),
            ("AllowedIPs", ", ".join(map(str, self.allowed))),
            ("Endpoint", endpoint(self.host, self.port)),
        ]
        if self.keepalive:
            theirs.append(("PersistentKeepalive", str(self.keepalive)))
        return wgquick.write([(wgquick.INTERFACE, ours), (wgquick.PEER, theirs)])
