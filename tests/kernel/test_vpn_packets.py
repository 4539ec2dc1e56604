"""Packets of an instance with a tunnel that are nobody's ordinary ones: forged, too long, errors, and who is asked for names."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.kernel.stage import sh, stage
from tests.kernel.vpnstage import (
    APP,
    DEVICE,
    GATEWAY,
    INNER,
    MTU,
    NEIGHBOUR,
    OURS,
    OUTER,
    PORT_MAP,
    SERVER,
    Capture,
    app,
    ask,
    by,
    document,
    forged,
    gets,
    isolated_long,
    items,
    names,
    put_tunnel,
    scope,
    settle,
    surroundings,
    take_tunnel,
)

pytestmark = pytest.mark.root


@isolated_long
async def test_nobody_outside_answers_for_the_tunnel_and_nobody_beyond_it_is_the_device() -> None:
    """Packets with forged senders come to no application: by the device's link with an address of the tunnel's network,
    from the tunnel with one of the device, of the instance or of an application, also where a flow waits for an answer."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(("0.0.0.0/0",), nat=False), [app()])))
            settle()
            # The flow that an answer would belong to.
            by("app1", "bash -c 'exec 3<>/dev/udp/10.20.0.5/9; echo x >&3'")
            heard = Capture("app1", "eth0")
            for target in (APP, INNER):
                forged("device", "nm-agent", "10.20.0.5", target)
                forged("device", "nm-agent", "10.99.0.1", target)
            for source in (OUTER, INNER, GATEWAY, "10.11.12.20", APP, "169.254.169.254", "127.0.0.1"):
                forged("cloud", "far", source, APP)
            forged("cloud", "far", "10.20.0.5", INNER)
            forged("cloud", "far", "10.20.0.7", APP)
            await heard.until(lambda each: each.src == "10.20.0.7")
            came = {each.src for each in heard.end() if each.way == "in" and each.secret}
            assert came == {"10.20.0.7"}


@isolated_long
async def test_an_application_that_poses_as_others_has_nobody_answer_outside() -> None:
    """Without anti-spoofing it may say that it is somebody in the tunnel's network, or the device: neither the instance nor
    another application answers that by the device's link, also where a port map would."""
    with surroundings():
        capture = Capture()
        async with stage() as agent:
            put_tunnel()
            posing = app(PORT_MAP)
            posing["spec"]["interfaces"][0]["antiSpoofing"] = False
            await agent.bring(*items(scope(document(), [posing])))
            settle()
            by("app1", "ip address add 10.20.0.9/32 dev lo")
            by("app1", f"ip address add {OUTER}/32 dev lo")
            for source in ("10.20.0.9", OUTER):
                for target in (INNER, GATEWAY):
                    by("app1", f"sh -c 'ping -c 1 -W 1 -I {source} {target} || :'")
            by("app1", f"ping -c 1 -W 5 {GATEWAY}")
            assert gets("app1", "http://10.20.0.5/") == "I am cloud, you are 10.9.0.2"
        assert not [each for each in capture.end() if each.way == "in" and each.protocol == 1]


@isolated_long
async def test_errors_go_where_they_belong() -> None:
    """What the instance itself has to say of a flow from outside leaves by the device's link, of one into the tunnel comes
    to the application; both with the other end in the tunnel's network, also where marks are reflected."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(("10.20.0.0/24",)), [app(PORT_MAP)])))
            settle()
            sh("sysctl -qw net.ipv4.fwmark_reflect=1")
            outside, beyond, inside = Capture(), Capture("cloud", "far"), Capture("app1", "eth0")
            connect = "import socket;s=socket.socket();s.bind((%r,0));s.setsockopt(0,2,2);s.settimeout(.3);s.connect((%r,8080))"
            subprocess.run(
                ["ip", "netns", "exec", "site", "python3", "-c", connect % (NEIGHBOUR, DEVICE)],
                check=False,
                stderr=-3,
            )
            by("app1", "sh -c 'ping -c 1 -W 1 -t 1 10.20.0.5 || :'")
            await outside.until(lambda each: each.protocol == 1)
            await inside.until(lambda each: (each.protocol, each.src) == (1, GATEWAY))
            errors = [(each.dst, each.src) for each in outside.end() if each.protocol == 1]
            assert errors == [(NEIGHBOUR, INNER)]
            assert (APP, GATEWAY) in [(each.dst, each.src) for each in inside.end() if each.protocol == 1]
            assert not [
                each for each in beyond.end() if each.protocol == 1 and each.way == "in" and each.port != 8
            ]


@isolated_long
async def test_packets_of_exactly_the_size_pass_and_of_one_byte_more_are_told() -> None:
    """That may not be fragmented, there and back; TCP does not even try, in either direction."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(), [app()])))
            settle()
            ping = "sh -c 'ping -M do -c 1 -W 1 -s {size} 10.20.0.5; :'"
            assert "1 received" in by("app1", ping.format(size=MTU - 28))
            assert f"mtu = {MTU}" in by("app1", ping.format(size=MTU - 27) + " 2>&1")
            sh(
                "ip -n cloud link set far mtu 1500; ip -n cloud route add 10.9.0.2/32 dev far mtu lock 1500 || :"
            )
            sizes = by(
                "app1",
                "python3 -c \"import socket;s=socket.create_connection(('10.20.0.5',80));print(s.getsockopt(6,2))\"",
            )
            assert int(sizes) in {MTU - 40, MTU - 52}


@isolated_long
async def test_an_application_reaches_a_port_map_of_its_own_and_its_metadata() -> None:
    """Around the tunnel where `rest` lets it; marks of metadata's connections are no ways."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(rest="direct"), [app(PORT_MAP)])))
            settle()
            assert gets("app1", "http://203.0.113.1:8080/") == f"I am app, you are {OUTER}"
            assert gets("app1", f"http://{SERVER}/") == "I am server, you are 203.0.113.1"
            url = "http://169.254.169.254/eve/v1/network.json"
            # The service is a process that may still be starting.
            told = by(
                "app1", f"timeout 20 sh -c 'until curl -fsS -m 5 {url} 2>/dev/null; do sleep 0.05; done'"
            )
            assert json.loads(told)["hostname"] == "app1"


@isolated_long
async def test_names_are_asked_for_through_the_tunnel_or_not_at_all() -> None:
    """The servers of the device's ports are not asked, nor is one by another way while the tunnel is away."""
    servers = ("10.20.0.53",)
    with surroundings():
        sh(
            f"ip -n site address add 10.20.0.53/24 dev eth0; ip -n device route add 10.20.0.53 dev eth0 src {DEVICE}"
        )
        running = [
            names("cloud", "10.20.0.53", answer="192.0.2.1"),
            names("site", SERVER, "10.20.0.53", answer="192.0.2.66"),
        ]
        capture = Capture()
        async with stage() as agent:
            put_tunnel()
            of = scope(document(dns=servers, rest="direct"), [app()])
            await agent.bring(*items(of))
            settle()
            assert ask("one.example") == "192.0.2.1"
            take_tunnel()
            assert ask("two.example") == ""
            await agent.once(*items(of))
            assert ask("three.example") == ""
            put_tunnel()
            await agent.bring(*items(of))
            assert ask("four.example") == "192.0.2.1"
            # None that would be behind a tunnel: nobody is asked.
            await agent.bring(*items(scope(document(), [app()])))
            assert ask("five.example") == ""
            # A tunnel in which the instance has no address: the subnet's own is what the other end knows.
            without = document(("0.0.0.0/0",), dns=servers)
            del without["spec"]["vpn"]["wireguard"]["tunnels"][0]["addresses"]
            await agent.bring(*items(scope(without, [app()])))
            beyond = Capture("cloud", "far")
            assert ask("six.example") == "192.0.2.1"
            assert {each.src for each in beyond.end() if each.port == 53 and each.way == "in"} == {GATEWAY}
            assert not [each for each in capture.end() if each.port == 53 or each.dst == "10.20.0.53"]
            capture = Capture()
            wanted = document(("0.0.0.0/0",))
            wanted["spec"]["vpn"]["dns"] = "direct"
            await agent.bring(*items(scope(wanted, [app()])))
            assert ask("seven.example") == "192.0.2.66"
            assert {
                (each.src, each.dst) for each in capture.end() if each.way == "in" and each.port == 53
            } == {(INNER, SERVER)}
        for each in running:
            each.kill()


@isolated_long
async def test_a_tunnel_s_other_end_finds_applications_and_the_instance() -> None:
    """It may ask whether the instance is there, and what the application's list lets in; nothing else."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(nat=False), [app()])))
            settle()
            by("cloud", f"ping -c 1 -W 1 {OURS}")
            assert (
                gets("cloud", f"http://{APP}/", "--interface", "10.20.0.5") == "I am app, you are 10.20.0.5"
            )
            assert gets("cloud", f"http://{OURS}:80/", seconds=0.5) == ""
            await agent.bring(*items(scope(document(nat=False), [app([{"id": 1, "action": "drop"}])])))
            assert gets("cloud", f"http://{APP}/", "--interface", "10.20.0.5", seconds=0.5) == ""
