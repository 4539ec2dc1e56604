"""VLANs of a switch's bridge, on a kernel that has them: what is in a port's VLANs, and which frames pass."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace

import pytest

from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.bridges import PortVlan
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.switch_bridge import SwitchBridge
from tests.kernel.stage import sh, stage
from tests.lab import isolated
from tests.lab.patience import patient

pytestmark = pytest.mark.fullkernel

PLAIN = SwitchBridge("bn0", 1500, "02:00:00:00:00:01", alias="ni6")
BRIDGE = replace(PLAIN, vlans=True)
UNTAGGED = PortVlan(1, pvid=True, untagged=True)
KIND = 0x88B5


def access(vid: int) -> frozenset[PortVlan]:
    return frozenset({PortVlan(vid, pvid=True, untagged=True)})


def trunk(*vids: int) -> frozenset[PortVlan]:
    return frozenset({UNTAGGED, *map(PortVlan, vids)})


def vlans(link: str) -> list[tuple[int, tuple[str, ...]]]:
    """What ``bridge`` says of a port's VLANs."""
    listed = json.loads(sh(f"bridge -j vlan show dev {link}") or "[]")
    return [(each["vlan"], tuple(each.get("flags", ()))) for one in listed for each in one["vlans"]]


def wires(*names: str) -> None:
    for name in names:
        sh(f"ip link add {name} type veth peer name far-{name}; ip link set far-{name} up")


def ports(**carried: frozenset[PortVlan]) -> list[ExternalLink | BridgePort]:
    found: list[ExternalLink | BridgePort] = []
    for name, has in carried.items():
        found += [ExternalLink(name), BridgePort(name, "bn0", vlans=has)]
    return found


class Wires:
    """The far ends of the ports, all listening; ``sent`` says who hears what as which tag (0: none)."""

    def __init__(self, *names: str) -> None:
        self._sockets = {}
        for name in names:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the tag is beside the frame
            sock.bind((f"far-{name}", 3))
            sock.setblocking(False)
            self._sockets[name] = sock
        self._number = 0

    def sent(self, sender: str, tag: int = 0) -> dict[str, int]:
        """Broadcast with a tag, or none; which others hear it, with which tag."""
        self._number += 1
        word = f"frame {self._number} of {sender}".encode()
        head = b"\xff" * 6 + bytes.fromhex("020000000099")
        head += (b"\x81\x00" + tag.to_bytes(2, "big")) if tag else b""
        self._sockets[sender].send(head + KIND.to_bytes(2, "big") + word.ljust(46, b"\0"))
        found: dict[str, int] = {}
        # Veths hand frames over before send() returns, but for what waits for a softirq.
        end = time.monotonic() + patient(0.2)
        while time.monotonic() < end:
            for name, sock in self._sockets.items():
                try:
                    data, told, _, address = sock.recvmsg(2000, 64)
                except BlockingIOError:
                    continue
                if word in data and address[2] != socket.PACKET_OUTGOING and name != sender:
                    found[name] = _tag(data, told)
        return found


def _tag(data: bytes, told: list[tuple[int, int, bytes]]) -> int:
    """The VLAN of a frame: in it, or in what the kernel tells beside (struct tpacket_auxdata)."""
    if data[12:14] == b"\x81\x00":
        return int.from_bytes(data[14:16], "big") & 0xFFF
    for _, _, aux in told:
        status, tci = int.from_bytes(aux[:4], "little"), int.from_bytes(aux[16:18], "little")
        if status & 0x10:  # TP_STATUS_VLAN_VALID
            return tci & 0xFFF
    return 0


@isolated
async def test_as_written() -> None:
    """A port is in its VLANs and no other, whatever somebody else did; ranges are read as the kernel lists them."""
    wires("eth3")
    async with stage() as agent:
        many = trunk(100, 101, 102, 200)
        await agent.bring(BRIDGE, *ports(eth3=many))
        assert vlans("eth3") == [
            (1, ("PVID", "Egress Untagged")), (100, ()), (101, ()), (102, ()), (200, ()),
        ]  # fmt: skip
        assert vlans("bn0") == []
        sh(
            "bridge vlan add vid 300 dev eth3; bridge vlan del vid 101 dev eth3; bridge vlan add vid 1 dev eth3"
        )
        assert await agent.bring(BRIDGE, *ports(eth3=many)) == ["modify bridge-port/eth3"]
        assert await agent.bring(BRIDGE, *ports(eth3=access(100))) == ["modify bridge-port/eth3"]
        assert vlans("eth3") == [(100, ("PVID", "Egress Untagged"))]


@isolated
async def test_on_and_off_while_it_runs() -> None:
    """A bridge learns of VLANs, and forgets them, with its links in place."""
    wires("eth3", "eth4")
    async with stage() as agent:
        await agent.bring(PLAIN, *ports(eth3=frozenset(), eth4=frozenset()))
        wire = Wires("eth3", "eth4")
        index = sh("cat /sys/class/net/bn0/ifindex")
        assert wire.sent("eth3") == {"eth4": 0}
        done = await agent.bring(BRIDGE, *ports(eth3=access(100), eth4=access(200)))
        assert not [step for step in done if step.startswith("delete")]
        assert wire.sent("eth3") == {}
        done = await agent.bring(PLAIN, *ports(eth3=frozenset(), eth4=frozenset()))
        assert not [step for step in done if step.startswith("delete")]
        assert wire.sent("eth3") == {"eth4": 0}
        assert wire.sent("eth3", 100) == {"eth4": 100}
        assert sh("cat /sys/class/net/bn0/ifindex") == index


@isolated
async def test_who_hears_whom() -> None:
    """Access, trunk and what has no tag, as the kernel makes of it."""
    names = ("a100", "b100", "a200", "tr", "u")
    wires(*names)
    async with stage() as agent:
        carried = {
            "a100": access(100),
            "b100": access(100),
            "a200": access(200),
            "tr": trunk(100),
            "u": trunk(100, 200),
        }
        await agent.bring(BRIDGE, *ports(**carried))
        wire = Wires(*names)
        assert wire.sent("a100") == {"b100": 0, "tr": 100, "u": 100}
        assert wire.sent("a200") == {"u": 200}
        assert wire.sent("u", 200) == {"a200": 0}
        assert wire.sent("u", 100) == {"a100": 0, "b100": 0, "tr": 100}
        assert wire.sent("u") == {"tr": 0}
        # Nobody's VLAN, and a VLAN of others.
        assert wire.sent("u", 300) == {}
        assert wire.sent("tr", 200) == {}
        # A tag on an access port: of another VLAN it is dropped.
        assert wire.sent("a100", 200) == {}


@isolated
async def test_own_address_in_each_vlan() -> None:
    """The MAC address of a port is known in all of its VLANs, also in those that come later."""
    wires("tr")
    mac = "02:16:3e:00:00:07"
    async with stage() as agent:
        for carried in (trunk(100), trunk(100, 200), access(300)):
            port = BridgePort("tr", "bn0", vlans=carried, mac=mac)
            await agent.bring(BRIDGE, ExternalLink("tr"), port)
            known = json.loads(sh("bridge -j fdb show dev tr"))
            there = {each.get("vlan") for each in known if each["mac"] == mac}
            assert {vlan.vid for vlan in carried} <= there
