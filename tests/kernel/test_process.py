"""Helper programs: started, found again, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from netnsmgr.core.item import Item
from netnsmgr.errors import KernelError
from netnsmgr.items.file import Directory, File
from netnsmgr.items.process import Process
from netnsmgr.kernel import processes
from netnsmgr.kernel.namespace import inode
from netnsmgr.kernel.proc import argv_of
from tests.kernel import helper
from tests.kernel.helper import pid
from tests.kernel.stage import ETC, Stage, stage
from tests.lab import isolated

REF = "process/helper"


async def once(agent: Stage, *wanted: Item) -> list[str]:
    """One pass, without the configuration files, which are no items here."""
    found = await agent.observe(*wanted)
    refs = {item.ref for item in wanted}
    kept = [item for ref, item in found.items() if isinstance(item, File | Directory) and ref not in refs]
    return await agent.once(*wanted, *kept)


async def ended(number: int) -> None:
    """Wait until a process has ended."""
    over = asyncio.Event()
    try:
        pidfd = os.pidfd_open(number)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(pidfd, over.set)
    await asyncio.wait_for(over.wait(), 5)
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


@isolated
async def test_is_started_and_stopped() -> None:
    """A helper is started once, outlives its starter as a process of its own, and is ended when nobody wants it."""
    helper.install()
    async with stage() as agent:
        wanted = helper.helper()
        assert await once(agent, wanted) == [f"create {REF}"]
        assert await once(agent, wanted) == []
        number = pid()
        assert os.getsid(number) != os.getsid(0)
        assert await once(agent) == [f"delete {REF}"]
        assert not argv_of(number)


@isolated
async def test_verbs_can_be_repeated() -> None:
    """Starting a helper that runs starts no second one, and stopping one that has ended is done already."""
    helper.install()
    async with stage() as agent:
        wanted = helper.helper()
        await wanted.create(agent.system)
        number = pid()
        await wanted.create(agent.system)
        assert pid() == number
        for _ in range(2):
            await wanted.delete(agent.system)


@isolated
async def test_with_another_configuration_it_is_replaced() -> None:
    """A helper whose vector differs is ended before its successor starts."""
    helper.install()
    async with stage() as agent:
        await once(agent, helper.helper("0"))
        first = pid()
        assert await once(agent, helper.helper("1")) == [f"delete {REF}", f"create {REF}"]
        assert pid() != first
        assert not argv_of(first)


@isolated
async def test_is_adopted_by_a_restarted_agent() -> None:
    """A new agent finds the helper by its vector, leaves it running, notices its end, and can end it."""
    helper.install()
    wanted = helper.helper()
    async with stage() as agent:
        await once(agent, wanted)
    number = pid()
    changed = asyncio.Event()
    async with stage(fresh=False, changed=changed.set) as restarted:
        assert await once(restarted, wanted) == []
        os.kill(number, signal.SIGKILL)
        await asyncio.wait_for(changed.wait(), 5)
        assert await once(restarted, wanted) == [f"create {REF}"]
    async with stage(fresh=False) as again:
        assert await once(again) == [f"delete {REF}"]


@isolated
async def test_of_several_with_one_vector_the_parent_is_adopted() -> None:
    """dnsmasq forks a child for each TCP query, with its own vector: a restarted agent takes the parent."""
    helper.install()
    wanted = helper.helper(text="forking")
    async with stage() as agent:
        await once(agent, wanted)
    family = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    assert [argv_of(number) for number in family].count(wanted.argv) > 1
    async with stage(fresh=False) as restarted:
        (info,) = restarted.system.processes.running()
        assert info.pid == pid()


@isolated
async def test_of_another_namespace_it_is_not_adopted() -> None:
    """The helper of an earlier namespace, whose files had the same path but its inode, is none of ours."""
    helper.install()
    earlier = helper.helper(number=4026500000)
    async with stage() as agent:
        await agent.system.processes.run(earlier.argv, helper.RIGHTS)
    async with stage(fresh=False) as restarted:
        assert list(restarted.system.processes.running()) == []
        assert argv_of(pid())


@isolated
async def test_of_an_application_it_is_not_adopted() -> None:
    """A process in a container may give itself the vector of a helper, but nobody takes it for one."""
    Path(ETC).mkdir(parents=True)
    argument = f"{ETC}/helper.{inode()}.0.conf"
    container = await asyncio.create_subprocess_exec(
        "unshare", "--pid", "--fork", "--kill-child", "sh", "-c", 'exec sh -c "echo; sleep 60; :" "$VECTOR"',
        env=os.environ | {"VECTOR": argument}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert container.stdout is not None
    await container.stdout.readline()
    async with stage(fresh=False) as restarted:
        assert any(argument in (argv_of(int(n)) or ()) for n in os.listdir("/proc") if n.isdigit())
        assert list(restarted.system.processes.running()) == []
        processes.end_all(ETC, inode() or 0, 0)
    container.kill()
    assert await container.wait() == -signal.SIGKILL


@isolated
async def test_one_for_a_link_with_a_dot_in_its_name() -> None:
    """The DHCP client of a VLAN is named after it, and is known again like any other."""
    Path(ETC).mkdir(parents=True)
    script = f"{ETC}/udhcpc-eth0.100.{inode()}.0.sh"
    Path(script).write_text("echo runs >/run/runs; sleep 60; :\n")
    os.mkfifo("/run/runs")
    client = Process("udhcpc-eth0.100", ("/bin/sh", script), stays=True, rights=helper.RIGHTS)
    async with stage() as agent:
        assert await once(agent, client) == [f"create {client.ref}"]
        assert await asyncio.to_thread(Path("/run/runs").read_text) == "runs\n"
    async with stage(fresh=False) as restarted:
        assert await once(restarted) == [f"delete {client.ref}"]


@isolated
async def test_one_that_stays_runs_before_its_vector_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the vector of a program that was just started is still empty: that is no end."""
    Path(ETC).mkdir(parents=True)
    script = f"{ETC}/client.{inode()}.0.sh"
    Path(script).write_text("sleep 60; :\n")
    client = Process("client", ("/bin/sh", script), stays=True, rights=helper.RIGHTS)
    async with stage() as agent:
        monkeypatch.setattr(processes, "argv_of", lambda number: None)
        assert await once(agent, client) == [f"create {client.ref}"]
        assert await once(agent, client) == []
        assert await once(agent) == [f"delete {client.ref}"]


@isolated
async def test_its_end_is_noticed() -> None:
    """When a helper ends by itself, somebody is told, and it is started again."""
    helper.install()
    changed = asyncio.Event()
    async with stage(changed=changed.set) as agent:
        wanted = helper.helper()
        await once(agent, wanted)
        changed.clear()
        first = pid()
        os.kill(first, signal.SIGTERM)
        await asyncio.wait_for(changed.wait(), 5)
        assert await once(agent, wanted) == [f"create {REF}"]
        assert pid() != first


@isolated
async def test_one_that_does_not_listen_is_killed() -> None:
    """A helper that ignores the request to end is killed after a while."""
    helper.install()
    processes.STOP_SECONDS = 0.1
    async with stage() as agent:
        await once(agent, helper.helper(text="stubborn"))
        assert await once(agent) == [f"delete {REF}"]
        await ended(pid())


@isolated
async def test_its_refusal_is_told_in_its_own_words() -> None:
    """A helper that does not start fails with what it said; one that is not installed says how to get it."""
    helper.install()
    async with stage() as agent:
        wanted = helper.helper(text="bad")
        with pytest.raises(KernelError, match=f"bad option in {wanted.argv[2]}"):
            await once(agent, wanted)
        with pytest.raises(KernelError, match=r"/bin/nosuch is not installed .netnsmgr doctor"):
            await once(agent, Process("helper", ("/bin/nosuch", wanted.argv[2])))


@isolated
async def test_a_changed_file_makes_it_read_again() -> None:
    """SIGHUP reaches the helper that a file names when the file is made, changed and removed, and only then."""
    helper.install()
    async with stage() as agent:
        wanted = helper.helper()
        servers = File(f"{ETC}/servers", "", reload="helper")
        await once(agent, wanted, Directory(ETC))
        for text in ("one", "two"):
            changed = File(servers.path, text, reload="helper")
            assert len(await once(agent, wanted, changed)) == 1
            assert await helper.heard() == "HUP\n"
            assert await once(agent, wanted, changed) == []
        await servers.delete(agent.system)
        assert await helper.heard() == "HUP\n"


@isolated
async def test_one_that_lingers_goes_on_for_a_while() -> None:
    """It is gone for its agent at once, is taken up again if it is wanted meanwhile, and ends with its time or agent."""
    helper.install()
    wanted = replace(helper.helper(), lingers=2.0)
    async with stage() as agent:
        await once(agent, wanted)
        number = pid()
        await wanted.delete(agent.system)
        assert await once(agent) == []
        assert argv_of(number)
        assert await once(agent, wanted) == [f"create {REF}"]
        assert pid() == number
        await wanted.delete(agent.system)
        await ended(number)
        await once(agent, wanted)
        number = pid()
        await replace(wanted, lingers=100.0).delete(agent.system)
        assert argv_of(number)
    await ended(number)
