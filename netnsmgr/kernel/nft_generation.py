"""The number of the ruleset's generation, which the kernel counts up with every transaction.

Facts: ``NFT_MSG_GETGEN`` and ``NFTA_GEN_ID`` of linux/netfilter/nf_tables.h.  Elements that time out or that rules
add are no transactions.
"""

from __future__ import annotations

import socket
import struct

_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_NEWGEN = 15
_NFT_MSG_GETGEN = 16
_NFTA_GEN_ID = 1
_NETLINK_NETFILTER = 12
_NLM_F_REQUEST = 1
_HEADER = 20
"""nlmsghdr and nfgenmsg."""


class Generation:
    """Asks for the generation in the namespace that the process lives in."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        )

    def __call__(self) -> int | None:
        """Return it, or None if the kernel does not say."""
        kind = _NFNL_SUBSYS_NFTABLES << 8
        self._socket.send(
            struct.pack("=IHHIIBBH", _HEADER, kind | _NFT_MSG_GETGEN, _NLM_F_REQUEST, 0, 0, 0, 0, 0)
        )
        answer = self._socket.recv(4096)
        if struct.unpack_from("=H", answer, 4)[0] != kind | _NFT_MSG_NEWGEN:
            return None
        at = _HEADER
        while at + 4 <= len(answer):
            length, attribute = struct.unpack_from("=HH", answer, at)
            if attribute == _NFTA_GEN_ID:
                return int(struct.unpack_from("!I", answer, at + 4)[0])
            at += max(length + 3 & ~3, 4)
        return None
