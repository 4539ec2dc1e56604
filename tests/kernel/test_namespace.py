"""Namespaces against the real kernel: one is entered for good, pinned, and left to others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.kernel import confine, namespace
from tests.kernel.stage import sh
from tests.lab import isolated


def child(call: Callable[[], object]) -> str:
    """What a forked child printed, and how it ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        try:
            call()
        except Exception as error:
            os.write(1, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


@isolated
def test_made_pinned_and_marked() -> None:
    """A new namespace is ours before it has a name: ``mark`` is told its inode when nothing is pinned yet;
    ``ip netns`` knows it by name."""
    seen: list[tuple[int, int | None]] = []
    before = namespace.inode()
    namespace.create_and_enter("ni1", lambda inode: seen.append((inode, namespace.inode("/run/netns/ni1"))))
    assert seen == [(namespace.inode(), None)]
    assert namespace.inode() != before
    assert namespace.inode("/run/netns/ni1") == namespace.inode()
    assert sh("ip netns exec ni1 readlink /proc/self/ns/net") == f"net:[{namespace.inode()}]"


@isolated
def test_after_entering_no_other_namespace_can_be_entered() -> None:
    """Once the capabilities are given up, the kernel refuses a second setns, for the process and its children;
    the work in its own namespace goes on."""
    sh("ip netns add other")

    def agent() -> None:
        namespace.create_and_enter("ni1", lambda inode: None)
        confine.become(None)
        confine.narrow(confine.AGENT)()  # for the programs that this one starts
        for path in ("/run/netns/other", "/proc/1/ns/net", "/run/netns/ni1"):
            with pytest.raises(KernelError, match=r"Operation not permitted|Permission denied"):
                namespace.enter(path)
        with pytest.raises(AssertionError, match="Operation not permitted"):
            sh("nsenter --net=/run/netns/other true")
        with pytest.raises(KernelError, match="Operation not permitted"):
            namespace.create_and_enter("ni2", lambda inode: None)
        sh(
            "ip link add bn0 type bridge; nft add table inet x; ip link add near type veth peer name far netns other"
        )
        os.write(1, b"fine")

    assert child(agent) == "fine"
    assert "far@" in sh("ip -n other -br link")


@isolated
def test_an_interrupted_pin_is_no_namespace_and_is_used_again() -> None:
    """An empty file, left by an interruption between file and mount, is no namespace, and is pinned upon."""
    Path("/run/netns/ni1").touch()
    assert namespace.inode("/run/netns/ni1") is None
    namespace.create_and_enter("ni1", lambda inode: None)
    assert namespace.inode("/run/netns/ni1") == namespace.inode()


@isolated
def test_unpinned_it_is_gone() -> None:
    """A name that is taken away, pinned once or twice, is gone; taking it away again is fine."""
    sh("ip netns add ni1")
    namespace.bind("/run/netns/ni1", "/run/netns/ni1")
    for _ in range(2):
        namespace.unpin("/run/netns/ni1")
        assert os.listdir("/run/netns") == []


@isolated
def test_what_is_no_namespace() -> None:
    """Nothing, a plain file and a namespace of another kind have no inode here, and cannot be entered."""
    assert namespace.inode("/run/nosuch") is None
    assert namespace.inode("/etc/passwd") is None
    for path, reason in (("/run/nosuch", "No such file"), ("/etc/passwd", "Invalid argument")):
        with pytest.raises(KernelError, match=reason):
            namespace.enter(path)


@isolated
def test_a_command_runs_in_the_namespace_with_its_names() -> None:
    """``exec_in`` runs a command with the links, and the ``resolv.conf``, of the namespace; a missing command
    or namespace is told."""
    sh("ip netns add ni1; ip -n ni1 link add bn0 type bridge; echo nameserver 10.10.1.1 >/run/resolv.conf")
    before = Path("/etc/resolv.conf").read_text()
    script = ["sh", "-c", "ip -br link | cut -d' ' -f1; cat /etc/resolv.conf"]
    said = child(lambda: namespace.exec_in("/run/netns/ni1", script, "/run/resolv.conf"))
    assert said.split() == ["lo", "bn0", "nameserver", "10.10.1.1"]
    assert Path("/etc/resolv.conf").read_text() == before
    assert "/bin/nosuch: No such file" in child(lambda: namespace.exec_in("/run/netns/ni1", ["/bin/nosuch"]))
    assert "/run/netns/nosuch: No such file" in child(lambda: namespace.exec_in("/run/netns/nosuch", ["ip"]))


@isolated
async def test_an_agent_dies_with_its_supervisor() -> None:
    """A process that asked for it is killed by the kernel when the one that forked it ends."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        ready, told = os.pipe()
        if os.fork() == 0:
            namespace.die_with_parent(signal.SIGKILL)
            os.write(told, b"x")
            signal.pause()
        os.read(ready, 1)
        os._exit(0)
    os.close(writer)
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(reader, over.set)  # its end: nobody is left who could write
    await asyncio.wait_for(over.wait(), 5)
    assert os.read(reader, 1) == b""
