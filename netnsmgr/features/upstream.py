"""DNS servers outside, as an instance's dnsmasqs are told of them."""

from __future__ import annotations

from ipaddress import ip_address

from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.features.link import UPLINK
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.lanes import lane_to

TWIN_DNS_PORT = 5300
"""Where the instance asks a DNS server that has the instance's own address, to tell it from itself."""


DNS64 = "127.53.0.2"
"""Where the unbound of an instance with NAT64 listens (`dns64`)."""
STAYS = ("user=root", "group=")
"""A dnsmasq shall stay who it is: started by user 0, as in a user namespace with nobody else, it would become others."""


def servers(scope: InstanceScope) -> str:
    """Return whom the instance's dnsmasqs ask for what they do not know: with NAT64 the one that makes up addresses."""
    prefix = scope.instance.nat64_prefix
    if prefix is None:
        return direct(scope)
    # Named, because "bogus-priv" would answer for addresses of a private prefix.
    nibbles = prefix.network_address.exploded.replace(":", "")[: prefix.prefixlen // 4]
    return f"server={DNS64}\nserver=/{'.'.join(reversed(nibbles))}.ip6.arpa/{DNS64}\n"


def direct(scope: InstanceScope) -> str:
    """Return the servers outside, asked over the instance's own link.

    ``@uplink`` binds the query to the link: the server is found even where its address also lies in the
    instance's own subnet.  One with the instance's own address dnsmasq takes for itself and ignores, unless the port
    differs; ``nat`` brings such a question to the right port.
    """
    vpn = scope.instance.spec.vpn
    if vpn is not None and vpn.dns == "tunnel":
        return _through_tunnels(scope)
    # dnsmasq forgets a server whose link is not there when it reads this, so a new link has it read it once more.
    link = f"# {UPLINK} {scope.uplink_index}\n" if scope.uplink_index else ""
    own = {net.gateway for net in scope.nets}
    versions = {link.version for link in scope.links}
    lines = [
        f"server={server}{f'#{TWIN_DNS_PORT}' if server in own else ''}@{UPLINK}\n"
        for server in map(ip_address, scope.dns_servers)
        # A link-local one is found on the port's own link alone.
        if server.version in versions and server not in LINK_LOCAL
    ]
    return link + "".join(lines)


def _through_tunnels(scope: InstanceScope) -> str:
    """Return the servers behind tunnels, bound to no link: without its tunnel a server is unreachable.

    They are asked from our address in the tunnel; where it has none, from the applications' gateway, which is in the
    subnet that the other end knows.
    """
    lines = []
    for server in map(ip_address, scope.dns_servers):
        lane = lane_to(scope, server)
        gateway = next((net.gateway for net in scope.nets if net.version == server.version), None)
        if lane is None or server == gateway:
            continue
        if lane.address(server.version) is not None:
            lines.append(f"server={server}\n")
        elif gateway is not None:
            lines.append(f"server={server}@{gateway}\n")
    return "".join(lines)
