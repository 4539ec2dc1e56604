"""DNS servers outside, as an instance's dnsmasqs are told of them."""

from __future__ import annotations

from netnsmgr.features.link import UPLINK
from netnsmgr.features.scope import InstanceScope

TWIN_DNS_PORT = 5300
"""Where the instance asks a DNS server that has the instance's own address, to tell it from itself."""


def servers(scope: InstanceScope) -> str:
    """Return the upstream servers, asked over the instance's own link.

    ``@uplink`` binds the query to the link: the server is found even where its address also lies in the
    instance's own subnet.  One with the instance's own address dnsmasq takes for itself and ignores, unless the port
    differs; ``nat`` brings such a question to the right port.
    """
    own = str(scope.nets[0].gateway) if scope.nets else ""
    lines = [
        f"server={server}{f'#{TWIN_DNS_PORT}' if server == own else ''}@{UPLINK}\n"
        for server in scope.dns_servers
    ]
    return "".join(lines)
