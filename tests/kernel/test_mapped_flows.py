"""Conntrack entries against the real kernel: which go on, begin anew or end when the port maps change; of both families."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from netnsmgr.core.ip import IPAddress
from netnsmgr.items.flows import Mapped, MappedFlows
from tests.kernel.stage import sh, stage
from tests.lab import isolated

ENDED = 0x6EFF0000


class Family(NamedTuple):
    """The device's address and two others."""

    nft: str
    socket: socket.AddressFamily
    device: IPAddress
    one: IPAddress
    other: IPAddress


FAMILIES = [
    Family(nft, family, *(ip_address(f"{prefix}{n}") for n in (1, 2, 3)))
    for nft, family, prefix in (("ip", socket.AF_INET, "192.0.2."), ("ip6", socket.AF_INET6, "2001:db8::"))
]
both = pytest.mark.parametrize("f", FAMILIES, ids=["v4", "v6"])


def mapped(f: Family, to: IPAddress | None = None, port: int = 5000, **more: object) -> Mapped:
    return Mapped(f.device, "udp", port, to or f.one, 6000, **more)  # type: ignore[arg-type]


def flows(*maps: Mapped) -> MappedFlows:
    return MappedFlows(frozenset(maps), ENDED)


def addresses(f: Family) -> None:
    sh("ip link set lo up")
    for address in (f.device, f.one, f.other):
        sh(f"ip address replace {address}/{address.max_prefixlen} dev lo")


def translate(f: Family) -> None:
    """Lead what is sent to the device's ports 5000 and 5001 to an application, as the maps' rules do."""
    addresses(f)
    to = f"[{f.one}]" if f.nft == "ip6" else f"{f.one}"
    sh(f"""nft add table {f.nft} t
nft add chain {f.nft} t output '{{ type nat hook output priority -100; }}'
nft add rule {f.nft} t output {f.nft} daddr {f.device} udp dport '{{ 5000, 5001 }}' dnat to {to}:6000""")


def send(f: Family, port: int = 5000, source: IPAddress | None = None) -> None:
    with socket.socket(f.socket, socket.SOCK_DGRAM) as sock:
        sock.bind((str(source or f.other), 7000 + port % 100))
        sock.sendto(b"?", (str(f.device), port))


def entries() -> list[str]:
    """Conntrack's UDP entries, each as: asked port, where its answers come from (1, 2, 3), its mark."""
    found = []
    for line in sh("cat /proc/net/nf_conntrack").splitlines():
        if "udp" in line:
            words = dict(word.split("=") for word in reversed(line.split()) if "=" in word)
            answers = [word[-1] for word in line.split() if word.startswith("src=")][1]
            found.append(f"{words['dport']} {answers} {int(words['mark']):#x}")
    return sorted(found)


@both
@isolated
async def test_ends_begins_anew_and_goes_on(f: Family) -> None:
    """Of a removed map the flow is marked, of a changed one forgotten, of one that is back it has the map's mark again;
    flows by other ports stay as they are all the time."""
    async with stage() as agent:
        translate(f)
        send(f)
        send(f, 5001)
        other = mapped(f, port=5001)
        await agent.bring(flows(mapped(f, mark=7), other))
        assert entries() == ["5000 2 0x0", "5001 2 0x0"]
        assert await agent.bring(flows(other)) == ["modify flows/portmaps"]
        assert entries() == ["5000 2 0x6eff0000", "5001 2 0x0"]
        await agent.bring(flows(mapped(f, mark=7), other))
        assert entries() == ["5000 2 0x7", "5001 2 0x0"]
        await agent.bring(flows(mapped(f, f.other), other))
        assert entries() == ["5001 2 0x0"]


@both
@isolated
async def test_of_senders_that_are_left_out(f: Family) -> None:
    """Only flows of senders that the map is not for any more are ended."""
    async with stage() as agent:
        translate(f)
        send(f, source=f.other)
        send(f, source=f.one)
        await agent.bring(flows(mapped(f)))
        await agent.bring(flows(mapped(f, senders=(ip_network(f.other),))))
        assert entries() == ["5000 2 0x0", "5000 2 0x6eff0000"]


@both
@isolated
async def test_that_went_nowhere_begin_anew_by_a_new_map(f: Family) -> None:
    """A sender of UDP that was there before the map is led by it, and so is one that had no map for a while."""
    async with stage() as agent:
        addresses(f)
        sh(
            "nft 'table inet count { chain c { type filter hook output priority 0; ct state new counter; }; }'"
        )
        with socket.socket(f.socket, socket.SOCK_DGRAM) as listens:
            listens.bind((str(f.device), 5000))  # or an ICMP error says so, and the entry goes
            send(f)
            assert entries() == ["5000 1 0x0"]
            await agent.bring(flows(mapped(f)))
            assert entries() == []


@both
@isolated
async def test_are_known_again_and_verbs_can_be_repeated(f: Family) -> None:
    """Another agent finds what was followed; without its memory it looks at all, and leaves alone what goes right."""
    maps = flows(mapped(f, mark=7, senders=(ip_network(f.other),)), mapped(f, port=5001))
    async with stage() as agent:
        assert await agent.bring(maps) == ["create flows/portmaps"]
        await agent.verbs(maps)
        await agent.bring(maps)
    async with stage() as restarted:
        assert await restarted.once(maps) == []
        translate(f)
        send(f)
        restarted.system.conntrack.forget()
        assert await restarted.bring(maps) == ["create flows/portmaps"]
        assert entries() == ["5000 2 0x0"]
