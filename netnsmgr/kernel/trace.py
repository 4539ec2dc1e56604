"""The kernel's own account of chosen packets: nftables' traces, read from netlink.

Numbers are those of linux/netfilter/nf_tables.h.  (`nft monitor trace` of 1.0.6 has no JSON, does not say when it has begun
to listen, and leaves out the packet's mark where a rule changes it.)
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nfnetlink import Nfnetlink, attributes

GROUP = 9
"""NFNLGRP_NFTRACE."""
MESSAGE = 10 << 8 | 17
"""NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE."""
RECEIVE_BYTES = 4 << 20
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _MARK, _POLICY = 1, 2, 3, 4, 5, 14, 16
_U32, _U64 = struct.Struct("!I"), struct.Struct("!Q")
FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 2**32 - 1: "continue", 2**32 - 2: "break", 2**32 - 3: "jump", 2**32 - 4: "goto", 2**32 - 5: "return"}  # fmt: skip
KINDS = {1: "policy", 2: "return", 3: "rule"}
BEGIN, SEEN = "begin", "seen"
"""Chain in which a packet's trace begins, and the set of what passed: pairs of the flow's mark and the packet's."""


class Step(NamedTuple):
    """One step of a packet: by a rule (``text``), a chain's end or its policy; ``mark`` is the packet's after it."""

    family: str
    table: str
    chain: str
    kind: str
    verdict: str
    mark: int
    text: str


class Trace:
    """Follows packets in the namespace of the process, until ``close`` or the end of the process, however it comes.

    The table belongs to our netlink socket (NFT_TABLE_F_OWNER): the kernel takes it away with us.
    """

    def __init__(self, bridge: Sequence[str], inet: Sequence[str]) -> None:
        """Follow packets that match any of these, by the beginnings of rules of nft."""
        import nftables

        self._events = Nfnetlink(RECEIVE_BYTES, (GROUP,))
        self._nft = nftables.Nftables()
        # Not "netnsmgr_": tables of that name that nobody asked for are taken away by the instance's agent.
        self._name = f"why_{os.getpid()}"
        text = ""
        for family, matches in (("bridge", bridge), ("inet", inet)):
            rules = "".join(f"    {match} meta nftrace set 1\n" for match in matches)
            text += f"table {family} {self._name} {{\n  flags owner\n"
            text += f"  chain {BEGIN} {{\n    type filter hook prerouting priority -350; policy accept;\n{rules}  }}\n"
            if family == "inet":
                text += f"  set {SEEN} {{ type mark . mark; size 64; flags dynamic; }}\n"
                # A bridged packet has another input link here: what it is told by is its transport header.
                said = sorted({_transport(match) for match in (*bridge, *inet)})
                rules = "".join(f"    {each} update @{SEEN} {{ ct mark . meta mark }}\n" for each in said)
                for hook in ("forward", "input"):
                    text += f"  chain {hook} {{\n    type filter hook {hook} priority 1; policy accept;\n{rules}  }}\n"
            text += "}\n"
        self._run(text)

    def close(self) -> None:
        """Take the tables away."""
        for family in ("bridge", "inet"):
            self._nft.cmd(f"delete table {family} {self._name}")
        self._events.close()

    def steps(self) -> list[Step]:
        """Return the steps of the first packet that came, in order."""
        found = []
        begun: set[str] = set()
        for step, handle in self._read():
            if step.table == self._name and step.chain == BEGIN and step.kind == "rule":
                if step.family in begun:
                    break  # the next packet of the same flow
                begun.add(step.family)
            found.append((step, handle))
        texts = {key: self._texts(*key) for key in {(step.family, step.table) for step, _ in found}}
        return [
            step._replace(text=texts[step.family, step.table].get(handle, ""))
            for step, handle in found
            if step.table != self._name
        ]

    def passed(self) -> list[tuple[int, int]]:
        """Return the marks of flows and of packets at the end of the filter, for those that got there."""
        from netnsmgr.kernel.nft_sets import read

        found = (key.split(" . ") for key in read("inet", self._name, SEEN) or ())
        return [(int(flow), int(packet)) for flow, packet in found]

    def _read(self) -> Iterator[tuple[Step, int]]:
        for message in self._events.receive(100_000):
            if message.type != MESSAGE:
                continue
            data = message.data
            family = FAMILIES.get(data[message.start - 4], "?")
            values = {
                kind: data[first:last] for kind, first, last in attributes(data, message.start, message.end)
            }
            (kind,) = _U32.unpack(values[_TYPE])
            verdict = 2**32 - 1
            if _VERDICT in values:
                for which, first, last in attributes(values[_VERDICT], 0, len(values[_VERDICT])):
                    if which == 1:
                        (verdict,) = _U32.unpack(values[_VERDICT][first:last])
            elif _POLICY in values:
                (verdict,) = _U32.unpack(values[_POLICY])
            mark = _U32.unpack(values[_MARK])[0] if _MARK in values else 0
            handle = _U64.unpack(values[_HANDLE])[0] if _HANDLE in values else 0
            if KINDS.get(kind) == "rule" and not handle:
                continue  # the kernel's own mark of a chain's end
            yield (
                Step(
                    family,
                    _name(values.get(_TABLE, b"")),
                    _name(values.get(_CHAIN, b"")),
                    KINDS.get(kind, "?"),
                    VERDICTS.get(verdict, str(verdict)),
                    mark,
                    "",
                ),
                handle,
            )

    def _texts(self, family: str, table: str) -> dict[int, str]:
        self._nft.set_handle_output(True)
        code, text, _ = self._nft.cmd(f"list table {family} {table}")
        found = re.findall(r"^\s*(.*?) # handle (\d+)$", text if code == 0 else "", re.MULTILINE)
        return {int(handle): " ".join(rule.split()) for rule, handle in found}

    def _run(self, text: str) -> None:
        code, _, error = self._nft.cmd(text)
        if code != 0:
            raise KernelError(
                f"nftables: {error.strip().splitlines()[0] if error.strip() else 'no reason given'}"
            )


def _transport(match: str) -> str:
    """Return the part of a match that is about the transport header."""
    return match[match.index("meta l4proto") :]


def _name(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
