"""What a confined process can still do, by trying it: in children that end with the test."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from netnsmgr.kernel import confine, landlock, syscalls

pytestmark = pytest.mark.root

SOMEBODY = 1_900_012_345
FILTER = syscalls.program()
HELD = 1 << 10 | 1 << 12 | 1 << 13
SYSTEM = ["/usr", "/lib", "/lib64", "/bin", "/proc"]


def in_child(work: Callable[[], None]) -> None:
    """Run it in a child; its exception fails the test."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def status(field: str) -> list[str]:
    text = Path("/proc/self/status").read_bytes().decode()
    return next(line.split()[1:] for line in text.splitlines() if line.startswith(f"{field}:"))


def refused(call: Callable[[], object], number: int = errno.EPERM) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == number, caught.value


def told(command: list[str], confined: Callable[[], None] | None = None) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=confined)
    return done.stdout


def libc(name: str, *arguments: int) -> Callable[[], None]:
    library = ctypes.CDLL(None, use_errno=True)

    def call() -> None:
        if library[name](*(ctypes.c_ulong(argument) for argument in arguments)) < 0:
            raise OSError(ctypes.get_errno(), name)

    return call


def sealed() -> None:
    confine.become(SOMEBODY)
    confine.seal(FILTER)


def test_it_is_somebody_with_three_capabilities_and_no_way_back() -> None:
    """Sets, user and group are as promised, and nothing gives them back."""

    def work() -> None:
        sealed()
        assert status("Uid") == status("Gid") == [str(SOMEBODY)] * 4
        assert status("Groups") == []
        held = [int(status(name)[0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
        assert held == [HELD, HELD, HELD, HELD, 0]
        assert status("NoNewPrivs") == ["1"]
        assert status("Seccomp") == ["2"]
        refused(lambda: os.setuid(0))
        refused(lambda: os.kill(os.getppid(), 0))
        refused(lambda: os.open("/etc/shadow", os.O_RDONLY), errno.EACCES)

    in_child(work)


def test_root_without_another_user_is_no_root() -> None:
    """Where there is no other user, a program that is started gets nothing back by being root's."""

    def work() -> None:
        confine.become(None)
        assert told(["grep", "^Cap[PEB]", "/proc/self/status"]).split()[1::2] == [
            f"{value:016x}" for value in (0, 0, HELD)
        ]

    in_child(work)


def test_the_filter_refuses_what_nobody_has_a_use_for() -> None:
    """Namespaces, other processes, kernel: EPERM from the filter, also where the capability would be there."""

    def work() -> None:
        confine.seal(FILTER)  # still root, with everything: it is the filter that refuses
        for bit in (0x10000000, 0x40000000, 0x20000, 0x20000000):
            refused(libc("unshare", bit))
            refused(libc("syscall", 56 if os.uname().machine == "x86_64" else 220, bit | 17, 0, 0, 0, 0))
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        refused(libc("setns", own, 0))
        refused(libc("mount", 0, 0, 0, 0, 0))
        refused(libc("umount2", 0, 0))
        refused(libc("ptrace", 16, os.getppid(), 0, 0))
        refused(libc("reboot", 0))
        for family in (socket.AF_VSOCK, socket.AF_ALG, 15, 44):  # 15: AF_KEY, 44: AF_XDP
            refused(functools.partial(socket.socket, family, socket.SOCK_RAW))
        for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
            socket.socket(family, socket.SOCK_DGRAM).close()
        told(["true"])  # children and threads it can have

    in_child(work)


def test_a_program_that_is_started_holds_what_it_is_given() -> None:
    """Nothing without ``narrow``, and with it exactly that."""

    def work() -> None:
        sealed()
        ask = ["grep", "^Cap[PEA]", "/proc/self/status"]
        assert {int(word, 16) for word in told(ask).split()[1::2]} == {0}
        given = told(ask, confine.narrow(["CAP_NET_RAW"]))
        assert {int(word, 16) for word in given.split()[1::2]} == {1 << 13}

    in_child(work)


@pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")
def test_a_helper_sees_its_own_files(tmp_path: Path) -> None:
    """It reads what it may read, writes what it may write; what is of the same user and not named is closed to it."""
    own, other, seen = tmp_path / "own", tmp_path / "other", tmp_path / "seen"
    for each in (own, other, seen):
        each.mkdir()
        (each / "file").write_text("words", encoding="ascii")
    rules = confine.narrow(read=[*SYSTEM, str(seen), "/nowhere"], write=[str(own)])

    def tried(command: str) -> int:
        return subprocess.run(["sh", "-c", command], check=False, preexec_fn=rules).returncode

    def work() -> None:
        assert (
            tried(f"cat {seen}/file && echo more >> {own}/file && echo new > {own}/new && rm {own}/new") == 0
        )
        for command in (
            f"cat {other}/file",
            f"echo more >> {seen}/file",
            f"ls {tmp_path}",
            f"rm {other}/file",
        ):
            assert tried(command) != 0, command

    in_child(work)


def test_numbers_that_mean_nobody_are_found_out() -> None:
    """In a user namespace with root alone there is no other user to become."""
    assert confine.has_user(SOMEBODY)
    program = "from netnsmgr.kernel.confine import has_user; print(has_user(0), has_user(1_900_000_001))"
    words = told(["unshare", "--user", "--map-root-user", sys.executable, "-c", program])
    assert words.split() == ["True", "False"]


def test_an_agent_where_root_is_alone() -> None:
    """In a user namespace with one user an agent gives up the same, but for the user."""
    program = (
        "from netnsmgr.agent.rights import Person, give_up\n"
        "give_up(Person(None), [], 0)\n"
        "print(open('/proc/self/status', 'rb').read().decode())"
    )
    words = told(["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", program])
    found = dict(line.split(":\t", 1) for line in words.splitlines() if ":\t" in line)
    assert found["Uid"].split() == ["0"] * 4
    assert [int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")] == [
        HELD,
        HELD,
        HELD,
        0,
    ]
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
