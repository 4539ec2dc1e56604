"""Flows and dropped packets become records of the right application, in the right direction."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Any

from netnsmgr.kernel.conntrack import DST_NAT, Flow, Tuple
from netnsmgr.kernel.nflog import Packet, five_tuple
from netnsmgr.services.flowlog.flows import WINDOW, Drops, Flows
from netnsmgr.services.flowlog.scope import Scope, Vif

VIFS = [
    {"app": "app1", "interface": "eth0", "number": 1, "link": "app1.eth0", "mac": "02:00:00:00:00:01", "addresses": ["10.10.1.10", "fd00::10"]},
    {"app": "app2", "interface": "eth0", "number": 2, "link": "app2.eth0", "mac": "02:00:00:00:00:02", "addresses": ["10.10.1.11"]},
]  # fmt: skip
RULES = {
    "blocks": [
        {"base": 16, "app": "app1", "interface": "eth0", "ids": [1, 2]},
        {"base": 32, "app": "app2", "interface": "eth0", "ids": [7]},
    ]
}
SCOPE = Scope.of(
    {"log": True, "gateways": ["10.10.1.1", "fd00::1"], "nat64": "fd6e:6d64::/96", "interfaces": VIFS}, RULES
)
OWNERS = {address: vif for vif in SCOPE.vifs for address in vif.addresses}
PORTS: dict[int, Vif] = dict(enumerate(SCOPE.vifs, 10))
OUTSIDE = "192.0.2.80"


def flow(original: Tuple, reply: Tuple, mark: int, *, status: int = 0, ended: bool = True) -> Flow:
    return Flow(
        7,
        ended,
        original,
        reply,
        status,
        mark,
        (3, 2),
        (300, 200),
        100.0 if ended else 0.0,
        101.5 if ended else 0.0,
    )


def records(of: Flow, flows: Flows | None = None) -> list[tuple[str, dict[str, Any]]]:
    return [(app, record) for app, _, record in (flows or Flows()).entries(of, SCOPE, OWNERS.get, 99.0)]


def udp(src: str, sport: int, dst: str, dport: int, size: int = 4) -> bytes:
    """A packet from its IP header on."""
    addresses = IPv4Address(src).packed + IPv4Address(dst).packed
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, 28 + size, 0, 0, 64, 17, 0)
        + addresses
        + struct.pack("!HHHH", sport, dport, 8 + size, 0)
        + b"x" * size
    )


def packet(payload: bytes, mark: int, *, prefix: str = "drop", port_in: int = 0, port_out: int = 0) -> Packet:
    return Packet(1, prefix, mark, 0, 0, port_in, port_out, payload)


def test_a_flow_to_the_outside() -> None:
    """What the source NAT made of it is beside what it was."""
    out = flow(
        Tuple(6, "10.10.1.10", 40000, OUTSIDE, 443),
        Tuple(6, OUTSIDE, 443, "169.254.100.1", 1024),
        1 << 20 | 17,
    )
    ((app, record),) = records(out)
    assert app == "app1"
    assert record == {
        "type": "flow", "start": 100.0, "end": 101.5, "protocol": "tcp", "src": "10.10.1.10", "sport": 40000,
        "dst": OUTSIDE, "dport": 443, "packets": [3, 2], "bytes": [300, 200], "interface": "eth0", "direction": "out",
        "rule": 1, "verdict": "allow",
        "translated": {"src": "169.254.100.1", "sport": 1024, "dst": OUTSIDE, "dport": 443},
    }  # fmt: skip
    ((_, began),) = records(out._replace(ended=False, start=0.0, end=0.0))
    assert (began["start"], began["end"]) == (99.0, None)


def test_a_mapped_port_and_its_hairpin() -> None:
    """From outside it is the responder's; an application that asks the mapped port of another is the initiator."""
    mapped = flow(
        Tuple(6, OUTSIDE, 999, "169.254.100.1", 2222),
        Tuple(6, "10.10.1.10", 22, OUTSIDE, 999),
        18,
        status=DST_NAT,
    )
    assert [(app, r["direction"], r["rule"]) for app, r in records(mapped)] == [("app1", "in", 2)]
    # The site has the instance's own subnet: the stranger's address is app2's.
    twin = flow(
        Tuple(6, "10.10.1.11", 999, "169.254.100.1", 2222),
        Tuple(6, "10.10.1.10", 22, "10.10.1.11", 999),
        18,
        status=DST_NAT,
    )
    assert [(app, r["direction"]) for app, r in records(twin)] == [("app1", "in")]
    hairpin = flow(
        Tuple(6, "10.10.1.11", 999, "169.254.100.1", 2222),
        Tuple(6, "10.10.1.10", 22, "10.10.1.1", 999),
        33,
        status=DST_NAT,
    )
    assert [(app, r["direction"], r["rule"]) for app, r in records(hairpin)] == [("app2", "out", 7)]


def test_between_applications() -> None:
    """The second decision comes by NFLOG before conntrack tells of the flow, and is forgotten when the flow ends."""
    flows = Flows()
    flows.decided(packet(udp("10.10.1.10", 5, "10.10.1.11", 80), 33, prefix="in"))
    between = flow(
        Tuple(17, "10.10.1.10", 5, "10.10.1.11", 80), Tuple(17, "10.10.1.11", 80, "10.10.1.10", 5), 17
    )
    for _ in range(2):
        found = records(between._replace(ended=False), flows)
        assert [(app, r["direction"], r["rule"], r["peer"]) for app, r in found] == [
            ("app1", "out", 1, "app2"), ("app2", "in", 7, "app1"),
        ]  # fmt: skip
    assert len(records(between, flows)) == 2
    assert [app for app, _ in records(between, flows)] == ["app1"]


def test_flows_that_no_list_decides() -> None:
    """The instance's services and the device are named; what is nobody's is no record."""
    dns = flow(Tuple(17, "10.10.1.10", 5, "10.10.1.1", 53), Tuple(17, "10.10.1.1", 53, "10.10.1.10", 5), 0)
    assert [(app, r["service"], r["rule"]) for app, r in records(dns)] == [("app1", "dns", None)]
    meta = flow(
        Tuple(6, "10.10.1.11", 5, "169.254.169.254", 80), Tuple(6, "10.10.1.1", 8080, "10.10.1.11", 5), 0
    )
    assert [(app, r["service"]) for app, r in records(meta)] == [("app2", "metadata")]
    device = flow(
        Tuple(1, "169.254.100.0", 5, "10.10.1.10", 2048),
        Tuple(1, "10.10.1.10", 5, "169.254.100.0", 0),
        1 << 20 | 1,
    )
    ((app, record),) = records(device)
    assert (app, record["direction"], record["peer"], record["icmpType"]) == ("app1", "in", "(device)", 8)
    assert "translated" not in record
    upstream = flow(Tuple(17, "169.254.100.1", 5, OUTSIDE, 53), Tuple(17, OUTSIDE, 53, "169.254.100.1", 5), 0)
    assert records(upstream) == []


def test_flows_of_ipv6() -> None:
    """Services by either version; of a target that stands for one of IPv4 that one is told."""
    dns = flow(Tuple(17, "fd00::10", 5, "fd00::1", 53), Tuple(17, "fd00::1", 53, "fd00::10", 5), 0)
    assert [(app, r["service"]) for app, r in records(dns)] == [("app1", "dns")]
    metadata = flow(
        Tuple(6, "fd00::10", 5, "fd00:ec2::254", 80), Tuple(6, "fd00:ec2::254", 80, "fd00::10", 5), 0
    )
    assert [(app, r["service"]) for app, r in records(metadata)] == [("app1", "metadata")]
    to, sender = "fd6e:6d64::c000:250", "fd6e:6d64:0:1::6"
    nat64 = flow(Tuple(6, "fd00::10", 5, to, 80), Tuple(6, to, 80, sender, 5), 17)
    ((app, record),) = records(nat64)
    assert (app, record["nat64"], record["direction"]) == ("app1", "192.0.2.80", "out")
    behind = flow(Tuple(6, "192.0.0.6", 5, OUTSIDE, 80), Tuple(6, OUTSIDE, 80, "169.254.100.1", 5), 0)
    assert records(behind) == [], "the other half is nobody's"
    ping = flow(
        Tuple(58, "fd00::10", 5, "2001:db8::1", 128 << 8),
        Tuple(58, "2001:db8::1", 5, "fd00::10", 129 << 8),
        17,
    )
    ((_, record),) = records(ping)
    assert (record["protocol"], record["icmpType"], "translated" in record) == ("icmpv6", 128, False)


def dropped(drops: Drops, logged: Packet, now: float) -> list[tuple[str, dict[str, Any]]]:
    return [(app, r) for app, _, r in drops.packet(logged, SCOPE, PORTS.get, OWNERS.get, now)]


def test_drops_within_ten_seconds_are_one() -> None:
    """The first is told at once; the last word says how many, with the same key; another port is another record."""
    drops = Drops()
    logged = packet(udp("10.10.1.10", 5, OUTSIDE, 81), 1 << 18 | 18, port_in=10)
    ((app, first),) = dropped(drops, logged, 50.0)
    assert (app, first["packets"], first["rule"], first["verdict"], first["direction"]) == (
        "app1",
        [1, 0],
        2,
        "drop",
        "out",
    )
    for n in range(5):
        assert dropped(drops, logged, 51.0 + n) == []
    assert len(dropped(drops, logged._replace(payload=udp("10.10.1.10", 5, OUTSIDE, 82)), 52.0)) == 1
    assert list(drops.due(50.0 + WINDOW - 1)) == []
    ((app, _, last),) = drops.due(50.0 + WINDOW)
    assert (last["packets"], last["bytes"], last["end"], last["start"]) == ([6, 0], [6 * 32, 0], 55.0, 50.0)
    assert list(drops.due(1000.0)) == []
    assert drops.next_due is None


def test_a_drop_between_applications_and_one_without_a_list() -> None:
    """The list that dropped says whose it is, the bridge port on which end; without a list the port says all."""
    drops = Drops()
    ((app, record),) = dropped(
        drops, packet(udp("10.10.1.10", 5, "10.10.1.11", 81), 1 << 18 | 32, port_in=10, port_out=11), 1.0
    )
    assert (app, record["direction"], record["rule"], record["peer"]) == ("app2", "in", 0, "app1")
    spoofed = packet(udp("10.10.1.99", 5, "10.10.1.11", 81), 0, port_in=10)
    ((app, record),) = dropped(drops, spoofed, 1.0)
    assert (app, record["rule"], record["verdict"]) == ("app1", None, "drop")
    assert dropped(drops, spoofed._replace(port_in=0), 1.0) == []
    ((_, record),) = dropped(drops, packet(udp("10.10.1.10", 6, OUTSIDE, 81), 3 << 18 | 17), 1.0)
    assert record["verdict"] == "limit"


def test_windows_are_bounded() -> None:
    """A scan of many ports cannot fill the memory, and nothing of it is lost."""
    drops = Drops()
    told = 0
    for n in range(6000):
        logged = packet(udp("10.10.1.10", n, OUTSIDE, 81), 1 << 18 | 18)
        told += sum(record["packets"][0] for _, record in dropped(drops, logged, 1.0))
    assert told == 6000
    assert len(drops._open) <= 2048


def test_headers_of_any_packet() -> None:
    """Later fragments have no ports, IPv6's extensions are passed, and what is no packet is nothing."""
    fragment = bytearray(udp("10.10.1.10", 5, OUTSIDE, 81))
    fragment[6:8] = b"\x00\x10"
    assert five_tuple(bytes(fragment)) == (Tuple(17, "10.10.1.10", 0, OUTSIDE, 0), 32, len(fragment))
    ports = struct.pack("!HHHH", 5, 53, 12, 0) + b"data"
    v6 = (
        struct.pack("!IHBB", 6 << 28, 8 + len(ports), 0, 64) + b"\xfe" * 15 + b"\x01" + b"\xfe" * 15 + b"\x02"
    )
    found = five_tuple(v6 + bytes([17, 0]) + b"\0" * 6 + ports)
    assert found is not None
    assert (found[0].protocol, found[0].sport, found[0].dport, found[2]) == (17, 5, 53, 56)
    # A fragment's header, authentication (its length in words of four bytes), a routing header of two units.
    for first, headers in (
        (44, bytes([17, 0, 0, 1]) + b"\0" * 4),
        (51, bytes([17, 1]) + b"\0" * 10),
        (60, bytes([43, 0]) + b"\0" * 6 + bytes([17, 1]) + b"\0" * 14),
    ):
        found = five_tuple(v6[:6] + bytes([first]) + v6[7:] + headers + ports)
        assert found is not None
        assert (found[0].protocol, found[0].sport, found[0].dport) == (17, 5, 53)
    later = five_tuple(v6[:6] + bytes([44]) + v6[7:] + bytes([17, 0, 0, 9]) + b"\0" * 4 + ports)
    assert later is not None
    assert (later[0].protocol, later[0].sport, later[0].dport) == (17, 0, 0)
    long = five_tuple(v6 + bytes([60, 40]) + b"\0" * 60)
    assert long is not None
    assert (long[0].protocol, long[0].dport) == (60, 0)
    for length in range(len(fragment)):
        five_tuple(udp("10.10.1.10", 5, OUTSIDE, 81)[:length])
    assert five_tuple(b"") is None
    assert five_tuple(b"\x00" * 40) is None
