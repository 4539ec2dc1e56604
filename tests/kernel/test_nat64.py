"""NAT64 and DNS64 with tayga and unbound themselves, and with real packets."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernel.nat64stage import (
    DNS,
    GATEWAY,
    PREFIX,
    PRIVATE,
    SERVER,
    app,
    ask,
    items,
    plug,
    program,
    ready,
    scope,
    surroundings,
)
from tests.kernel.stage import sh, stage
from tests.kernel.test_dnsmasq import kill
from tests.lab import isolated

pytestmark = [
    pytest.mark.root,  # helpers drop their groups
    pytest.mark.skipif(not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun is not there"),
]
ASKER = Path(__file__).parents[1] / "scenarios" / "asker.py"
MAPPED = f"{PREFIX}cb00:7150"
"""SERVER as applications see it."""


@isolated
async def test_reaches_ipv4() -> None:
    """An application of IPv6 alone reaches IPv4 by name and address, public and private; nobody sees its address."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope()))
            plug()
            ready()
            assert app(f"curl -gsS -m 5 http://[{MAPPED}]/") == "I am only4, you are 203.0.113.1"
            assert app(f"curl -gsS -m 5 http://[{PREFIX}{PRIVATE}]/") == "I am private, you are 203.0.113.1"
            app(f"ping -6 -c 1 -W 2 {MAPPED}")
            address = ask("only4.site")
            assert app(f"curl -gsS -m 5 http://[{address}]/") == "I am only4, you are 203.0.113.1"
        async with stage(fresh=False) as restarted:
            assert await restarted.bring(*items(scope())) == []
            assert await restarted.once(*items(scope(nat64=None))) != []
            assert "nat64" not in os.listdir("/sys/class/net")
            running = {info.name for info in restarted.system.processes.running()}
            assert running == {"dnsmasq"}


@isolated
async def test_names() -> None:
    """Names with IPv6 addresses keep them, those without get such that stand for IPv4's; what is not there is not there."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope(dns={"hosts": {"printer": ["192.168.0.9"]}})))
            plug()
            ready()
            assert ask("only4.site") == MAPPED
            assert ask("only4.site", "A") == SERVER
            assert ask("private.site") == f"{PREFIX}a01:203"
            assert ask("dual.site") == "2001:db8::80"
            assert ask("alias.site").split() == ["only4.site.", MAPPED]
            assert (ask("nobody.site", status=True), ask("nobody.site")) == ("NXDOMAIN", "")
            assert (ask("nothing.site", status=True), ask("nothing.site")) == ("NOERROR", "")
            assert sorted(ask("ipv4only.arpa").split()) == [f"{PREFIX}c000:aa", f"{PREFIX}c000:ab"]
            assert ask("printer.internal") == f"{PREFIX}c0a8:9"
            assert (
                app(f"dig +short +tries=1 +time=2 @fd00:10:1::1 -x {PREFIX}909:909").split()[-1]
                == "public.example."
            )


@isolated
async def test_path_mtu() -> None:
    """What fits passes, and the sender of one byte more is told how much does, either way: 20 bytes are the difference."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope()))
            plug()
            # The link's own MTU: as much IPv6 as the application can send, as much IPv4 as it can hear of.
            app(f"ping -6 -M do -c 1 -W 2 -s 1452 {MAPPED}")
            assert _asked(1452) == "1452 bytes"
            assert _asked(1453) == "nothing"
            assert _asked(1453) == f"error {90}"  # EMSGSIZE: the server was told
            # A port with less.
            sh("ip -n device link set eth0 mtu 1300; ip -n site link set eth0 mtu 1300")
            app(f"ping -6 -M do -c 1 -W 2 -s {1320 - 48} {MAPPED}")
            too_big = subprocess.run(
                f"ip netns exec app ping -6 -M do -c 1 -W 2 -s {1320 - 47} {MAPPED}".split(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert "Packet too big: mtu=1320" in too_big.stdout, too_big
            assert "mtu 1320" in app(f"ip -6 route get {MAPPED}")
            assert len(app(f"curl -gsS -m 5 http://[{MAPPED}]/bytes/300000")) == 300000


@isolated
async def test_fragments() -> None:
    """Datagrams larger than any packet pass both ways."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope()))
            plug()
            assert _asked(b"." * 5000) == "5000 bytes"
            sh("ip -n device link set eth0 mtu 1300; ip -n site link set eth0 mtu 1300")
            assert _asked(b"." * 5000) == "5000 bytes"


def _asked(what: int | bytes) -> str:
    sent = f"b'.' * {len(what)}" if isinstance(what, bytes) else f"b'{what}'"
    script = f"""
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.connect(("{MAPPED}", 7000))
s.send({sent})
try:
    got = s.recv(65535)
    print("error " + got.decode() if got.isdigit() else str(len(got)) + " bytes")
except TimeoutError:
    print("nothing")
"""
    Path("/run/asked.py").write_text(script)
    return app("python3 /run/asked.py")


@isolated
async def test_a_killed_translator_loses_no_flow() -> None:
    """tayga is started again when it ends, and what was under way goes on: it has nothing to remember."""
    with surroundings():
        async with stage() as agent:
            wanted = items(scope())
            await agent.bring(*wanted)
            plug()
            curl = program("app", "curl", "-gsS", "-m", "20", f"http://[{MAPPED}]/slow/1000000/3")
            (tayga,) = [info.pid for info in agent.system.processes.running() if info.name == "tayga"]
            index = Path("/sys/class/net/nat64/ifindex").read_text()
            kill(tayga)
            assert await agent.once(*wanted) == ["create process/tayga"]
            assert await agent.once(*wanted) == []
            assert Path("/sys/class/net/nat64/ifindex").read_text() == index
            body, _ = curl.communicate(timeout=20)
            assert (curl.returncode, len(body)) == (0, 1000000)


@isolated
async def test_other_servers_lose_no_question() -> None:
    """DNS servers come and go while an application asks all the time: unbound is the same, and no more questions are lost
    than are on their way to a server in the moment that it goes, whose answers dnsmasq then takes no more.
    """
    with surroundings():
        sh("ip -n site address add 203.0.113.54/24 dev eth0")
        program(
            "site",
            "sh",
            "-c",
            "sed s/203.0.113.53/203.0.113.54/ /run/site.conf >/run/two.conf; exec dnsmasq -C /run/two.conf",
        )
        async with stage() as agent:
            await agent.bring(*items(scope()))
            plug()
            ready()
            sh(
                "until dig +tries=1 +time=1 +short @203.0.113.54 only4.site | grep -q 203; do sleep 0.05; done"
            )
            (unbound,) = [info for info in agent.system.processes.running() if info.name == "unbound"]
            asker = program("app", sys.executable, "-IS", str(ASKER), GATEWAY, "n%.many.site", says="asking")
            changes = ((DNS, "203.0.113.54"), ("203.0.113.54",), (DNS,)) * 2
            for servers in changes:
                done = await agent.once(*items(scope(servers=servers)))
                assert all(op.startswith("modify file/") for op in done), done
                await asyncio.sleep(0.2)  # questions go on meanwhile
            asker.send_signal(signal.SIGINT)
            said = asker.communicate()[0].split()
            assert int(said[1]) > 100
            # At 200 questions a second a few at most are on their way while dnsmasq reads its file.
            assert int(said[3]) + int(said[5]) <= 3 * len(changes), said
            assert unbound in agent.system.processes.running()


@isolated
async def test_helpers_have_no_privileges() -> None:
    """tayga holds no capability, unbound that of its port alone, and neither can get another."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope()))
            ready()
            held = {"tayga": 0, "unbound": 1 << 10}
            for info in agent.system.processes.running():
                if info.name in held:
                    status = Path(f"/proc/{info.pid}/status").read_text()
                    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
                    assert int(fields["CapPrm"], 16) == int(fields["CapEff"], 16) == held[info.name]
                    assert fields["NoNewPrivs"] == "1"
            plug()
            assert ask("only4.site") == MAPPED


@pytest.mark.parametrize("link", ["site link set eth0", "device link set nm-agent"])
@isolated
async def test_names_are_back_after_an_outage(link: str) -> None:
    """Where nobody answered for a while, questions are asked outside as soon as somebody does: nothing is taken for dead."""
    with surroundings():
        async with stage() as agent:
            await agent.bring(*items(scope()))
            plug()
            ready()
            assert ask("a.many.site") == MAPPED
            sh(f"ip -n {link} down")
            until = time.monotonic() + 8
            number = 0
            while time.monotonic() < until:
                number += 1
                ask(f"n{number}.many.site", wait=1)
            sh(f"ip -n {link} up")
            begin = time.monotonic()
            while ask("b.many.site", wait=1) != MAPPED:
                assert time.monotonic() < begin + 4
