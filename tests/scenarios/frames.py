"""Ethernet frames as no honest application sends them, each with a word in it by which a capture knows it."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from tests.lab import AppHost, Host, segment

BROADCAST = "ff:ff:ff:ff:ff:ff"
send = segment.send


def mac(host: Host, link: str = "eth0") -> str:
    """The MAC address of a host's link."""
    found = host.link(link)
    assert found is not None
    return str(found["address"])


def ethernet(target: str, source: str, kind: int, payload: bytes) -> bytes:
    return _mac(target) + _mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def arp(
    target: str, source: str, sender: tuple[str, str], word: str, asked: str = "0.0.0.0", reply: bool = True
) -> bytes:
    """ARP: ``sender`` is the pair of MAC and IP address that it tells of."""
    told = _mac(sender[0]) + IPv4Address(sender[1]).packed
    fields = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2 if reply else 1)
    body = fields + told + _mac(target) + IPv4Address(asked).packed
    return ethernet(target, source, 0x0806, body + word.encode())


def udp4(source: str, sport: int, target: str, dport: int, word: str, *, fragment: int = 0) -> bytes:
    """An IPv4 packet with UDP in it."""
    data = word.encode("latin-1")
    payload = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, fragment, 64, 17, 0,
        IPv4Address(source).packed, IPv4Address(target).packed,
    )  # fmt: skip
    return with_checksum(header) + payload


def with_checksum(header: bytes) -> bytes:
    """An IPv4 header with the right checksum."""
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:]


def ipv6(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet; ICMP and UDP get their checksums."""
    pseudo = source + target + struct.pack("!IHBB", len(payload), 0, 0, protocol)
    at = {58: 2, 17: 6}[protocol]
    payload = payload[:at] + struct.pack("!H", _checksum(pseudo + payload)) + payload[at + 2 :]
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + source + target + payload


def icmp6(kind: int, word: str) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0) + word.encode()


def link_local(mac_address: str) -> bytes:
    """The address that a link makes itself of its MAC address."""
    octets = _mac(mac_address)
    head = bytes([octets[0] ^ 2])
    return bytes.fromhex("fe80000000000000") + head + octets[1:3] + b"\xff\xfe" + octets[3:]


ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")


def heard(listener: AppHost, *senders: tuple[Host, list[bytes]], last: bytes) -> bytes:
    """Everything that a listener's link receives while frames are sent; ``last`` is one that does arrive, by the first sender."""
    with listener.capture("eth0") as capture:
        for host, frames in senders:
            send(host, *frames)
        send(senders[0][0], last)
        ok = listener.eventually(lambda: last.rstrip(b"\0")[-20:] in capture.file.read_bytes())
    assert ok, "the last frame did not arrive"
    return capture.file.read_bytes()


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
