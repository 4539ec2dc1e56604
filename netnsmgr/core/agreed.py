"""What an instance's tables say and programs beside them understand: names, the bits of marks, groups of packets.

Here because both have to mean the same, and the programs import nothing of the features that write the tables.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

SecretKind = Literal["wireguard-key", "psk", "private-key", "certificate"]
"""What a file that a document names holds: a key of WireGuard (our own, or a preshared one), the secret of IKE that both ends
have, the key of a certificate, or a certificate, which is no secret."""

SWITCH = "a switch is a NetworkInstance (ni) with 'type: switch'"
"""What is said to whoever takes it for a kind of its own."""

METADATA = "169.254.169.254"
"""Where applications expect their metadata service, on every cloud and on the edge."""

METADATA6 = ("fe80::a9fe:a9fe", "fd00:ec2::254")
"""The same of IPv6: OpenStack's, on the link itself, and that of AWS."""

TRANSLATOR6 = "fd6e:6d64:0:1::/64"
"""The network of NAT64's own addresses within an instance."""

FILTER = "netnsmgr_acl"
"""The table of the access lists, of family ``inet``."""

EPOCH_SHIFT, ACTION_SHIFT = 20, 18
EPOCH_MASK, ACTION_MASK, INDEX_MASK = 0xFFF00000, 0x000C0000, 0x0003FFFF
"""Of a flow's mark; see ``features/acl/table``."""

DEVICE = 1
"""Index of flows that the device itself began."""

DROP_GROUP, DNS_GROUP, IN_GROUP, ND_GROUP, SEEN_GROUP, LIMIT_GROUP = 1, 2, 3, 4, 5, 6
"""Groups of nfnetlink_log(7): dropped packets, questions and answers of the instance's DNS, decisions of `in` lists,
solicitations by which applications make sure that nobody has the IPv6 address that they take (RFC 4862, 5.4), and on a
switch what tells of its applications' addresses; and that an application does more than it may."""

Limited = Literal["dhcp", "dns", "metadata", "flows", "broadcasts", "multicasts", "macs"]
"""Prefixes of LIMIT_GROUP: of what there was too much."""

DNS_TABLE = "netnsmgr_dns"
"""The table that copies DNS, and holds answers: of family ``bridge`` on a switch."""

ASKED, HELD, COPIED = "ask", "held", "dns"
"""Prefixes of DNS_GROUP on a switch: questions to a believed server, its answers (the copy is all that is left of each),
and what is only logged."""


class Action(IntEnum):
    """What a rule does, as marks have it."""

    ALLOW = 0
    DROP = 1
    REJECT = 2
    LIMIT = 3


def decided(mark: int) -> Action:
    """Return what was decided, of a mark."""
    return Action((mark & ACTION_MASK) >> ACTION_SHIFT)


def host_sets(key: str, family: int) -> tuple[str, str]:
    """Return the names of the sets with a domain's addresses: those of now, and those it had lately."""
    return f"host_{key}_{family}", f"past_{key}_{family}"
