"""Neighbour solicitations for the metadata service's link-local address, made into their answers by rules alone.

The kernel corrects the checksum of what lies above IP with each address that a rule writes, and with nothing else.  So
the advertisement is written over the solicitation with the checksum that it would have for a target of which one knows;
the true target, the solicitation's sender, takes its place with the kernel's correction; and the sender, which the
checksum already speaks of, is written without.

RFC 4861: 4.3 and 4.4 are the messages' formats, 7.2.4 is what to answer.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from netnsmgr.features.metadata import ON_LINK6

SOLICITED_OVERRIDE = 0x60000000
LENGTH = 32
"""Of both messages, with the option that has the link's address."""
ICMPV6 = 58
ANYBODY = IPv6Address("fe80::1")


def answer(mac: str) -> str:
    """Return the rule that turns a solicitation into an advertisement of ``mac``, and leaves all others alone."""
    link = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack("!BBHI", 136, 0, 0, SOLICITED_OVERRIDE)
    option = struct.pack("!BB", 2, 1) + link
    pseudo = ANYBODY.packed + ON_LINK6.packed + struct.pack("!II", LENGTH, ICMPV6)
    checksum = _checksum(pseudo + head + ON_LINK6.packed + option)
    told = head[:2] + struct.pack("!H", checksum) + head[4:]
    asked = f"icmpv6 type nd-neighbor-solicit @th,64,128 0x{ON_LINK6.packed.hex()} ip6 saddr != :: ip6 length {LENGTH}"
    body = f"@th,0,64 set 0x{told.hex()} @th,192,64 set 0x{option.hex()}"
    return f"{asked} ip6 daddr set {ANYBODY} {body} ip6 daddr set ip6 saddr @nh,64,128 set 0x{ON_LINK6.packed.hex()}"


def _checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
