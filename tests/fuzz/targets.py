"""What takes in bytes that others choose, each as a function of these bytes that says by an exception that it failed.

Whoever sends them: users (files), applications (packets, requests), sites (leases, advertisements), peers of the hub.
A target raises nothing for any bytes; the errors that a reader promises for nonsense it takes itself.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple

from netnsmgr.config import from_eve, from_wgquick
from netnsmgr.config.check import check
from netnsmgr.config.converted import Converted, Wishes
from netnsmgr.config.load import load_text
from netnsmgr.core.agreed import HELD
from netnsmgr.core.item import Ref
from netnsmgr.errors import ConfigError
from netnsmgr.features import port_dhcp, port_dhcp6
from netnsmgr.features.vpn import ipsec_errors
from netnsmgr.items import lease
from netnsmgr.items.port_record import Record
from netnsmgr.items.system import LinkInfo
from netnsmgr.kernel import advertisements, engine, frames
from netnsmgr.kernel.nflog import Packet, five_tuple
from netnsmgr.kernel.observations import observations
from netnsmgr.kernel.solicitations import announcement
from netnsmgr.pubsub import wire
from netnsmgr.pubsub.row import WireError
from netnsmgr.services.flowlog import dns
from netnsmgr.services.flowlog.held import Held
from netnsmgr.services.flowlog.scope import Vif
from netnsmgr.services.metadata import limits
from netnsmgr.services.metadata.answers import Asker, answer
from netnsmgr.services.metadata.exchange import Exchange

POC = Path(__file__).parents[2] / "poc"
MAC = bytes.fromhex("02000000000a")
PROBLEM_LENGTH = 4000
"""Characters of one problem: who reads it is a person."""


class Target(NamedTuple):
    """Bytes go to ``run``; ``seeds`` are some that it understands, to begin from."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


# -- Files of users ----------------------------------------------------------------------------------------


def config(data: bytes) -> None:
    """A file of our own form, read and checked as ``apply`` does it."""
    loaded = load_text(data, "f")
    _, found = check(loaded.documents, {})
    _told(str(each) for each in loaded.report(found))


def eve(data: bytes) -> None:
    """A configuration of EVE."""
    _converted(from_eve.convert, data)


def wg_quick(data: bytes) -> None:
    """A file of wg-quick."""
    _converted(from_wgquick.convert, data)


def _converted(convert: Callable[[str, str, Wishes], Converted], data: bytes) -> None:
    wishes = Wishes(name="vpn", secrets="/s", attach="netns")
    try:
        made = convert(data.decode("utf-8", "replace"), "f", wishes)
    except ConfigError as error:
        _told(str(each) for each in error.problems)
    else:
        _told(str(each) for each in made.notes)
        check(made.documents, {})


def _told(said: Iterable[str]) -> None:
    for each in said:
        assert "\n" not in each, each
        assert len(each) < PROBLEM_LENGTH, each
        each.encode()


# -- The hub's sockets -------------------------------------------------------------------------------------


def request(data: bytes) -> None:
    """What the hub is sent; what it understands it would understand again."""
    with suppress(WireError):
        taken = wire.decode_request(list(_pieces(data)))
        assert wire.decode_request(wire.encode_request(taken)) == taken


def reply(data: bytes) -> None:
    """What a client is sent, by either socket."""
    with suppress(WireError):
        wire.decode_reply(list(_pieces(data)))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into frames: each has two bytes of length before it."""
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        yield data[at + 2 : end]
        at = end


def _joined(*pieces: bytes) -> bytes:
    return b"".join(len(each).to_bytes(2) + each for each in pieces)


# -- Packets of applications -------------------------------------------------------------------------------


def packet(payload: bytes, prefix: str, *, mark: int = 7, link_in: int = 3) -> Packet:
    """A packet as a rule copies it."""
    return Packet(1, prefix, mark, link_in, 0, 4, 0, payload, MAC + MAC + b"\x08\0", 5)


def headers(data: bytes) -> None:
    """IP of any kind; what has a transport can be sent on."""
    if (found := five_tuple(data)) is not None:
        assert found[2] >= 0
        with suppress(ValueError):
            frames.prepared(MAC + MAC + b"\x08\0", data, lambda: 1500)


def switch_packets(data: bytes) -> None:
    """What tells of addresses on a switch: ARP, neighbour discovery, DHCP of both versions and its answers."""
    for prefix in ("arp", "nd", "dhcp", "dhcp6", "answer", "answer6"):
        assert len(observations(packet(data, prefix), {MAC.hex(":"): 7})) < 1000


def solicitations(data: bytes) -> None:
    """What an application says of its addresses of IPv6."""
    announcement(packet(data, "nd"))


def dns_packets(data: bytes) -> None:
    """Questions and answers as the flow log reads them; the records are as long as they may be."""
    conversations = dns.Conversations()
    for link_in in (3, 0):
        with suppress(dns.Incomplete):
            if (seen := conversations.packet(packet(data, "dns", link_in=link_in))) is not None:
                assert len(json.dumps(dns.record(seen, "app/eth0", 1.0))) <= 4096


def held_packets(data: bytes) -> None:
    """The same on a switch, where answers wait: packets of one conversation, one after the other."""
    held = Held(lambda name: name.endswith("example"))
    vif = Vif("app", "eth0", 7, "app.eth0", MAC.hex(":"), ())
    for number, piece in enumerate(_pieces(data)):
        asker, answered = (vif, None) if number % 2 == 0 else (None, vif)
        held.packet(packet(piece, "ask" if asker else HELD), asker, answered, log=bool(number % 3))


# -- Requests of applications ------------------------------------------------------------------------------

RECORD = {
    "app": "app1", "interface": "eth0", "uuid": "u", "device": "edge", "deviceUuid": "d", "external": ["192.168.0.2"],
    "userData": "x", "metaData": {"a": "b"}, "network": {"links": [], "networks": [], "services": []},
}  # fmt: skip


def metadata(data: bytes) -> None:
    """HTTP to the metadata service, in as many pieces as there are."""
    exchange = Exchange(lambda method, target: answer(method, target, Asker(RECORD, "10.10.1.5:1")))
    for piece in (*_pieces(data), data, b""):
        sent = 0
        out = exchange.receive(piece)
        while out:
            sent += len(out)
            out = exchange.proceed()
        assert sent < 100 * limits.HEADER_BYTES
        if exchange.over:
            return


# -- What sites and helpers say ----------------------------------------------------------------------------


def leases(data: bytes) -> None:
    """The lease files of dnsmasq and of the device's own clients, whatever a power cut or a server made of them."""
    text = data.decode("utf-8", "replace")
    for found in lease.parse(text, "bn0", Ref("process", "dnsmasq")):
        found.key()
    port_dhcp.parse(text)
    port_dhcp6.parse(text)


def advertised(data: bytes) -> None:
    """Options of router advertisements."""
    advertisements.rdnss(data, 1.0)


def charon_log(data: bytes) -> None:
    """Lines of charon's log, with words of the peer in them."""
    for line in data.decode("utf-8", "replace").splitlines():
        ipsec_errors.silent(line)
        ipsec_errors.begins(line)
        ipsec_errors.read(line)


def containers(data: bytes) -> None:
    """Events of a container engine."""
    engine._event(data)


def port_records(data: bytes) -> None:
    """An alias that somebody wrote to a link."""
    alias = "netnsmgr-port:" + data.decode("utf-8", "replace")
    info = LinkInfo("eth3", 3, "veth", True, True, 1500, MAC.hex(":"), "", alias, None)
    assert Record.of(info, b"key") is None


# -- All of them -------------------------------------------------------------------------------------------


def _udp4(sport: int, dport: int, data: bytes) -> bytes:
    udp = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return (
        struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, b"\x0a\x0a\1\5", b"\x0a\x0a\1\1"
        )
        + udp
    )


def _ip6(protocol: int, data: bytes, *, source: bytes = bytes(16)) -> bytes:
    target = IPv6Address("ff02::1:ff00:5").packed
    return struct.pack("!IHBB", 6 << 28, len(data), protocol, 255) + source + target + data


_NAME = b"\7example\0"
_QUESTION = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + _NAME + b"\0\1\0\1"
_ANSWER = (
    struct.pack("!HHHHHH", 7, 0x8180, 1, 2, 0, 0) + _NAME + b"\0\1\0\1"
    b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4" + b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes(16)
)
_BOOTP = (
    struct.pack("!BBBBIHH4s4s4s4s6s202x", 1, 1, 6, 0, 9, 0, 0, b"", b"\x0a\x0a\1\5", b"", b"", MAC)
    + bytes.fromhex("63825363")
    + b"\x35\1\5\x33\4\0\0\x0e\x10\6\4\x0a\x0a\1\1\x3d\7\1" + MAC + b"\xff"
)  # fmt: skip
_DHCP6 = struct.pack("!HHHH", 546, 547, 60, 0) + b"\7\0\0\1" + b"\0\1\0\4abcd" + b"\0\3\0\x28" + bytes(12) + (
    b"\0\5\0\x18" + bytes(24)
)  # fmt: skip
_DAD = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + IPv6Address("fd00::5").packed
_DHCP6_LEASE = (
    b"now=1\nia_na1_ia_addr1=fd00::5\nia_na1_ia_addr1_pltime=1\nia_na1_ia_addr1_vltime=2\n"
    b"ia_pd1_prefix1=fd00:1::\nia_pd1_prefix1_length=60\nia_pd1_prefix1_pltime=1\nia_pd1_prefix1_vltime=9\n"
)
_WG = b"""[Interface]
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
Address = 10.8.0.2/24, fd00::2/64
DNS = 10.8.0.1, example
MTU = 1420
[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25
"""
_EVENT = b'{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"b"}}}'

TARGETS: dict[str, Target] = {
    "config": Target(config, ((POC / "scenario.yaml").read_bytes(), b"a: &a [*a]\n", b"--- {kind: App}\n")),
    "eve": Target(
        eve, ((POC / "edge-config.json").read_bytes(), b'{"networkInstances": [{"displayname": "a"}]}')
    ),
    "wg-quick": Target(wg_quick, (_WG,)),
    "request": Target(
        request,
        (
            _joined(b"SNAPSHOT", b"AppStatus"),
            _joined(b"PUT", b"1", b"w", b"i", b"", b'[["AppStatus","a",{"b":1}]]'),
            _joined(b"RESTARTED", b"w", b"i", b"AppStatus"),
            _joined(b"CALL", b"1", b"plan", b'{"documents": []}'),
        ),
    ),
    "reply": Target(
        reply,
        (
            _joined(b"AppStatus\0", b"KVPUB", b"e", bytes(8), b"k", b"{}"),
            _joined(b"ACK", b"1", b"7"),
            _joined(b"REFUSED", b"1", b"[]"),
            _joined(b"RESULT", b"1", b"{}"),
        ),
    ),
    "headers": Target(
        headers, (_udp4(68, 67, _BOOTP), _ip6(17, _DHCP6), _ip6(0, b"\x3a\0" + bytes(6) + _DAD))
    ),
    "switch-packets": Target(
        switch_packets,
        (
            b"\0\1\x08\0\6\4\0\1" + MAC + b"\x0a\x0a\1\5" + bytes(10),
            _udp4(68, 67, _BOOTP),
            _udp4(67, 68, b"\2" + _BOOTP[1:]),
            _ip6(17, _DHCP6),
            _ip6(58, _DAD),
        ),
    ),
    "solicitations": Target(solicitations, (_ip6(58, _DAD), _ip6(17, _DHCP6, source=b"\xfd" + bytes(15)))),
    "dns-packets": Target(dns_packets, (_udp4(5000, 53, _QUESTION), _udp4(53, 5000, _ANSWER))),
    "held-packets": Target(
        held_packets,
        (_joined(_udp4(5000, 53, _QUESTION), _udp4(53, 5000, _ANSWER)), _joined(_ip6(6, bytes(40)))),
    ),
    "metadata": Target(
        metadata,
        (
            _joined(b"GET /eve/v1/network.json HTTP/1.1\r\nHost: a\r\n\r\n"),
            _joined(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", b"abc"
            ),
            _joined(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n"),
            _joined(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
        ),
    ),
    "leases": Target(
        leases,
        (
            b"1700000000 02:00:00:00:00:0a 10.10.1.5 app1 *\nduid 00:01\n1700000000 7 fd00::5 app1 00:03:00:01:02:00:00:00:00:0a\n",
            b"address=192.168.0.5/24\ngateways=192.168.0.1\ndns=192.168.0.1\nntp=\nexpires=9\n",
            _DHCP6_LEASE,
        ),
    ),
    "advertised": Target(advertised, (b"\x19\3\0\0\0\0\0\x3c" + IPv6Address("fd00::1").packed,)),
    "charon-log": Target(charon_log, (b"12[IKE] <site|1> received AUTHENTICATION_FAILED notify error\n",)),
    "containers": Target(containers, (_EVENT,)),
    "port-records": Target(port_records, (b'0123456789abcdef:{"instance":"sw1","name":"eth3"}',)),
}
