"""The metadata service of a switch: each application is told its own, and nothing of it is seen on a port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from tests.kernel.stage import sh
from tests.kernel.switchserved import SITE, app, configure, curl, items, scope, served
from tests.lab import isolated
from tests.lab.segment import frames_of
from tests.scenarios.frames import BROADCAST, ethernet, udp4

pytestmark = pytest.mark.root  # the process changes its user
V4, V6, ON_LINK6 = "http://169.254.169.254", "http://[fd00:ec2::254]", "http://[fe80::a9fe:a9fe%25eth0]"


class Wire:
    """What passes the device's port, seen from the site."""

    def __enter__(self) -> Self:
        argv = [
            "ip",
            "netns",
            "exec",
            "site",
            "tcpdump",
            "--immediate-mode",
            "-U",
            "-n",
            "-i",
            "eth3",
            "-w",
            "/run/wire",
            # Of tcpdump's own size a ring has room for eight packets.
            "-s",
            "4096",
            "-B",
            "8192",
        ]
        self._tcpdump = subprocess.Popen([*argv, "-Z", "root"], stderr=subprocess.PIPE, text=True)
        assert self._tcpdump.stderr is not None
        for line in self._tcpdump.stderr:
            if "listening on" in line:
                break
        return self

    def __exit__(self, *_: object) -> None:
        # A frame of our own, so that all before it have been written.
        sh("ip netns exec site ping -c1 -W1 -I eth3 203.0.113.1 >/dev/null 2>&1 || true")
        self._tcpdump.send_signal(signal.SIGINT)
        self._tcpdump.wait(10)
        self.frames = frames_of(Path("/run/wire"))


@pytest.mark.bothkernels
@isolated
async def test_each_application_is_told_its_own() -> None:
    """By way of a router, on the link, and with the same address as another."""
    apps = [app(name, {"userData": f"of {name}"}) for name in ("a", "b")]
    async with served(*apps):
        for name in ("a", "b"):
            assert curl(name, f"{V4}/user-data") == f"of {name}"
        sh(f"ip -n b address flush dev eth0; ip -n b address add {SITE}.11/24 dev eth0")
        sh("ip -n b route add 169.254.169.254 dev eth0")
        for name in ("a", "b", "a"):
            assert curl(name, f"{V4}/user-data") == f"of {name}"
        found = json.loads(curl("b", f"{V4}/eve/v1/network.json"))
        assert found["caller-ip"].startswith(f"{SITE}.11:")
        (link,) = json.loads(curl("b", f"{V4}/openstack/latest/network_data.json"))["links"]
        assert link["ethernet_mac_address"] == sh("ip netns exec b cat /sys/class/net/eth0/address")


@isolated
async def test_an_application_without_an_address() -> None:
    """cloud-init asks from one of 169.254/16, before it has any other."""
    async with served(app("a", {"userData": "first"})):
        sh("ip -n a address flush dev eth0; ip -n a address add 169.254.7.7/16 dev eth0")
        assert curl("a", f"{V4}/user-data") == "first"


@pytest.mark.bothkernels
@isolated
async def test_ipv6() -> None:
    """At the address behind the router, and at the one on the link, whose neighbour solicitation the rules answer."""
    async with served(app("a", {"userData": "six"})):
        sh("""
        ip netns exec a sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
        ip -n a address add fe80::a/64 dev eth0 nodad
        ip -n a address add 2001:db8::a/64 dev eth0 nodad
        ip -n a neighbour add fe80::1 lladdr 02:00:00:00:00:99 dev eth0
        ip -n a -6 route add default via fe80::1 dev eth0
        """)
        assert curl("a", f"{V6}/user-data") == "six"
        assert curl("a", f"{ON_LINK6}/user-data") == "six"
        assert json.loads(curl("a", f"{V6}/eve/v1/network.json"))["caller-ip"].startswith("[2001:db8::a]:")
        assert "02:" in sh("ip -n a neighbour show fe80::a9fe:a9fe dev eth0")


@isolated
async def test_who_asks_while_nobody_answers_is_refused_at_once() -> None:
    async with served(app("a")) as (agent, of):
        (info,) = [info for info in agent.system.processes.running() if info.name == "metadata"]
        os.kill(info.pid, signal.SIGKILL)
        argv = ["ip", "netns", "exec", "a", "curl", "-sS", "-m5", V4]
        for _ in range(100):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode == 7:
                break
        assert done.returncode == 7, done
        assert await agent.bring(*items(of)) == ["create process/metadata"]
        assert curl("a", f"{V4}/eve/v1/hostname") == "a\n"


@isolated
async def test_nothing_of_it_on_the_port() -> None:
    """Nor on another application's interface; also of what is not for the service but for its addresses."""
    with_data = [app(name, {"userData": f"of {name}"}) for name in ("a", "b")]
    async with served(*with_data):
        with Wire() as wire:
            sh("ip -n a route add 169.254.169.254 dev eth0")
            for name in ("a", "b", "a"):
                assert curl(name, f"{V4}/user-data") == f"of {name}"
            sh("ip netns exec a curl -sm1 http://169.254.169.254:81/ || true")
            sh("ip netns exec a ping -c1 -W1 169.254.169.254 || true")
        kept = [frame for frame in wire.frames if b"\xa9\xfe\xa9\xfe" in frame]
        assert kept == []
        assert len(wire.frames) > 0


@isolated
async def test_what_is_tagged_is_left_alone() -> None:
    """A frame of a VLAN goes where it goes; the service is for those without a tag."""
    async with served(app("a")):
        mac = sh("ip netns exec a cat /sys/class/net/eth0/address")
        packet = udp4("10.0.0.1", 1, "169.254.169.254", 80, "tagged request")
        frame = ethernet(BROADCAST, mac, 0x8100, b"\x00\x64\x08\x00" + packet)
        script = f"import socket; s=socket.socket(17,3); s.bind(('eth0',0)); s.send(bytes.fromhex('{frame.hex()}'))"
        with Wire() as wire:
            sh(f'ip netns exec a {sys.executable} -c "{script}"')
        assert any(b"tagged request" in frame for frame in wire.frames)


@isolated
async def test_joining_and_leaving() -> None:
    """The process stays; who has left is no more; without applications there is nothing of it."""
    both = [app(name, {"userData": f"of {name}"}) for name in ("a", "b")]
    async with served(*both) as (agent, _):
        before = [info.pid for info in agent.system.processes.running()]
        await agent.bring(*items(scope(both[0])))
        assert curl("a", f"{V4}/user-data") == "of a"
        assert [info.pid for info in agent.system.processes.running()] == before
        await agent.bring(*items(scope(*both)))
        configure("b", 2)
        assert curl("b", f"{V4}/user-data") == "of b"
        assert [info.pid for info in agent.system.processes.running()] == before
        await agent.bring(*items(scope()))
        assert agent.system.processes.running() == []
        assert "metadata" not in sh("ip link; nft list tables; ip route; ip -6 route")


@isolated
async def test_a_foreign_hand_is_noticed() -> None:
    """Rules that somebody changed, or a pair that somebody deleted, are made again."""
    async with served(app("a", {"userData": "here"})) as (agent, of):
        sh("nft flush chain netdev netnsmgr_metadata_a.eth0 answer")
        assert await agent.bring(*items(of)) == ["modify nft-table/netdev netnsmgr_metadata_a.eth0"]
        assert curl("a", f"{V4}/user-data") == "here"
        sh("ip link delete metadata")
        assert "create link/metadata" in await agent.bring(*items(of))
        assert curl("a", f"{V4}/user-data") == "here"
