"""A device with two instances: in one an application that floods and its neighbour, in the other somebody else.

What is flooded, and how those who do nothing are served meanwhile.
"""

from __future__ import annotations

import json
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab import AppHost, Process
from tests.scenarios import frames
from tests.scenarios.documents import app, device, instance
from tests.scenarios.ipv6 import port6
from tests.scenarios.world import World

SENDER, PROBE = (Path(__file__).with_name(name) for name in ("sender.py", "probe.py"))
WEB = "203.0.113.10"
GATEWAY, GATEWAY6 = "10.10.0.1", "fd00:10::1"
WIDE: dict[str, Any] = {
    "subnets": ["10.10.0.0/16", "fd00:10::/64"],
    "dhcp": {"range": "10.10.1.50-10.10.1.150"},
}
"""Of ni1."""
SILENT = b"\2zz"
"""How names begin that the site's DNS server is made to keep silent about."""
MOST_SECONDS = 30.0
Served = dict[str, dict[str, Any]]
"""By kind of service what `probe` says."""


class Flood(NamedTuple):
    """What is sent, of a stage; arguments of `sender` behind the seconds (frames), or before them (connections)."""

    what: str
    arguments: Callable[[World], list[str]]
    connections: bool = False


@contextmanager
def stage(**spec: Any) -> Iterator[World]:
    """``mallory`` and ``alice`` in ni1, ``bob`` in ni2; ``spec``: more fields of ni1."""
    with World(["eth0"], ipv6=True) as world:
        hosts = [world.lab.app(name) for name in ("mallory", "alice", "bob")]
        world.apply(
            device(port6()),
            instance("ni1", **(WIDE | spec)),
            instance("ni2", "10.20.0"),
            app("mallory", "ni1"),
            app("alice", "ni1"),
            app("bob", "ni2"),
        )
        for host in hosts:
            host.dhcp("eth0")
        world.lab.apps["mallory"].wait_address6("eth0")
        # Names that nobody answers for, as of a site that has lost its way out.
        rules = f"add table ip silent; add chain ip silent in {{ type filter hook input priority 0; }}; add rule ip silent in udp dport 53 @th,160,24 0x{SILENT.hex()} drop"
        world.lab.gw.run(["nft", rules])
        yield world


def served(
    world: World, seconds: float = 3.0, during: Callable[[], object] = lambda: None
) -> dict[str, Served]:
    """How alice, and bob in the other instance, are served; ``during`` is done once they have begun."""
    asking = {
        name: _start(world.lab.apps[name], [str(PROBE), str(seconds), gateway, WEB])
        for name, gateway in (("alice", GATEWAY), ("bob", "10.20.0.1"))
    }
    during()
    found = {}
    for name, process in asking.items():
        assert process.wait(seconds + 30) == 0, process.output
        found[name] = json.loads(process.output)
    return found


def flood(world: World, what: Flood, seconds: float) -> Process:
    """Have mallory flood for so long; the process prints how much was sent."""
    arguments = what.arguments(world)
    argv = ["tcp", *arguments, str(seconds)] if what.connections else ["eth0", str(seconds), *arguments]
    return _start(world.lab.apps["mallory"], [str(SENDER), *argv])


@contextmanager
def flooding(world: World, name: str) -> Iterator[Process]:
    """Mallory floods within the block, and has begun when it does."""
    sender = flood(world, FLOODS[name], MOST_SECONDS)
    try:
        time.sleep(0.5)  # what is to be full fills meanwhile
        yield sender
    finally:
        sender.stop(signal.SIGKILL)


def frame_flood(host: AppHost, frame: str, seconds: float) -> Process:
    """Have a host send a frame (of `sender`'s form) by its eth0 for so long."""
    return _start(host, [str(SENDER), "eth0", str(seconds), frame])


def _start(host: AppHost, argv: list[str]) -> Process:
    # Straight into the namespace, without the interpreter's site packages.
    return host.holder.start(host.holder.enter(host.netns), [host.holder.python, "-I", "-S", *argv])


# -- What is sent ------------------------------------------------------------------------------------------


def _own(world: World) -> tuple[str, str, str]:
    """MAC address, IPv4 address of mallory, and MAC address of his gateway."""
    mallory = world.lab.apps["mallory"]
    gateway = frames.mac(world.lab.instance("ni1"), "bn0")
    return frames.mac(mallory), str(mallory.leases["eth0"].address.ip), gateway


def _dhcp(world: World) -> list[str]:
    mac, _, _ = _own(world)
    chaddr = bytes.fromhex(mac.replace(":", ""))
    message = struct.pack("!BBBBIHH16x6s202x", 1, 1, 6, 0, 1, 0, 0x8000, chaddr)
    message += bytes.fromhex("63825363") + b"\x35\1\1\xff"
    packet = frames.udp4("0.0.0.0", 68, "255.255.255.255", 67, message.decode("latin-1"))
    frame = frames.ethernet(frames.BROADCAST, mac, 0x0800, packet)
    return [f"{frame.hex()}@{14 + 28 + 6}"]  # another transaction each time


def _udp(world: World, target: str, port: int, data: bytes, *places: int, target_mac: str = "") -> list[str]:
    """UDP from mallory by his gateway; ``places`` in the frame are counted up."""
    mac, own, gateway = _own(world)
    packet = frames.udp4(own, 5000, target, port, data.decode("latin-1"))
    frame = frames.ethernet(target_mac or gateway, mac, 0x0800, packet)
    return ["@".join([frame.hex(), *map(str, places)])]


def _question(label: bytes) -> bytes:
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + label + b"\6github\3com\0\0\1\0\1"


_DATA = 14 + 20 + 8


def _arp(world: World) -> list[str]:
    mac, own, _ = _own(world)
    frame = frames.arp(frames.BROADCAST, mac, (mac, own), "", "10.10.0.0", reply=False)
    return [f"{frame.hex()}@{14 + 24 + 2}"]


def _nd(world: World) -> list[str]:
    mac, _, _ = _own(world)
    source = frames.link_local(mac)
    target = IPv6Address("fd00:10::").packed
    solicited = IPv6Address("ff02::1:ff00:0").packed
    body = frames.icmp6(135, "") + target + b"\1\1" + bytes.fromhex(mac.replace(":", ""))
    made = []
    for last in range(64):
        body = body[:22] + last.to_bytes(2) + body[24:]
        packet = frames.ipv6(source, solicited[:15] + bytes([last]), 58, body)
        made.append(frames.ethernet(f"33:33:ff:00:00:{last:02x}", mac, 0x86DD, packet).hex())
    return made


def _neighbours(world: World) -> list[str]:
    mac, _, gateway = _own(world)
    own = IPv6Interface(world.lab.apps["mallory"].addresses6("eth0")[0]).ip
    target = IPv6Address("2001:db8::1:0").packed
    packet = frames.ipv6(own.packed, target, 17, struct.pack("!HHHHH", 5000, 9, 10, 0, 1))
    # What is counted up in the address is counted down in the data, and the sum stays as it is.
    return [f"{frames.ethernet(gateway, mac, 0x86DD, packet).hex()}@{14 + 38}@-{14 + 48}"]


FLOODS: dict[str, Flood] = {
    "dhcp": Flood("DHCP discovers", _dhcp),
    "dns": Flood(
        "questions for names that the site knows, each time another",
        lambda w: _udp(w, GATEWAY, 53, _question(b"\4xxxx"), _DATA + 13),
    ),
    "dns-silent": Flood(
        "questions that the site's servers do not answer",
        lambda w: _udp(w, GATEWAY, 53, _question(b"\2zz\4xxxx"), _DATA + 16),
    ),
    "dns-tcp": Flood(
        "connections to the DNS server, some held open", lambda _: [GATEWAY, "53"], connections=True
    ),
    "arp": Flood("ARP requests for all addresses", _arp),
    "nd": Flood("neighbour solicitations", _nd),
    "neighbours": Flood("packets to all addresses of the site's segment", _neighbours),
    "flows": Flood("flows to the outside, each a new one", lambda w: _udp(w, WEB, 9, b"x", 14 + 20, 14 + 22)),
    "metadata": Flood(
        "connections to the metadata service", lambda _: ["169.254.169.254", "80"], connections=True
    ),
    "broadcast": Flood(
        "broadcasts", lambda w: _udp(w, "10.10.255.255", 9, b"x" * 100, target_mac=frames.BROADCAST)
    ),
}


def flows(world: World, network: str | None = None) -> int:
    """How many flows a namespace's conntrack has."""
    return int(world.sh("cat /proc/sys/net/netfilter/nf_conntrack_count", network))
