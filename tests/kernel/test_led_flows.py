"""Conntrack entries against the real kernel: which go on when the ways into tunnels change; of both families and of ICMP."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest

from netnsmgr.items.led_flows import LedFlows, LedFlowsEnd, Way, Ways
from tests.kernel.stage import sh, stage
from tests.lab import isolated

FAMILIES = [
    (socket.AF_INET, "192.0.2.", "198.51.100."),
    (socket.AF_INET6, "2001:db8:1::", "2001:db8:2::"),
]
both = pytest.mark.parametrize(("family", "app", "far"), FAMILIES, ids=["v4", "v6"])


def ways(app: str, far: str, source: str | None, *, led: bool = True) -> Ways:
    length = 24 if "." in app else 64
    return Ways(
        (ip_network(f"{app}0/{length}" if "." in app else f"{app}/{length}"),),
        (Way(ip_network(f"{far}0/{length}" if "." in far else f"{far}/{length}"), ip_address(source) if source else None),)
        if led
        else (),
        (ip_address(f"{app}9"),),
    )  # fmt: skip


def entries(far: str) -> int:
    return sum(
        f"dst={ip_address(far + '1').exploded} " in line
        for line in sh("cat /proc/net/nf_conntrack").splitlines()
    )


@both
@isolated
async def test_what_went_another_way_begins_anew(family: socket.AddressFamily, app: str, far: str) -> None:
    """An entry stays while its sender is seen outside as the way wants it, and is forgotten otherwise; a restarted agent
    knows what it has followed, and without ways at all those go that had one."""
    sh(
        "ip link set lo up; nft 'table inet count { chain c { type filter hook output priority 0; ct state new counter; }; }'"
    )
    length = 32 if family == socket.AF_INET else 128
    for address in (f"{app}1", f"{far}1"):
        sh(f"ip address add {address}/{length} dev lo")
    with (
        socket.socket(family, socket.SOCK_DGRAM) as listens,
        socket.socket(family, socket.SOCK_DGRAM) as sends,
    ):
        listens.bind((f"{far}1", 7))
        sends.bind((f"{app}1", 0))

        def send() -> None:
            sends.sendto(b"?", (f"{far}1", 7))
            sh(f"ping -c 1 -W 1 -I {app}1 {far}1")

        send()
        there = entries(far)
        assert there >= 2
        own, other = LedFlows(ways(app, far, None)), LedFlows(ways(app, far, f"{app}5"))
        async with stage() as agent:
            await agent.bring(own, LedFlowsEnd())
            assert entries(far) == there
            assert await agent.bring(other, LedFlowsEnd()) == ["modify led-flows/tunnels"]
            assert entries(far) == 0
            send()
            await agent.verbs(other, LedFlowsEnd())
        async with stage() as restarted:
            assert await restarted.once(other, LedFlowsEnd()) == []
            send()
            done = await restarted.bring()
            assert done == ["delete led-flows-end/tunnels", "delete led-flows/tunnels"]
            assert entries(far) == 0


def test_the_longest_way_counts() -> None:
    """What an application says to its own network or to the instance goes no way, what others began stays."""
    subnet, inner = ip_network("10.11.12.0/24"), ip_address("169.254.100.1")
    app, hub, office = map(ip_address, ("10.11.12.10", "10.9.0.2", "10.8.0.2"))
    led = (
        Way(ip_network("0.0.0.0/0"), hub),
        Way(ip_network("10.20.0.0/16"), office),
        Way(ip_network("10.20.1.0/24"), None),
    )
    several = Ways((subnet,), led, (inner,))
    for target, seen_as in (("203.0.113.1", hub), ("10.20.0.5", office), ("10.20.1.5", app)):
        for each in (hub, office, app, inner):
            assert several.keep(app, ip_address(target), each) == (each == seen_as)
    assert several.keep(app, ip_address("10.11.12.11"), ip_address("10.11.12.10"))
    assert several.keep(ip_address("10.20.0.5"), inner, ip_address("10.20.0.5"))
    assert several._replace(led=()).keep(app, ip_address("10.20.0.5"), inner)
    assert not several._replace(led=()).keep(app, ip_address("10.20.0.5"), app)
