"""Conntrack entries against the real kernel: which go on, begin anew or end when the port maps change."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network

from netnsmgr.items.flows import Mapped, MappedFlows
from tests.kernel.stage import sh, stage
from tests.lab import isolated

DEVICE, ONE, OTHER = (IPv4Address(f"192.0.2.{n}") for n in (1, 2, 3))
ENDED = 0x6EFF0000


def mapped(to: IPv4Address = ONE, port: int = 5000, **more: object) -> Mapped:
    return Mapped(DEVICE, "udp", port, to, 6000, **more)  # type: ignore[arg-type]


def flows(*maps: Mapped) -> MappedFlows:
    return MappedFlows(frozenset(maps), ENDED)


def translate(to: IPv4Address = ONE) -> None:
    """Lead what is sent to the device's ports 5000 and 5001 to an application, as the maps' rules do."""
    sh(f"""ip link set lo up
for n in 1 2 3; do ip address replace 192.0.2.$n/32 dev lo; done
nft add table ip t; nft flush table ip t
nft add chain ip t output '{{ type nat hook output priority -100; }}'
nft add rule ip t output ip daddr {DEVICE} udp dport '{{ 5000, 5001 }}' dnat to {to}:6000""")


def send(port: int = 5000, source: IPv4Address = OTHER) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((str(source), 7000 + port % 100))
        sock.sendto(b"?", (str(DEVICE), port))


def entries() -> list[str]:
    """Conntrack's UDP entries, each as: asked port, where its answers come from, its mark."""
    found = []
    for line in sh("cat /proc/net/nf_conntrack").splitlines():
        if "udp" in line:
            words = dict(word.split("=") for word in reversed(line.split()) if "=" in word)
            answers = [word[4:] for word in line.split() if word.startswith("src=")][1]
            found.append(f"{words['dport']} {answers} {int(words['mark']):#x}")
    return sorted(found)


@isolated
async def test_ends_begins_anew_and_goes_on() -> None:
    """Of a removed map the flow is marked, of a changed one forgotten, of one that is back it has the map's mark again;
    flows by other ports stay as they are all the time."""
    async with stage() as agent:
        translate()
        send()
        send(5001)
        other = mapped(port=5001)
        await agent.bring(flows(mapped(mark=7), other))
        assert entries() == ["5000 192.0.2.2 0x0", "5001 192.0.2.2 0x0"]
        assert await agent.bring(flows(other)) == ["modify flows/portmaps"]
        assert entries() == ["5000 192.0.2.2 0x6eff0000", "5001 192.0.2.2 0x0"]
        await agent.bring(flows(mapped(mark=7), other))
        assert entries() == ["5000 192.0.2.2 0x7", "5001 192.0.2.2 0x0"]
        await agent.bring(flows(mapped(OTHER), other))
        assert entries() == ["5001 192.0.2.2 0x0"]


@isolated
async def test_of_senders_that_are_left_out() -> None:
    """Only flows of senders that the map is not for any more are ended."""
    async with stage() as agent:
        translate()
        send(source=OTHER)
        send(source=ONE)
        await agent.bring(flows(mapped()))
        await agent.bring(flows(mapped(senders=(IPv4Network(OTHER),))))
        assert entries() == ["5000 192.0.2.2 0x0", "5000 192.0.2.2 0x6eff0000"]


@isolated
async def test_that_went_nowhere_begin_anew_by_a_new_map() -> None:
    """A sender of UDP that was there before the map is led by it, and so is one that had no map for a while."""
    async with stage() as agent:
        sh("ip link set lo up; ip address add 192.0.2.1/32 dev lo; ip address add 192.0.2.3/32 dev lo")
        sh("nft 'table ip count { chain c { type filter hook output priority 0; ct state new counter; }; }'")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listens:
            listens.bind((str(DEVICE), 5000))  # or an ICMP error says so, and the entry goes
            send()
            assert entries() == ["5000 192.0.2.1 0x0"]
            await agent.bring(flows(mapped()))
            assert entries() == []


@isolated
async def test_are_known_again_and_verbs_can_be_repeated() -> None:
    """Another agent finds what was followed; without its memory it looks at all, and leaves alone what goes right."""
    maps = flows(mapped(mark=7, senders=(IPv4Network(OTHER),)), mapped(port=5001))
    async with stage() as agent:
        assert await agent.bring(maps) == ["create flows/portmaps"]
        await agent.verbs(maps)
        await agent.bring(maps)
    async with stage() as restarted:
        assert await restarted.once(maps) == []
        translate()
        send()
        restarted.system.conntrack.forget()
        assert await restarted.bring(maps) == ["create flows/portmaps"]
        assert entries() == ["5000 192.0.2.2 0x0"]
