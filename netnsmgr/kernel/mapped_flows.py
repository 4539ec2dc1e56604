"""Connection tracking of this namespace through ctnetlink, by pyroute2: which flows still go by an old port map."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import IPS_SRC_NAT, AsyncNFCTSocket, NFCTAttrTuple

from netnsmgr.errors import KernelError
from netnsmgr.items.flows import Flow, Mapped, stale

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
Key = tuple[IPv4Address, str, int]


class KernelConntrack:
    """See ``items.system.Conntrack``; ``memory`` is the file of the maps that conntrack has been made to follow."""

    def __init__(self, memory: str) -> None:
        self._memory = memory
        self._maps: frozenset[Mapped] | None = None
        with suppress(OSError, ValueError, TypeError), open(memory, encoding="ascii") as file:
            self._maps = frozenset(map(_read, json.load(file)))

    def followed(self) -> frozenset[Mapped] | None:
        return self._maps

    async def follow(self, maps: frozenset[Mapped]) -> None:
        before, now = _by_key(self._maps or ()), _by_key(maps)
        changed = [key for key in before.keys() | now.keys() if before.get(key) != now.get(key)]
        if changed:
            await _cut(changed, before, now)
        self._maps = maps
        temporary = f"{self._memory}.tmp"
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(sorted(map(_written, maps), key=str), file)
        os.replace(temporary, self._memory)

    def forget(self) -> None:
        self._maps = None
        with suppress(FileNotFoundError):
            os.unlink(self._memory)


def _by_key(maps: Iterable[Mapped]) -> dict[Key, frozenset[Mapped]]:
    found: dict[Key, frozenset[Mapped]] = {}
    for mapped in maps:
        key = mapped.address, mapped.protocol, mapped.port
        found[key] = found.get(key, frozenset()) | {mapped}
    return found


async def _cut(
    keys: Iterable[Key], before: dict[Key, frozenset[Mapped]], now: dict[Key, frozenset[Mapped]]
) -> None:
    try:
        async with AsyncNFCTSocket() as conntrack:
            for key in keys:
                address, protocol, port = key
                # The kernel picks them (CTA_FILTER, since Linux 5.8): a device has thousands of other flows.
                wanted = NFCTAttrTuple(daddr=str(address), proto=PROTOCOLS[protocol], dport=port)
                for message in [entry async for entry in await conntrack.dump(tuple_orig=wanted)]:
                    flow = _flow(message, protocol)
                    if (flow.address, flow.port) != (address, port):
                        continue
                    if stale(flow, before.get(key, ()), now.get(key, ())):
                        await _delete(conntrack, message)
    except NetlinkError as error:
        raise KernelError(f"connection tracking: {os.strerror(error.code)}") from error


async def _delete(conntrack: Any, message: Any) -> None:
    entry = NFCTAttrTuple.from_netlink(socket.AF_INET, message.get_attr("CTA_TUPLE_ORIG"))
    try:
        await conntrack.entry("del", tuple_orig=entry)
    except NetlinkError as error:
        if error.code != errno.ENOENT:  # it has ended meanwhile
            raise


def _flow(message: Any, protocol: str) -> Flow:
    asked = NFCTAttrTuple.from_netlink(socket.AF_INET, message.get_attr("CTA_TUPLE_ORIG"))
    answer = NFCTAttrTuple.from_netlink(socket.AF_INET, message.get_attr("CTA_TUPLE_REPLY"))
    return Flow(
        protocol,
        IPv4Address(asked.saddr),
        IPv4Address(asked.daddr),
        asked.dport,
        IPv4Address(answer.saddr),
        answer.sport,
        bool((message.get_attr("CTA_STATUS") or 0) & IPS_SRC_NAT),
    )


def _written(mapped: Mapped) -> list[Any]:
    senders = None if mapped.senders is None else list(map(str, mapped.senders))
    return [str(mapped.address), mapped.protocol, mapped.port, str(mapped.to), mapped.to_port, senders]


def _read(row: list[Any]) -> Mapped:
    address, protocol, port, to, to_port, senders = row
    networks = None if senders is None else tuple(map(IPv4Network, senders))
    return Mapped(IPv4Address(address), protocol, port, IPv4Address(to), to_port, networks)
