"""What an application may try to get past its list, or to become another one: nothing of it helps."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
import yaml

from tests.lab import AppHost
from tests.scenarios import frames
from tests.scenarios.documents import instance
from tests.scenarios.frames import ethernet, mac, send
from tests.scenarios.listed import address, answer, listed, lists, rule
from tests.scenarios.world import World

pytestmark = pytest.mark.root

GATEWAY = "10.10.1.1"
NAME = b"\6github\3com\0"
SAY = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 53))
for message in sys.argv[3:]:
    sock.sendto(bytes.fromhex(message), (sys.argv[2], 53))
"""


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists(("mallory", "bob")) as world:
        world.apply(listed("mallory", [rule(1, host="github.com")]), listed("bob"))
        yield world


def dns(kind: int, data: bytes) -> str:
    """An answer to a question for github.com."""
    head = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0)
    record = NAME + struct.pack("!HHIH", kind, 1, 86400 * 30, len(data)) + data
    return (head + NAME + struct.pack("!HH", 1, 1) + record).hex()


def say(host: AppHost, own: str, *messages: str) -> None:
    host.run([sys.executable, "-I", "-S", "-c", SAY, own, GATEWAY, *messages])


def test_a_forged_answer_opens_no_host_rule(w: World) -> None:
    """An application's own packet that looks like an answer of the DNS; nor does one that cannot be read end anything."""
    mallory = w.lab.apps["mallory"]
    (wanted,) = mallory.lookup("google.com", interface="eth0")
    (pid,) = w.pids("[n]etnsmgr.services.flowlog /run/netnsmgr/instances/ni1/")
    unreadable = (
        b"\x00\x01\x00\x00\x01\x00\x03\xffh2"  # HTTPS, with a parameter that is longer than the record
    )
    say(mallory, address(w, "mallory"), dns(1, IPv4Address(wanted).packed), dns(65, unreadable))
    # The observer reads in order: what it was told before is done when this answer has its own element.
    assert answer(mallory, "http://github.com") == "github.com"
    assert answer(mallory, f"http://{wanted}").startswith("curl")
    assert wanted not in w.sh("nft list ruleset", "ni1")
    assert w.pids("[n]etnsmgr.services.flowlog /run/netnsmgr/instances/ni1/") == [pid]


@pytest.mark.parametrize("last", [0x00, 0x02, 0x0E, 0x0F])
def test_no_mac_is_learnt_from_a_link_local_frame(w: World, last: int) -> None:
    """Such frames pass no hook, so that one could bring all that goes to another."""
    mallory, bob = w.lab.apps["mallory"], w.lab.apps["bob"]
    assert bob.ping(GATEWAY)

    def learnt() -> list[str]:
        return [line for line in w.sh("bridge fdb show br bn0", "ni1").splitlines() if mac(bob) in line]

    before = learnt()
    send(mallory, ethernet(f"01:80:c2:00:00:{last:02x}", mac(bob), 0x88CC, b"x"))
    assert learnt() == before
    assert "bob.eth0" in before[0]


def test_nobody_gives_back_another_s_lease(w: World) -> None:
    """DHCP in another's name, whole and in pieces; whoever is unknown gets no lease at all."""
    mallory, bob = w.lab.apps["mallory"], w.lab.apps["bob"]
    theirs, own = address(w, "bob"), address(w, "mallory")
    gateway = mac(w.lab.instance("ni1"), "bn0")
    release = udp(own, bootp(7, mac(bob), theirs))
    whole = ethernet(gateway, mac(mallory), 0x0800, release)
    first = ethernet(gateway, mac(mallory), 0x0800, fragment(release, 0, 24, more=True))
    rest = ethernet(gateway, mac(mallory), 0x0800, fragment(release, 24, len(release), more=False))
    stranger = udp("0.0.0.0", bootp(3, "02:00:00:00:99:99", "0.0.0.0", b"\x32\x04\x0a\x0a\x01\x42"))
    send(mallory, whole, first, rest, ethernet(frames.BROADCAST, mac(mallory), 0x0800, stranger))
    mallory.dhcp("eth0")  # dnsmasq answers in order
    leases = w.sh("cat /var/lib/netnsmgr/leases/ni1/dnsmasq.leases")
    assert f"{mac(bob)} {theirs}" in leases
    assert "99:99" not in leases
    assert bob.ping(GATEWAY)


def test_the_filter_outlives_the_links() -> None:
    """While an instance is deleted with its applications, no link is there without its filter."""
    with lists() as w:
        since = w.mark()
        w.command("delete", "app", "app1", "app2", "--no-wait")
        w.command("delete", "-f", "-", text=yaml.safe_dump_all([instance("ni1"), listed("app3")]))
        done = [op for op in w.operations(since) if op.startswith("ni1: delete")]
        links = [n for n, op in enumerate(done) if "link/" in op]
        tables = [n for n, op in enumerate(done) if op.endswith(("netnsmgr_acl", "netnsmgr_vif"))]
        assert links
        assert tables
        assert max(links) < min(tables)


def bootp(kind: int, chaddr: str, ciaddr: str, options: bytes = b"") -> bytes:
    fixed = struct.pack(
        "!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, 0x1234, 0, 0, IPv4Address(ciaddr).packed,
        bytes(4), bytes(4), bytes(4), bytes.fromhex(chaddr.replace(":", "")), b"", b"",
    )  # fmt: skip
    asked = b"" if kind == 3 else bytes([54, 4]) + IPv4Address(GATEWAY).packed
    return fixed + bytes.fromhex("63825363") + bytes([53, 1, kind]) + asked + options + b"\xff"


def udp(source: str, data: bytes) -> bytes:
    target = "255.255.255.255" if source == "0.0.0.0" else GATEWAY
    return frames.udp4(source, 68, target, 67, data.decode("latin-1"))


def fragment(packet: bytes, start: int, end: int, *, more: bool) -> bytes:
    """A piece of an IPv4 packet's payload, in bytes; ``start`` is a multiple of 8."""
    payload = packet[20:][start:end]
    head = struct.pack("!HHH", 20 + len(payload), 1, (0x2000 if more else 0) | start // 8)
    header = packet[:2] + head + packet[8:10] + bytes(2) + packet[12:20]
    return frames.with_checksum(header) + payload
