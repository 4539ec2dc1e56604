"""Conntrack follows the ways into tunnels: its entries that went by another way are forgotten."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

from netnsmgr.errors import KernelError
from netnsmgr.items.led_flows import Way, Ways
from netnsmgr.kernel import conntrack
from netnsmgr.kernel.nfnetlink import NLA_F_NESTED, NLM_F_DUMP, Message, Nfnetlink, attribute, attributes

RECEIVE_BYTES = 1 << 20
CT_GET, CT_DELETE = 0x101, 0x102
TUPLE_ORIG = 1


class KernelLedFlows:
    """See ``items.led_flows.LedConntrack``; ``memory`` is the file of the ways that conntrack has been made to follow."""

    def __init__(self, memory: str) -> None:
        self._memory = memory
        self._ways: Ways | None = None
        with suppress(OSError, ValueError, TypeError, KeyError), open(memory, encoding="ascii") as file:
            self._ways = _read(json.load(file))

    def followed(self) -> Ways | None:
        return self._ways

    async def follow(self, ways: Ways) -> None:
        _forget_others(ways)
        os.makedirs(os.path.dirname(self._memory), exist_ok=True)
        temporary = f"{self._memory}.tmp"
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(_written(ways), file)
        os.replace(temporary, self._memory)
        self._ways = ways

    async def end(self) -> None:
        if self._ways is not None:
            _forget_others(self._ways._replace(led=()))
        with suppress(FileNotFoundError):
            os.unlink(self._memory)
        self._ways = None


def _forget_others(ways: Ways) -> None:
    link = Nfnetlink(RECEIVE_BYTES)
    try:
        for family in sorted(
            {socket.AF_INET if each.version == 4 else socket.AF_INET6 for each in ways.subnets}
        ):
            stale = [
                (family, _tuple(message))
                for message in link.request(CT_GET, family, 0, b"", flags=NLM_F_DUMP)
                if (found := conntrack.parse(message)) is not None
                and not ways.keep(
                    ip_address(found.original.src),
                    ip_address(found.original.dst),
                    ip_address(found.reply.dst),
                )
            ]
            for version, entry in stale:
                _forget(link, version, entry)
    except OSError as error:
        raise KernelError(f"connection tracking: {error.strerror}") from error
    finally:
        link.close()


def _forget(link: Nfnetlink, family: int, entry: bytes) -> None:
    try:
        link.request(CT_DELETE, family, 0, attribute(TUPLE_ORIG | NLA_F_NESTED, entry))
    except OSError as error:
        if error.errno != errno.ENOENT:  # it has ended meanwhile
            raise


def _tuple(message: Message) -> bytes:
    """Return the first direction as the kernel has told it, whatever the protocol."""
    return next(
        message.data[first:last]
        for kind, first, last in attributes(message.data, message.start, message.end)
        if kind == TUPLE_ORIG
    )


def _written(ways: Ways) -> dict[str, Any]:
    return {
        "subnets": list(map(str, ways.subnets)),
        "led": [[str(way.network), None if way.source is None else str(way.source)] for way in ways.led],
        "outside": list(map(str, ways.outside)),
    }


def _read(row: dict[str, Any]) -> Ways:
    return Ways(
        tuple(map(ip_network, row["subnets"])),
        tuple(Way(ip_network(net), None if src is None else ip_address(src)) for net, src in row["led"]),
        tuple(map(ip_address, row["outside"])),
    )
