"""Children that work in other network namespaces: each enters one, once, and talks in lines of JSON.

Whoever starts them stays where it is.  They end with it, and when their input does.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from netnsmgr.errors import KernelError

PATIENCE = 2.0
"""Seconds for a child to end by itself."""


class Child:
    """``with Child(program, netns) as child``: ``python -m PROGRAM`` in the namespace pinned at ``netns`` (none: ours)."""

    def __init__(self, program: str, netns: str | None, *arguments: str) -> None:
        argv = [sys.executable, "-I", "-m", program, netns or "", *arguments]
        self._popen = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._program = program
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        except BaseException:
            self._popen.kill()
            self._popen.wait()
            raise
        finally:
            for stream in (self._popen.stdout, self._popen.stderr):
                if stream is not None:
                    stream.close()

    def say(self, value: Any) -> None:
        """Send one value."""
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(json.dumps(value).encode() + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def hear(self, timeout: float) -> Any:
        """Return the next value; raises KernelError with what the child said when it ends, or keeps silent."""
        assert self._popen.stdout is not None
        end = time.monotonic() + timeout
        descriptor = self._popen.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise KernelError(f"{self._program} said nothing for {timeout:.0f} s")
                data = os.read(descriptor, 1 << 20)
                if not data:
                    raise self._failed()
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        value = json.loads(line)
        if isinstance(value, dict) and "error" in value:
            raise KernelError(str(value["error"]))
        return value

    def hear_after(self, value: Any, timeout: float) -> Any:
        """Send a value and return the answer."""
        self.say(value)
        return self.hear(timeout)

    def _failed(self) -> KernelError:
        assert self._popen.stderr is not None
        self._popen.wait(5.0)
        said = self._popen.stderr.read().decode(errors="replace").strip().splitlines()
        return KernelError(said[-1] if said else f"a child ended with {self._popen.returncode}")


def serve(netns: str) -> None:
    """Begin a child: die with whoever started it, and enter the namespace if one is named."""
    import signal

    from netnsmgr.kernel.namespace import die_with_parent, enter

    die_with_parent(signal.SIGTERM)
    if netns:
        enter(netns)


def asked() -> Any:
    """Return the next value that the child is told; raises EOFError when there is none any more."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return json.loads(line)


def answer(value: Any) -> None:
    """Say a value to whoever started the child."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
