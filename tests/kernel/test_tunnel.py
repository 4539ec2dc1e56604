"""WireGuard interfaces that are born here and moved into an instance's namespace, against the real kernel."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.core.item import Item
from netnsmgr.core.linkname import birth_name
from netnsmgr.errors import KernelError
from netnsmgr.features.vpn.tunnel import PROGRAM, QUIET, SOCKETS
from netnsmgr.items.link import ExternalNetns
from netnsmgr.items.process import Listens, Process, Rights
from netnsmgr.items.tunnel import GO, KERNEL, Tunnel
from netnsmgr.kernel import places
from netnsmgr.kernel.far_links import FarWatch
from netnsmgr.kernel.namespace import inode
from netnsmgr.kernel.wireguard_go import READY_SECONDS
from tests.kernel.stage import DIRECTORY, ETC, Stage, sh, stage
from tests.lab import isolated
from tests.lab.patience import patient

NI = ExternalNetns("ni4", "/run/netns/ni4")
MANY = int(os.environ.get("TUNNELS", "25"))
BIRTH = birth_name("ni4", "wg0")
SOCKET = Path(f"/var/run/wireguard/{BIRTH}.sock")


def wanted(name: str = "wg0", instance: str = "ni4") -> list[Item]:
    places.lend(None)  # the supervisor does that
    birth = birth_name(instance, name)
    own = f"{ETC}/{birth}.{inode()}.1.conf"
    rights = Rights(
        ("CAP_NET_ADMIN",),
        writes=(f"{DIRECTORY}/{PROGRAM}", SOCKETS, "/dev/net/tun"),
        unix=True,
        listens=Listens(f"{SOCKETS}/{birth}.sock", 0, "WG_UAPI_FD"),
    )
    return [
        ExternalNetns(instance, f"/run/netns/{instance}"),
        Tunnel(birth, instance, f"/run/netns/{instance}", name, GO),
        Process(birth, (own, "-f", birth), stays=True, executable=PROGRAM, env=QUIET, rights=rights),
    ]


def link(name: str, netns: str) -> dict[str, Any]:
    """What ``ip`` says of a link."""
    (found,) = json.loads(sh(f"ip -n {netns} -d -j link show dev {name}"))
    assert isinstance(found, dict)
    return found


def pid(agent: Stage) -> int:
    """The process of the tunnel."""
    (found,) = (info.pid for info in agent.system.processes.running() if info.name == BIRTH)
    return found


async def ended(number: int) -> None:
    """Wait until a process has ended."""
    over = asyncio.Event()
    try:
        pidfd = os.pidfd_open(number)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(pidfd, over.set)
    await asyncio.wait_for(over.wait(), patient(5))
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


async def settled(agent: Stage, *items: Item) -> list[str]:
    """Pass after pass until nothing is left to do; what was done."""
    done: list[str] = []
    async with asyncio.timeout(25):
        while True:
            try:
                if not (now := await agent.once(*items)):
                    return done
                done += now
            except KernelError as error:
                done.append(str(error))


@isolated
async def test_is_born_here_and_lives_there() -> None:
    """The second plan is empty; the link is down there under its name, its socket opens here, and all of it goes."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(*wanted()) == [f"create process/{BIRTH}", f"create tunnel/{BIRTH}"]
        there = link("wg0", "ni4")
        assert there["ifalias"] == "netnsmgr:ni4.wg0"
        assert "UP" not in there["flags"]
        assert stat.S_IMODE(SOCKET.parent.stat().st_mode) == 0o711
        assert stat.S_IMODE(SOCKET.stat().st_mode) == 0o600
        sh(f"wg genkey | wg set {BIRTH} private-key /dev/stdin listen-port 51820; ip -n ni4 link set wg0 up")
        assert ":51820" in sh("ss -Hlun")
        assert ":51820" not in sh("ip netns exec ni4 ss -Hlun")
        assert await agent.bring(NI) == [f"delete process/{BIRTH}"]
        assert "wg0" not in sh("ip -n ni4 link")
        assert not SOCKET.exists()


@isolated
async def test_a_restarted_agent_finds_it() -> None:
    """It is known by name, kind and alias in the other namespace: nothing is done, and its process goes on."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*wanted())
        before, index = pid(agent), link("wg0", "ni4")["ifindex"]
    async with stage(owns_namespace=False, fresh=False) as agent:
        assert await agent.bring(*wanted()) == []
        assert (pid(agent), link("wg0", "ni4")["ifindex"]) == (before, index)


@isolated
async def test_killed_it_is_there_again() -> None:
    """kill -9 takes the link and leaves the socket's file; the agent hears of it, starts another and moves its link."""
    sh("ip netns add ni4")
    changed = asyncio.Event()
    async with stage(owns_namespace=False, changed=changed.set) as agent:
        await agent.bring(*wanted())
        for _ in range(3):
            changed.clear()
            os.kill(pid(agent), signal.SIGKILL)
            await asyncio.wait_for(changed.wait(), patient(5))
            assert SOCKET.exists()
            await settled(agent, *wanted())
            sh(f"wg set {BIRTH} listen-port 51820")
            assert link("wg0", "ni4")["ifalias"] == "netnsmgr:ni4.wg0"


@isolated
async def test_killed_and_not_wanted_any_more() -> None:
    """The file that its socket leaves goes, and so does that of a predecessor's; not one where somebody answers."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*wanted())
        os.kill(number := pid(agent), signal.SIGKILL)
        await ended(number)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{SOCKET.parent}/nmw-other.sock")
        other.listen()
        (SOCKET.parent / "wg9.sock").touch()
        async with stage(owns_namespace=False, fresh=False) as agent:
            await settled(agent, NI)
            assert {entry.name for entry in SOCKET.parent.iterdir()} == {"nmw-other.sock", "wg9.sock"}


@isolated
async def test_the_agent_is_killed_between_birth_and_move() -> None:
    """The next one adopts the process and moves what it has made; or ends it, if nobody wants it now."""
    sh("ip netns add ni4")
    _, _, process = wanted()
    for items in (wanted(), [NI]):
        async with stage(owns_namespace=False) as agent:
            assert isinstance(process, Process)
            await process.create(agent.system)
            await agent.system.wireguard_go.ready(BIRTH)
            assert BIRTH in sh("ip link")
        async with stage(owns_namespace=False, fresh=False) as agent:
            await settled(agent, *items)
            assert BIRTH not in sh("ip link")
            assert ("wg0" in sh("ip -n ni4 link")) == (items != [NI])
            await settled(agent, NI)


@isolated
async def test_the_namespace_is_made_anew() -> None:
    """The old link goes with the old namespace, or stays in it while somebody holds it: the new one gets another."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*wanted())
        holder = os.open("/run/netns/ni4", os.O_RDONLY)
        sh("ip netns del ni4; ip netns add ni4")
        done = await settled(agent, *wanted())
        assert "its link had gone elsewhere; another one is made" in done
        index = link("wg0", "ni4")["ifindex"]
        os.close(holder)
        assert await settled(agent, *wanted()) == []
        assert link("wg0", "ni4")["ifindex"] == index
        # And with nobody to hold it.
        sh("ip netns del ni4; ip netns add ni4")
        await settled(agent, *wanted())
        assert link("wg0", "ni4")["ifalias"] == "netnsmgr:ni4.wg0"


@isolated
async def test_somebody_removes_the_link() -> None:
    """wireguard-go ends with its link; both come again."""
    sh("ip netns add ni4")
    changed = asyncio.Event()
    async with stage(owns_namespace=False, changed=changed.set) as agent:
        await agent.bring(*wanted())
        changed.clear()
        sh("ip -n ni4 link del wg0")
        await asyncio.wait_for(changed.wait(), patient(5))
        await settled(agent, *wanted())
        assert link("wg0", "ni4")["ifalias"] == "netnsmgr:ni4.wg0"


@isolated
async def test_the_name_is_taken_there() -> None:
    """Somebody else's link stays, and it is said which it is and where."""
    sh("ip netns add ni4; ip netns set ni4 auto; ip -n ni4 link add wg0 type bridge")
    async with stage(owns_namespace=False) as agent:
        with pytest.raises(
            KernelError,
            match="ni4 has a link wg0 already, which is not netnsmgr's: rename or remove it there",
        ):
            await agent.once(*wanted())
        assert link("wg0", "ni4")["linkinfo"]["info_kind"] == "bridge"
        sh("ip -n ni4 link del wg0")
        assert await agent.bring(*wanted()) == [f"create tunnel/{BIRTH}"]


@isolated
async def test_a_program_that_ends_says_why() -> None:
    """Its own words are told when it does not come up a second time; nobody waits for its socket meanwhile."""
    sh("ip netns add ni4; mkdir -p /run/empty; mount --bind /run/empty /dev/net")
    async with stage(owns_namespace=False) as agent:
        begin = time.monotonic()
        for expected in ("has ended|ended right after", "wireguard-go: .*/dev/net/tun does not exist"):
            with pytest.raises(KernelError, match=expected):
                await agent.once(*wanted())
        assert time.monotonic() - begin < READY_SECONDS


@isolated
async def test_renamed_it_is_another_one() -> None:
    """A tunnel with another name is born under another; the first one goes."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*wanted())
        await settled(agent, *wanted("wg1"))
        assert "wg0" not in (links := sh("ip -n ni4 link"))
        assert "wg1" in links


@isolated
async def test_many_at_once() -> None:
    """All of them are there after one pass, and the agent has needed no inotify instance to wait for them.

    Not a hundred: each process has one, and of a user there are at most 128 on the whole machine.
    """
    names = [f"n{n}" for n in range(MANY)]
    sh("".join(f"ip netns add {name};" for name in names))
    items = [item for name in names for item in wanted("wg0", name)]
    async with stage(owns_namespace=False) as agent:
        begin = time.monotonic()
        await agent.once(*items)
        made = time.monotonic()
        assert await agent.once(*items) == []
        print(f"made in {made - begin:.2f} s, looked at in {time.monotonic() - made:.3f} s")
        assert all("wg0" in sh(f"ip -n {name} link") for name in names)


@isolated
async def test_one_that_goes_is_heard_of() -> None:
    """Of a link in another namespace that somebody removes, if it has a tunnel's name; renamed or moved it is no news."""
    sh("ip netns add ni4; ip netns set ni4 auto; ip netns add ni5; ip netns set ni5 auto")
    watch, heard = FarWatch(), asyncio.Event()
    watch.follow({"wg0"}, heard.set)
    sh(
        "ip -n ni4 link add wg1 type bridge; ip -n ni4 link del wg1; ip link add wg0 type bridge; ip -n ni5 link add wg0 type bridge"
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heard.wait(), 0.2)
    sh("ip -n ni5 link del wg0")
    await asyncio.wait_for(heard.wait(), patient(5))
    heard.clear()
    watch.follow((), heard.set)
    sh("ip link del wg0")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heard.wait(), 0.2)
    watch.close()


@pytest.mark.fullkernel
@isolated
async def test_of_the_kernel() -> None:
    """By the kernel no process runs; whatever was reached when an agent ended, the next one goes on, or takes it away."""
    sh("ip netns add ni4")
    items: list[Item] = [NI, Tunnel(BIRTH, "ni4", "/run/netns/ni4", "wg0", KERNEL)]
    watch, heard = FarWatch(), asyncio.Event()
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(*items) == [f"create tunnel/{BIRTH}"]
        there = link("wg0", "ni4")
        assert (there["ifalias"], there["linkinfo"]["info_kind"]) == ("netnsmgr:ni4.wg0", "wireguard")
        sh(
            "wg genkey | ip netns exec ni4 wg set wg0 private-key /proc/self/fd/0 listen-port 51820; ip -n ni4 link set wg0 up"
        )
        assert ":51820" in sh("ss -Hlun")
        assert ":51820" not in sh("ip netns exec ni4 ss -Hlun")
        watch.follow({"wg0"}, heard.set)
        sh("ip -n ni4 link del wg0")
        async with asyncio.timeout(patient(5)):
            await heard.wait()
        assert await agent.bring(*items) == [f"create tunnel/{BIRTH}"]
        await items[1].delete(agent.system)  # type: ignore[attr-defined]
        assert "wg0" not in sh("ip -n ni4 link")
    for wants, left in ((items, [f"create tunnel/{BIRTH}"]), ([NI], [f"delete tunnel/{BIRTH}"])):
        sh(f"ip link add {BIRTH} type wireguard; ip -n ni4 link del wg0 2>/dev/null || true")
        async with stage(owns_namespace=False, fresh=False) as agent:
            assert await agent.bring(*wants) == left
            assert BIRTH not in sh("ip link")
    assert not SOCKET.parent.exists()
    sh("ip -n ni4 link add wg0 type bridge")
    async with stage(owns_namespace=False) as agent:
        with pytest.raises(KernelError, match="ni4 has a link wg0 already"):
            await agent.once(*items)
