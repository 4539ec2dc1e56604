"""What a helper cannot do, tried from within: it has its agent's user, so that nothing but its rights is in its way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.process import Listens, Rights
from netnsmgr.kernel import landlock, syscalls
from netnsmgr.kernel.listening import listening
from tests.kernel.stage import DIRECTORY, ETC, stage
from tests.lab import isolated

OWN = f"{DIRECTORY}/own"
SAID = Path(OWN, "said")
SHELL = Rights(reads=(ETC,), writes=(OWN,), programs=True)
pytestmark = [
    pytest.mark.skipif(not landlock.abi(), reason="a kernel without Landlock"),
    pytest.mark.skipif(not syscalls.without_unix(), reason="libseccomp is missing"),
]


async def said(script: str, rights: Rights = SHELL) -> list[str]:
    """What a helper's shell says of these tries, a line each."""
    Path(ETC).mkdir(parents=True, exist_ok=True)
    Path(f"{ETC}/x.sh").write_text(f"exec >{SAID} 2>/dev/null\n{script}\n")
    async with stage() as agent:
        await agent.system.processes.run(("/bin/sh", f"{ETC}/x.sh"), rights)
    return SAID.read_text().splitlines()


@isolated
async def test_files() -> None:
    """It reads what it may read and writes what it may write, and nothing else of its own user's."""
    Path(f"{DIRECTORY}/private").mkdir(parents=True)
    Path(f"{DIRECTORY}/private/secret").write_text("secret")
    Path("/run/state").mkdir()
    tries = [
        f"cat {ETC}/x.sh",
        f"cat {DIRECTORY}/private/secret",
        f"ls {DIRECTORY}/private",
        "cat /etc/shadow",
    ]
    tries += [f"echo x >{OWN}/x", f"echo x >{ETC}/x", f"echo x >{DIRECTORY}/x", "echo x >/run/state/x"]
    tries += [f"rm {ETC}/x.sh", f"mv {OWN}/x {DIRECTORY}/y", "echo 1 >/proc/sys/net/ipv4/ip_forward"]
    script = "\n".join(f"( {each} ) >/dev/null 2>&1 && echo fine || echo refused" for each in tries)
    assert await said(script) == ["fine", *["refused"] * 3, "fine", *["refused"] * 6]


@isolated
async def test_its_agent() -> None:
    """It looks into no process of its user's, and signals none; its own children it does."""
    pid = os.getpid()
    looks = [
        f"cat /proc/{pid}/environ",
        f"readlink /proc/{pid}/fd/0",
        f"cat /proc/{pid}/mem",
        f"readlink /proc/{pid}/exe",
    ]
    script = "\n".join(f"( {each} ) >/dev/null 2>&1 && echo fine || echo refused" for each in looks)
    script += f"\nkill -0 {pid} && echo fine || echo refused\nsleep 9 & kill $! && echo fine || echo refused"
    scoped = landlock.abi() >= 6
    assert await said(script) == [*["refused"] * 4, "refused" if scoped else "fine", "fine"]


@isolated
async def test_programs() -> None:
    """Who has no use for other programs runs none, also not one that it has made itself."""
    script = f"/bin/true && echo fine || echo refused\necho '#!/bin/sh' >{OWN}/x\n{OWN}/x && echo fine || echo refused"
    none = Rights(reads=(ETC,), writes=(OWN,))
    assert await said(script, none) == ["refused", "refused"]


@isolated
async def test_sockets() -> None:
    """Who has no use for sockets of AF_UNIX gets none, but a pair of them; others do."""
    code = (
        "import socket\n"
        "def tried(call):\n"
        "    try: call()\n"
        "    except OSError as error: return error.strerror\n"
        "    return 'fine'\n"
        "print(tried(lambda: socket.socket(socket.AF_UNIX)), tried(socket.socketpair), tried(lambda: socket.socket(socket.AF_INET)))\n"
    )
    for unix, word in ((False, "Address family not supported by protocol"), (True, "fine")):
        rights = Rights(reads=(ETC,), writes=(OWN,), programs=True, python=True, unix=unix)
        (line,) = await said(f'{sys.executable} -I -c "{code}"', rights)
        assert line == f"{word} fine fine"


@isolated
async def test_capabilities() -> None:
    """It holds what its rights name and nothing else, and a program of root's user gives it nothing back."""
    show = "grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/self/status | cut -f2"
    found = await said(show, Rights(("CAP_NET_RAW",), reads=(ETC,), writes=(OWN,), programs=True))
    assert found == [f"{1 << 13:016x}"] * 3 + ["1"]
    assert await said(show) == ["0" * 16] * 3 + ["1"]


@isolated
async def test_what_cannot_be_started_says_so() -> None:
    """A program that may not be run is an error in words."""
    Path(ETC).mkdir(parents=True)
    Path(f"{ETC}/x").write_text("")
    async with stage() as agent:
        with pytest.raises(KernelError, match="Permission denied"):
            await agent.system.processes.run((f"{ETC}/x",), Rights(writes=(OWN,)))


@isolated
def test_a_socket_that_is_made_for_it() -> None:
    """It is its owner's alone, replaces what a killed helper has left, and changes no mode of other files."""
    umask = os.umask(0o022)
    path = Path("/run/door.sock")
    for _ in range(2):
        with listening(Listens(str(path), 3, "DOOR")):
            assert path.stat().st_mode & 0o777 == 0o600
            assert os.umask(0o022) == 0o022
    os.umask(umask)
