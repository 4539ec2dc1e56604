"""A child whose every system call on files can be seen, made to fail, or be its last."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.calls import BY_NUMBER

TRACEME, CONT, SYSCALL, SETOPTIONS, GETREGSET, SETREGSET = 0, 7, 24, 0x4200, 0x4204, 0x4205
GET_SYSCALL_INFO = 0x420E
TRACESYSGOOD, EXITKILL = 1, 1 << 20
PRSTATUS, ARM_SYSTEM_CALL = 1, 0x404
ENTRY = 1
X86 = platform.machine() == "x86_64"
RESULT = 10 if X86 else 0
"""Which of the registers has a system call's result (ptrace(2), ``struct user_regs_struct``)."""
NUMBER = 15
"""Which has its number: ``orig_rax``."""
REGISTERS = 27 if X86 else 34

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Call(NamedTuple):
    """A system call on files: the which-th of its child, its arguments, and its result once it has one."""

    nth: int
    name: str
    arguments: tuple[int, ...]
    result: int = 0


def _nothing(_pid: int, _call: Call) -> None:
    pass


def traced(
    work: Callable[[], int],
    *,
    fail: dict[int, int] | None = None,
    last: int | None = None,
    before: Callable[[int, Call], None] = _nothing,
    after: Callable[[int, Call], None] = _nothing,
) -> tuple[int | None, int]:
    """Run ``work`` in a child; its result (None if it was killed) and how many system calls on files it made.

    ``fail``: for the n-th call (from 0), the error with which it fails without having been made.  ``last``: the
    n-th call is not made any more, as the child is killed.  ``before`` and ``after`` see each call with the
    child's process id.
    """
    pid = os.fork()
    if not pid:
        _libc.ptrace(TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            os._exit(work())
        finally:
            os._exit(99)
    os.waitpid(pid, 0)
    _ptrace(SETOPTIONS, pid, 0, TRACESYSGOOD | EXITKILL)
    nth, call, deliver = 0, None, 0
    while True:
        _ptrace(SYSCALL, pid, 0, deliver)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status), nth
        if os.WIFSIGNALED(status):
            return None, nth
        deliver = 0
        if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
            deliver = os.WSTOPSIG(status)
            continue
        kind, number, arguments, result = _info(pid)
        if kind == ENTRY:
            call = None
            name = BY_NUMBER.get(number)
            if name is None:
                continue
            call = Call(nth, name, arguments)
            nth += 1
            if call.nth == last:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return None, nth
            before(pid, call)
            if fail and call.nth in fail:
                _skip(pid)
        elif call is not None:
            if fail and call.nth in fail:
                result = -fail[call.nth]
                _set_register(pid, RESULT, result)
            after(pid, call._replace(result=result))


def text(pid: int, address: int) -> str:
    """The string at an address of the child's."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        found = b""
        while b"\0" not in found:
            # not past the end of its page, behind which there may be none
            found += memory.read(4096 - (address + len(found)) % 4096)
    return os.fsdecode(found.partition(b"\0")[0])


def content(pid: int, address: int, size: int) -> bytes:
    """The bytes at an address of the child's."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _ptrace(request: int, pid: int, address: int, data: int | ctypes.Array[ctypes.c_char]) -> int:
    where = ctypes.cast(data, ctypes.c_void_p) if isinstance(data, ctypes.Array) else ctypes.c_void_p(data)
    result: int = _libc.ptrace(request, pid, ctypes.c_void_p(address), where)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace: {os.strerror(number)}")
    return result


def _info(pid: int) -> tuple[int, int, tuple[int, ...], int]:
    """Which kind of stop this is, and the call's number and arguments, or its result (``struct ptrace_syscall_info``)."""
    data = ctypes.create_string_buffer(88)
    _ptrace(GET_SYSCALL_INFO, pid, len(data), data)
    kind = data.raw[0]
    if kind == ENTRY:
        number, *arguments = struct.unpack_from("<Q6Q", data.raw, 24)
        return kind, number, tuple(arguments), 0
    return kind, -1, (), struct.unpack_from("<q", data.raw, 24)[0]


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))


def _regset(pid: int, request: int, kind: int, data: ctypes.Array[ctypes.c_char]) -> None:
    vector = _IoVec(ctypes.addressof(data), len(data))
    if _libc.ptrace(request, pid, ctypes.c_void_p(kind), ctypes.byref(vector)) < 0:
        raise OSError(ctypes.get_errno(), "ptrace: registers")


def _set_register(pid: int, which: int, value: int) -> None:
    data = ctypes.create_string_buffer(8 * REGISTERS)
    _regset(pid, GETREGSET, PRSTATUS, data)
    struct.pack_into("<q", data, 8 * which, value)
    _regset(pid, SETREGSET, PRSTATUS, data)


def _skip(pid: int) -> None:
    """Have the kernel make no call at all: there is none with the number -1."""
    if X86:
        _set_register(pid, NUMBER, -1)
    else:
        data = ctypes.create_string_buffer(struct.pack("<i", -1), 4)
        _regset(pid, SETREGSET, ARM_SYSTEM_CALL, data)
