"""Kernel parameters against the real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.sysctl import Sysctl
from tests.kernel.stage import sh, stage
from tests.lab import isolated


@isolated
async def test_is_set_and_stays() -> None:
    """A parameter is set in our namespace only, again when somebody changes it, and keeps its value when it
    is no longer wanted; its verbs can be repeated."""
    forward = Sysctl("net/ipv4/ip_forward", "1")
    path = Path("/proc/sys/net/ipv4/ip_forward")
    path.write_text("0")
    async with stage() as agent:
        assert await agent.bring(forward) == ["modify sysctl/net/ipv4/ip_forward"]
        path.write_text("0")
        assert await agent.bring(forward) == ["modify sysctl/net/ipv4/ip_forward"]
        assert await agent.bring() == []
        await agent.verbs(forward, old=forward)
        assert path.read_text() == "1\n"


@isolated
async def test_values_of_several_words_are_compared_as_words() -> None:
    """The kernel separates words by tabs; we write spaces, and that is the same."""
    async with stage() as agent:
        ports = Sysctl("net/ipv4/ip_local_port_range", "20000 30000")
        assert await agent.bring(ports) == [f"modify {ports.ref}"]


@isolated
async def test_of_a_link_waits_for_it() -> None:
    """A link's parameter can be set once the link is there, also where its name has a dot, and is set again
    for a new link of the same name."""
    async with stage() as agent:
        link, sysctl = (
            ExternalLink("app1.eth0"),
            Sysctl("net/ipv4/conf/app1.eth0/rp_filter", "2", "app1.eth0"),
        )
        assert sysctl.ref in (await agent.plan(link, sysctl)).blocked
        for _ in range(2):
            sh("ip link add app1.eth0 type veth peer name far")
            assert await agent.bring(link, sysctl) == [f"modify {sysctl.ref}"]
            sh("ip link del app1.eth0")


@isolated
async def test_a_refusal_names_the_parameter() -> None:
    """What the kernel does not take is told with the parameter, the value and the reason."""
    async with stage() as agent:
        with pytest.raises(
            KernelError, match="cannot set /proc/sys/net/ipv4/ip_forward to x: Invalid argument"
        ):
            await agent.once(Sysctl("net/ipv4/ip_forward", "x"))
        with pytest.raises(KernelError, match="nosuch"):
            await agent.once(Sysctl("net/ipv4/nosuch", "1"))
