"""A bridge with three guarded interfaces, and the test in the place of the applications behind them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Self

from netnsmgr.core.agreed import METADATA6
from netnsmgr.core.ip import IPAddress, mac_made
from netnsmgr.features.acl import guard
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.kernel.nft import KernelNft
from tests.kernel.frames6 import ethernet, group_mac
from tests.kernel.stage import sh, stage

MACS = {number: f"02:00:00:00:00:0{number}" for number in (1, 2, 3)}
BRIDGE_MAC = "02:00:00:00:00:0f"
NET, OLD = IPv6Network("fd00:10:1::/64"), IPv6Network("fd00:10:2::/64")
LINK = IPv6Network("fe80::/64")
GATEWAY, BRIDGE = "fd00:10:1::1", str(mac_made(LINK, BRIDGE_MAC))
OWN = frozenset(map(ip_address, (GATEWAY, BRIDGE, str(NET[0]), *METADATA6)))
LOCAL = {number: str(mac_made(LINK, mac)) for number, mac in MACS.items()}
DYNAMIC = ("asking6", "first6", "taken6", "claims6", "told6", "used6")


class Bridge:
    """``async with``.  Interface N is called ``vN``; what the test sends and hears there is at ``pN``."""

    def __init__(
        self,
        held: Mapping[str, int] | None = None,
        *,
        given: bool = False,
        unguarded: int = 0,
        ipv6: bool = True,
    ) -> None:
        self.held = {ip_address(address): number for address, number in (held or {}).items()}
        self.given, self.unguarded, self.ipv6 = given, unguarded, ipv6
        self._stack = AsyncExitStack()
        self.sockets: dict[int, socket.socket] = {}

    async def __aenter__(self) -> Self:
        sh(f"""
        ip link set lo up
        ip link add bn0 type bridge mcast_snooping 0; ip link set bn0 address {BRIDGE_MAC}
        sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
        ip link set bn0 up""")
        for number, mac in MACS.items():
            sh(f"""
            ip link add v{number} type veth peer name p{number} address {mac}
            ip link set v{number} master bn0 up; ip link set p{number} up""")
        self.stage = await self._stack.enter_async_context(stage())
        self.nft = KernelNft("/run/nft.json")
        await self.know(self.held)
        for number in MACS:
            found = self.sockets[number] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            found.bind((f"p{number}", 0))
            found.setblocking(False)
            self._stack.callback(found.close)
        sh(
            "nft -f - <<'END'\ntable inet t { chain c { type filter hook forward priority 0; ct state new; }; }\nEND"
        )
        sh("sysctl -qw net.bridge.bridge-nf-call-ip6tables=1")
        for number, mac in MACS.items():  # the bridge knows who is where
            self.send(number, ethernet("33:33:00:00:00:01", mac, bytes(46)))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def know(self, held: Mapping[IPAddress, int]) -> None:
        """Have these addresses known, beside those that are made of MAC addresses."""
        made: dict[IPAddress, int] = {IPv6Address(address): number for number, address in LOCAL.items()}
        macs = {mac: number for number, mac in MACS.items() if number != self.unguarded}
        known = guard.Holding(
            (4, 6) if self.ipv6 else (4,),
            made | dict(held),
            OWN,
            macs,
            (IPv4Network("10.10.1.0/24"), NET, OLD),
            self.given,
        )
        items = [each for each in guard.items(known) if isinstance(each, NftTable | NftSet)]
        parts: list[NftPart] = [
            guard.part(
                f"v{n}", n, mac, IPv4Network("10.10.1.0/24"), guarded=n != self.unguarded, ipv6=self.ipv6
            )
            for n, mac in MACS.items()
        ]
        await self.stage.bring(*items, *parts)

    def forget(self) -> None:
        """Have nobody come first."""
        if self.ipv6:
            self.nft._run("".join(f"flush set bridge netnsmgr_vif {name}\n" for name in DYNAMIC))

    def send(self, number: int, *frames: bytes) -> None:
        for frame in frames:
            self.sockets[number].send(frame)

    def heard(self, number: int) -> list[bytes]:
        """What has come to an interface since the last call; of packets sent here only what others sent."""
        found: list[bytes] = []
        while True:
            try:
                data, address = self.sockets[number].recvfrom(65536)
            except BlockingIOError:
                return found
            if address[2] != socket.PACKET_OUTGOING:
                found.append(data)

    def passes(self, sender: int, *packets: bytes, to: int = 2, mac: str | None = None) -> bool:
        """Tell whether anything of these packets comes to another interface, as frames for it and, if they are for many,
        for all.
        """
        for each in MACS:
            self.heard(each)
        for packet in packets:
            target = IPv6Address(packet[24:40])
            frame_to = group_mac(str(target)) if target.is_multicast else MACS[to]
            self.send(sender, ethernet(frame_to, mac or MACS[sender], packet))
        return bool(self.heard(to))
