"""Protocols above IP by their names: IANA's numbers, in nft's spelling."""

from __future__ import annotations

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ospf": 89,
    "pim": 103,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
}
"""Those that a rule may name; all others go by number."""

ICMP, TCP, UDP, ICMPV6, SCTP = (PROTOCOLS[name] for name in ("icmp", "tcp", "udp", "icmpv6", "sctp"))

WITH_PORTS = {PROTOCOLS[name]: name for name in ("tcp", "udp", "sctp", "dccp", "udplite")}
"""Those that have ports."""

FAMILY_OF = {ICMP: 4, ICMPV6: 6}
"""Those that belong to one version of IP."""

ECHO_REQUEST = {4: (ICMP, 8 << 8), 6: (ICMPV6, 128 << 8)}
"""By version of IP: protocol, and type << 8 | code, of what ping sends (RFC 792, RFC 4443)."""
