"""Nothing that is for a tunnel leaves in clear, whatever happens to it; seen on the outer half of the instance's link."""

from __future__ import annotations

import asyncio

import pytest

from netnsmgr.features.instance import frames
from netnsmgr.features.scope import InstanceScope
from tests.kernel.stage import Stage, sh, stage
from tests.kernel.vpnstage import (
    APP,
    APP6,
    CLOUD6,
    DEVICE,
    GATEWAY,
    GATEWAY6,
    INNER,
    INNER6,
    NEIGHBOUR,
    OURS,
    OUTER,
    OUTER6,
    PORT_MAP,
    SERVER,
    SERVER6,
    Capture,
    Sender,
    app,
    document,
    gets,
    isolated_long,
    items,
    program,
    put_tunnel,
    scope,
    settle,
    surroundings,
    take_tunnel,
)

pytestmark = pytest.mark.root


@isolated_long
async def test_an_application_reaches_the_tunnel_and_the_outside_reaches_the_application() -> None:
    """The same address is another host by the tunnel and by the device's port: each gets its own answers."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            of = scope(document(), [app(PORT_MAP)])
            await agent.bring(*items(of))
            settle()
            assert gets("app1", "http://10.20.0.5/") == "I am cloud, you are 10.9.0.2"
            assert gets("app1", f"http://{SERVER}/") == ""
            assert (
                gets("site", f"http://{DEVICE}:8080/", "--interface", NEIGHBOUR)
                == f"I am app, you are {NEIGHBOUR}"
            )
            assert gets("device", f"http://{APP}/", "--interface", "nm-agent") == f"I am app, you are {OUTER}"
            assert gets("app1", "http://10.20.0.5/") == "I am cloud, you are 10.9.0.2"


def moving_in(*, ipv6: bool = False) -> None:
    """Have the application take its addresses as soon as its interface is there, and send."""
    more = (
        f"ip -6 address replace {APP6}/64 dev eth0 nodad; ip -6 route replace default via {GATEWAY6}"
        if ipv6
        else ":"
    )
    program(
        "app1", "sh", "-c",
        f"until ip link set eth0 up && ip address replace {APP}/24 dev eth0 && ip route replace default via {GATEWAY};"
        f" do sleep 0.01; done; {more}",
    )  # fmt: skip


async def around(agent: Stage, of: InstanceScope) -> None:
    """Take the tunnel away and put it back, with passes of the agent at each step, and one late."""
    await asyncio.sleep(0.1)
    take_tunnel()
    await asyncio.sleep(0.1)
    await agent.once(*items(of))
    await asyncio.sleep(0.1)
    put_tunnel()
    await asyncio.sleep(0.1)
    await agent.bring(*items(of))
    await asyncio.sleep(0.1)


TARGETS = (
    "10.20.0.5#9",
    f"{SERVER}#9",
    f"{SERVER6}#9",
    f"{CLOUD6}#9",
    "255.255.255.255#9",
    "224.0.0.251#5353",
)


@pytest.mark.parametrize("rest", ["block", "direct"])
@isolated_long
async def test_nothing_leaves_in_clear_in_a_whole_life(rest: str) -> None:
    """Made, without its tunnel, with other networks, by an agent that begins anew, and deleted, while the application
    sends; of an instance that has IPv6, too, though no tunnel is for it."""
    apps = [app(PORT_MAP, ipv6=True)]
    with surroundings():
        capture = Capture()
        sender = Sender(*TARGETS)
        moving_in(ipv6=True)
        one = scope(document(ipv6=True, rest=rest), apps)
        async with stage() as agent:
            await agent.once(*items(one))
            await asyncio.sleep(0.2)
            put_tunnel()
            beyond = Capture("cloud", "far")
            await agent.bring(*items(one))
            await beyond.until(lambda each: bool(each.secret) and each.dst == "10.20.0.5", 20)
            beyond.end()
            await around(agent, one)
            for networks in (("10.20.0.0/16", "fd00:20::/64"), ("0.0.0.0/0", "::/0"), ("10.20.0.0/24",)):
                of = scope(document(networks, ipv6=True, rest=rest), apps)
                await agent.bring(*items(of))
                await around(agent, of)
        async with stage(fresh=False) as agent:
            assert await agent.once(*items(of)) == []
            if rest == "direct":
                await agent.bring(*items(scope(document(ipv6=True, rest="block"), apps)))
            await agent.once(*frames(of))
            await asyncio.sleep(0.1)
            await agent.once()
            await asyncio.sleep(0.1)
        assert sender.end() > 30
        found = capture.end()
        left = [each for each in found if each.way == "in" and each.secret]
        if rest == "block":
            assert not left, left
        else:
            assert {each.dst for each in left} == {SERVER, SERVER6, CLOUD6}
            assert {each.src for each in left} == {INNER, INNER6}
        assert not [each for each in found if each.way == "in" and each.dst.startswith("10.20.")]


@isolated_long
async def test_the_tunnel_s_own_network_does_not_leave_without_its_link() -> None:
    """With `rest: direct`, too, and where no peer has an address asked for: the link leads there while it is there."""
    with surroundings():
        capture = Capture()
        async with stage() as agent:
            await agent.once(*items(scope(document(rest="direct"), [app()])))
            settle()
            sender = Sender("10.9.0.7#9", f"{SERVER}#9")
            await capture.until(lambda each: each.way == "in" and each.dst == SERVER)
            await asyncio.sleep(0.2)
            assert sender.end() > 1
        assert not [each for each in capture.end() if each.dst.startswith("10.9.0.")]


@isolated_long
async def test_what_began_in_clear_does_not_go_on() -> None:
    """An instance gets its VPN while flows of its application go by the device's port; then it loses it again."""
    apps = [app()]
    with surroundings():
        sender = Sender("10.20.0.5#9", f"{SERVER}#9")
        moving_in()
        async with stage() as agent:
            put_tunnel()
            await agent.once(*items(scope(document(()), apps)))
            before = Capture()
            await asyncio.sleep(0.3)
            assert {each.dst for each in before.end() if each.way == "in" and each.secret} == {
                NEIGHBOUR,
                SERVER,
            }
            of = scope(document(), apps)
            done = await agent.bring(*items(of))
            assert done.index("create nft-table/inet netnsmgr_vpn") < done.index(
                "create route/10.20.0.0/24 metric 0"
            )
            capture, beyond = Capture(), Capture("cloud", "far")
            for protocol in (1, 17):
                await beyond.until(lambda each: bool(each.secret) and each.protocol == protocol, 20)  # noqa: B023
            assert not [each for each in capture.end() if each.way == "in" and each.secret]
            through = [each for each in beyond.end() if each.secret]
            assert {(each.src, each.dst, each.protocol) for each in through if each.way == "in"} == {
                (OURS, "10.20.0.5", 17),
                (OURS, "10.20.0.5", 1),
            }
            await agent.bring(*items(scope(document(()), apps)))
            after = Capture()
            for target in (NEIGHBOUR, SERVER):
                await after.until(lambda each: each.way == "in" and each.dst == target, 20)  # noqa: B023
            again = [each for each in after.end() if each.way == "in" and each.secret]
            assert {each.dst for each in again} == {NEIGHBOUR, SERVER}
            assert {each.src for each in again} == {INNER}
        sender.end()


@isolated_long
async def test_a_way_out_made_by_somebody_else_leads_nowhere() -> None:
    """Routes that an operator, or a program in the namespace, adds: neither the application's packets nor the instance's
    own leave by them; of the instance's own not even those of sockets that are bound to the device's link."""
    with surroundings():
        capture = Capture()
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(ipv6=True), [app(PORT_MAP, ipv6=True)])))
            settle(ipv6=True)
            sh(
                f"ip route add default via {OUTER} dev uplink; ip route add 10.20.0.5 via {OUTER} dev uplink;"
                f"ip -6 route add default via {OUTER6} dev uplink"
            )
            sender = Sender("10.20.0.5#9", f"{SERVER}#9", f"{SERVER6}#9")
            for target in (SERVER, SERVER6):
                sh(f"ping -c 1 -W 1 {target} || :; ping -c 1 -W 1 -I uplink {target} || :")
            sh(
                f"dig +tries=1 +time=1 @{SERVER} one.example || :; dig +tries=1 +time=1 -b {INNER} @{SERVER} one.example || :"
            )
            assert sender.end() > 10
        left = [each for each in capture.end() if each.way == "in"]
        # Neighbour discovery, and reports of multicast listeners.
        assert {each.protocol for each in left} <= {0, 58}, left
        assert not [each for each in left if each.dst in {SERVER, SERVER6, "10.20.0.5"}]
