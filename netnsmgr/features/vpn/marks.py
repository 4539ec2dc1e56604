"""Numbers by which packets of tunnels, and packets that go around them, find their ways: marks and routing tables.

In an instance's namespace the mark of a packet that an application sends is the id of its interface (16 bits, see
`features/acl/table`) until it has been routed, and what that leaves, the upper half, says here whether it goes around
the tunnels.  Before a list sees the packet the upper half is taken away again, as there it stands for a receiver.
"""

from __future__ import annotations

OUTSIDE = 0x4E4D0000
OUTSIDE_MASK = 0xFFFF0000
"""Who has these bits in its mark leaves by `uplink`, whatever is led into tunnels; the other bits are not looked at."""

IKE_MARK = OUTSIDE | 1
"""In an instance's namespace: of charon's own packets, IKE and ESP, which carry the tunnels and are in none."""
OUTSIDE_MARK = OUTSIDE | 2
"""The same of the instance's own answers to who came in by `uplink`; applications' keep their id in the lower half."""

OUTSIDE_TABLE = 700
"""In an instance's namespace: the way over `uplink` alone."""
OUTSIDE_PRIORITY = 100
"""Of the rules that lead there: after `local`, before `main`."""

WIREGUARD_MARK_BASE = 0x4E570000
"""In the device's root namespace: with an instance's number, of encrypted packets of its WireGuard tunnels.  None of the
port maps' (0x6e…, `features/portmap`)."""
WIREGUARD_PRIORITY = 49
"""Of the rules that lead those to the instance's own ports: beside the rules for packets from its link (50)."""
