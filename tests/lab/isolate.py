"""Run one test function in a child with namespaces of its own, for tests of single kernel objects.

Cheaper than a lab (about 10 ms) and enough where no device and no site are needed.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import inspect
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

from tests.lab.patience import patient

P = ParamSpec("P")

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_REC, MS_PRIVATE = 2, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class SkippedInside(Exception):
    """pytest's own exception for a skip can't be pickled."""


def isolated(function: Callable[P, Any], *, timeout: float = 30.0) -> Callable[P, None]:
    """Decorator: run the function (plain or coroutine) in fresh network, mount and PID namespaces, mapped to root
    where the caller isn't; /run is an empty tmpfs with /run/netns, ``lo`` is up.

    What the function raises is raised here, its traceback as a note; its return value is lost, and so is whatever
    it changed in memory.  Everything it started is gone when this returns, also after a crash or ``timeout``.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        raised = in_child(functools.partial(function, *args, **kwargs), timeout)
        if raised is not None:
            raise raised

    return wrapper


def in_child(call: Callable[[], Any], timeout: float) -> BaseException | None:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        first_child(call, writer)
    os.close(writer)
    try:
        answer = read_all(reader, time.monotonic() + patient(timeout))
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # process 1 dies of it (PR_SET_PDEATHSIG), and all others with that
        os.waitpid(child, 0)
    if answer is None:
        return TimeoutError(f"the isolated function took longer than {timeout} s")
    if not answer:
        return RuntimeError("the isolated function's process ended without a word")
    error = pickle.loads(answer)
    if isinstance(error, SkippedInside):
        import pytest

        return pytest.skip.Exception(str(error))
    assert error is None or isinstance(error, BaseException)
    return error


def read_all(fd: int, deadline: float) -> bytes | None:
    data = b""
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(fd, 65536)
        if not part:
            return data
        data += part
    return None


def first_child(call: Callable[[], Any], writer: int) -> NoReturn:
    """Makes the namespaces; a PID namespace begins with the next fork.  Stays, so as to be killed in its place."""
    try:
        die_with_parent()
        unshare()
        inner = os.fork()
        if inner == 0:
            die_with_parent()
            report(writer, call)
        os.close(writer)
        os.waitpid(inner, 0)
    except BaseException as error:
        send(writer, error)
    os._exit(0)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare() -> None:
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | (CLONE_NEWUSER if uid != 0 else 0)
    check(libc.unshare(flags), "unshare")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def report(writer: int, call: Callable[[], Any]) -> NoReturn:
    """Process 1 inside: runs the function and tells how it ended."""
    try:
        prepare()
        result = call()
        if inspect.iscoroutine(result):
            asyncio.run(result)
        send(writer, None)
    except BaseException as error:
        send(writer, error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def prepare() -> None:
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
    check(libc.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")
    check(libc.mount(b"tmpfs", b"/run", b"tmpfs", MS_NOSUID, b"mode=755"), "mount /run")
    libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None)  # where it is refused, /sys is only less useful
    Path("/run/netns").mkdir()
    Path("/run/lock").mkdir()
    if os.spawnvp(os.P_WAIT, "ip", ["ip", "link", "set", "lo", "up"]) != 0:
        raise OSError("ip link set lo up failed")


def check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def send(writer: int, error: BaseException | None) -> None:
    if type(error).__name__ == "Skipped":
        error = SkippedInside(str(error))
    elif error is not None:
        text = "".join(traceback.format_exception(error))
        error.__traceback__ = None
        error.add_note(f"in the isolated child:\n{text}")
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # an exception with arguments of its own, which doesn't survive the journey
        data = pickle.dumps(AssertionError("".join(traceback.format_exception(error)) if error else ""))
    while data:
        data = data[os.write(writer, data) :]
    os.close(writer)
