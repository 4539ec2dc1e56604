"""Two small doors to nftables for programs that have no use for the rest: a transaction, and a named counter."""

from __future__ import annotations

import struct

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nfnetlink import Nfnetlink, attribute, attributes

GETOBJ = 10 << 8 | 19
"""NFNL_SUBSYS_NFTABLES, NFT_MSG_GETOBJ of linux/netfilter/nf_tables.h."""
NFPROTO = {"inet": 1, "bridge": 7}
"""Of linux/netfilter.h."""
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = struct.pack("!I", 1)


class Transactions:
    """libnftables, loaded by the first transaction: 1 MB that a log without host rules never needs."""

    def __init__(self) -> None:
        import nftables

        self._nft = nftables.Nftables()

    def run(self, text: str) -> None:
        """Commit all or nothing; raises ``KernelError`` with the first complaint."""
        code, _, error = self._nft.cmd(text)
        if code != 0:
            raise KernelError(next((line for line in error.splitlines() if line.strip()), "no reason given"))


class Counter:
    """A named counter of a table."""

    def __init__(self, table: str, name: str, family: str = "inet") -> None:
        self._family = NFPROTO[family]
        self._socket = Nfnetlink(64 << 10)
        self._question = (
            attribute(_TABLE, table.encode() + b"\0") + attribute(_NAME, name.encode() + b"\0") + attribute(_TYPE, _COUNTER)
        )  # fmt: skip
        self._last: int | None = None
        self.close = self._socket.close

    def more(self) -> int:
        """Return how many packets were counted since the last call; 0 at the first, and where there is none."""
        try:
            answers = self._socket.request(GETOBJ, self._family, 0, self._question)
        except OSError:  # no such counter now: the table is another one
            self._last = None
            return 0
        packets = 0
        for message in answers:
            for kind, first, last in attributes(message.data, message.start, message.end):
                if kind == _DATA:
                    for which, begin, _ in attributes(message.data, first, last):
                        if which == 2:  # NFTA_COUNTER_PACKETS
                            (packets,) = struct.unpack_from("!Q", message.data, begin)
        # A table that was loaded anew counts from 0 again.
        before, self._last = self._last, packets
        return (
            packets - before
            if before is not None and packets >= before
            else packets
            if before is not None
            else 0
        )
