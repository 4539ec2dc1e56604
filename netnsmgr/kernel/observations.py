"""What is read of the packets that a switch's table copies (``features/switch/observe``).

ARP, neighbour discovery and DHCPv6 are read here: their layouts are fixed and short (RFC 826, 4861, 8415), and a library
for them (dpkt) would be 2.2 MiB in each process.  DHCPv4, with its many options, is pyroute2's (0.1 MiB).
Nothing that a packet may contain raises an error; what cannot be read says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pyroute2.dhcp.dhcp4msg import dhcp4msg

from netnsmgr.core.agreed import SEEN_GROUP
from netnsmgr.core.observation import (
    Answer,
    Claim,
    Grant,
    Observation,
    Refusal,
    Request,
    Return,
    Servers,
    Transaction,
)
from netnsmgr.core.protocols import ICMPV6, UDP
from netnsmgr.kernel.nflog import Packet, PacketLog

SIZE = 1500
RECEIVE_BYTES = 256 << 10
"""Of the socket: some hundred packets of ARP, or a hundred messages of DHCP."""
MOST_SERVERS = 8
"""DNS servers that are taken of one message."""
MOST_OPTIONS = 64
"""Options of DHCPv6 that are read of one message, on each level."""
INFINITE = 0xFFFFFFFF

_SOLICITATION, _ADVERTISEMENT = 135, 136
_NODES = IPv6Address("ff02::1:ff00:0").packed[:13]
"""Of each solicited-node address (RFC 4291, 2.7.1); its last three bytes are the target's."""
_BOOTREQUEST, _BOOTREPLY = 1, 2
_DISCOVER, _REQUEST, _DECLINE, _ACK, _NAK, _RELEASE, _INFORM = 1, 3, 4, 5, 6, 7, 8
_SOLICIT6, _REPLY6, _RELEASE6, _DECLINE6 = 1, 7, 8, 9
_REQUESTS6 = (3, 4, 5, 6, 11)
"""Request, Confirm, Renew, Rebind, Information-request (RFC 8415, 7.3)."""
_CLIENT, _IA_NA, _IA_TA, _IAADDR, _RAPID, _DNS = 1, 3, 4, 5, 14, 23
_OPTION = struct.Struct("!HH")
Options = list[tuple[int, bytes]]
"""Codes and values."""


class Observations:
    """The group of this namespace.  Raises ``KernelError`` when somebody else listens to it already."""

    def __init__(self) -> None:
        self._log = PacketLog(SEEN_GROUP, SIZE, receive_bytes=RECEIVE_BYTES)
        self.fileno = self._log.fileno
        self.close = self._log.close
        self.overruns = self._log.overruns

    def receive(self, budget: int, vifs: Mapping[str, int]) -> Iterator[Observation]:
        """Yield what has arrived, of at most ``budget`` packets; ``vifs`` are the interfaces' ids by MAC addresses."""
        for packet in self._log.receive(budget):
            yield from observations(packet, vifs)


def observations(packet: Packet, vifs: Mapping[str, int]) -> list[Observation]:
    """Return what a packet says.

    Whose it is stands in its mark; of a server's answer it says the client's MAC address, or that of the frame's receiver.
    """
    sender = packet.mark & 0xFFFF
    match packet.prefix:
        case "arp":
            return _arp(packet.payload, sender, packet.tag)
        case "nd":
            return _nd(packet.payload, sender, packet.tag)
        case "dhcp":
            return _dhcp(packet.payload, sender, {}, packet.tag)
        case "dhcp6":
            return _dhcp6(packet.payload, sender, 0, packet.tag)
        case "answer":
            return _dhcp(packet.payload, 0, vifs, packet.tag)
        case "answer6":
            return _dhcp6(packet.payload, 0, vifs.get(packet.frame[:6].hex(":"), 0), packet.tag)
    return []


def _arp(data: bytes, vif: int, tag: int) -> list[Observation]:
    # RFC 826: kinds and lengths of addresses, operation, and the sender's addresses.  Requests and replies alike say them.
    if not vif or len(data) < 28 or data[:6] != b"\0\1\x08\0\6\4" or data[6:8] not in (b"\0\1", b"\0\2"):
        return []
    return [Claim(vif, IPv4Address(data[14:18]), tag)]


def _nd(data: bytes, vif: int, tag: int) -> list[Observation]:
    if not vif or len(data) < 64 or data[0] >> 4 != 6 or data[6] != ICMPV6 or data[7] != 255 or data[41]:
        return []
    source, target = IPv6Address(data[8:24]), IPv6Address(data[48:64])
    if data[40] == _ADVERTISEMENT:
        return [Claim(vif, target, tag)]
    if data[40] != _SOLICITATION:
        return []
    if not source.is_unspecified:
        return [Claim(vif, source, tag)]
    # One for a holder who does not hear of it would be no detection at all.
    return [Claim(vif, target, tag, tentative=True)] if data[24:40] == _NODES + data[61:64] else []


def _dhcp(data: bytes, sender: int, vifs: Mapping[str, int], tag: int) -> list[Observation]:
    if len(data) < 20 or data[0] >> 4 != 4 or data[9] != UDP:
        return []
    try:
        message: Mapping[str, Any] = dhcp4msg(buf=data[(data[0] & 15) * 4 + 8 :]).decode()
        options = message["options"]
        kind = int(options.get("message_type", 0))
        if message["op"] == _BOOTREQUEST and sender:
            return _request(kind, message, options, sender)
        receiver = vifs.get(message["chaddr"], 0)
        if message["op"] == _BOOTREPLY and receiver:
            told = _answer(kind, message, options, receiver, tag)
            return [Answer(receiver, (4, message["xid"]), tuple(told))] if told else []
    except Exception:  # noqa: S110 - whatever a parser that we do not know makes of a mutilated message
        pass
    return []


def _request(
    kind: int, message: Mapping[str, Any], options: Mapping[str, Any], sender: int
) -> list[Observation]:
    # What is only looked for is not acknowledged, unless the client agrees to that (RFC 4039).
    if kind in (_REQUEST, _INFORM) or (kind == _DISCOVER and "rapid_commit" in options):
        return [Request(sender, (4, message["xid"]))]
    if kind == _RELEASE:
        return [Return(sender, IPv4Address(message["ciaddr"]))]
    if kind == _DECLINE:
        return [Return(sender, IPv4Address(options["requested_ip"]))]
    return []


def _answer(
    kind: int, message: Mapping[str, Any], options: Mapping[str, Any], receiver: int, tag: int
) -> list[Grant | Refusal | Servers]:
    client = f"{tag} {options.get('client_id', '')}"[:600]
    if kind == _NAK:
        return [Refusal(receiver, client)]
    if kind != _ACK:
        return []
    found: list[Grant | Refusal | Servers] = []
    address = IPv4Address(message["yiaddr"])
    if not address.is_unspecified:  # an answer to DHCPINFORM gives no address (RFC 2131, 4.3.5)
        seconds = options.get("lease_time")
        if not isinstance(seconds, int):
            return []
        seconds &= INFINITE  # it is read with a sign
        found.append(Grant(receiver, address, None if seconds == INFINITE else seconds, client))
    servers = tuple(map(IPv4Address, options.get("name_server", ())))[:MOST_SERVERS]
    return [*found, Servers(receiver, servers)] if servers else found


def _dhcp6(data: bytes, sender: int, receiver: int, tag: int) -> list[Observation]:
    # Behind the headers: one byte of type, three of transaction, options (RFC 8415, 8).
    if len(data) < 52 or data[0] >> 4 != 6 or data[6] != UDP:
        return []
    kind, options = data[48], list(_options(data[52:]))
    transaction: Transaction = (6, int.from_bytes(data[49:52], "big"))
    if receiver:
        told = _reply6(options, receiver, tag) if kind == _REPLY6 else ()
        return [Answer(receiver, transaction, tuple(told))] if told else []
    if not sender:
        return []
    if kind in _REQUESTS6 or (kind == _SOLICIT6 and any(code == _RAPID for code, _ in options)):
        return [Request(sender, transaction)]
    if kind not in (_RELEASE6, _DECLINE6):
        return []
    return [Return(sender, address) for _, address, _ in _associated(options)]


def _reply6(options: Options, receiver: int, tag: int) -> list[Grant | Refusal | Servers]:
    client = next((value.hex() for code, value in options if code == _CLIENT), "")[:256]
    found: list[Grant | Refusal | Servers] = [
        Grant(receiver, address, None if valid == INFINITE else valid, f"{tag} {client} {association.hex()}")
        for association, address, valid in _associated(options)
    ]
    for code, value in options:
        if code == _DNS:  # RFC 3646, 3
            whole = range(0, len(value) - 15, 16)
            servers = tuple(IPv6Address(value[at : at + 16]) for at in whole)[:MOST_SERVERS]
            found += [Servers(receiver, servers)] if servers else []
    return found


def _associated(options: Options) -> Iterator[tuple[bytes, IPv6Address, int]]:
    """Yield the association's id, address and seconds of each address."""
    for code, value in options:
        if code in (_IA_NA, _IA_TA):
            # A permanent association has two times before its own options (21.4, 21.5).
            for address, valid in _addresses(value[12 if code == _IA_NA else 4 :]):
                yield value[:4], address, valid


def _addresses(data: bytes) -> Iterator[tuple[IPv6Address, int]]:
    for code, value in _options(data):
        if code == _IAADDR and len(value) >= 24:
            yield IPv6Address(value[:16]), int.from_bytes(value[20:24], "big")


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield codes and values; what is cut off ends them."""
    at = 0
    with suppress(struct.error):
        for _ in range(MOST_OPTIONS):
            code, length = _OPTION.unpack_from(data, at)
            if at + 4 + length > len(data):
                return
            yield code, data[at + 4 : at + 4 + length]
            at += 4 + length
