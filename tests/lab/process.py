"""Programs run from outside in the lab: one that is waited for, and one that keeps running."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.lab.patience import patient


class LabError(Exception):
    """The lab itself could not do what it was asked to; the text says what was seen."""


class CommandFailed(LabError):
    """A program ended with another exit code than 0; its output is in the text."""

    def __init__(self, argv: Sequence[str], result: subprocess.CompletedProcess[str]) -> None:
        self.result = result
        super().__init__(
            f"{' '.join(argv)!r} ended with {result.returncode}\n{result.stdout}{result.stderr}".rstrip()
        )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without what would lead a program out of the lab again."""
    unwanted = ("NETNSMGR_RUN_DIR", "NETNSMGR_STATE_DIR", "NETNSMGR_ENGINE", "DOCKER_HOST", "NOTIFY_SOCKET")
    kept = {k: v for k, v in os.environ.items() if k not in unwanted and not k.lower().endswith("_proxy")}
    return kept | dict(extra or {})


def run(
    prefix: Sequence[str],
    argv: Sequence[str],
    *,
    timeout: float,
    check: bool,
    text: str | None,
    env: Mapping[str, str] | None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, like ``subprocess.run``.

    ``subprocess.run`` kills only its own child at the timeout, which is ``nsenter``, and then waits for ever
    for the pipes that the program behind it still holds: here the whole process group goes.
    """
    popen = subprocess.Popen(
        [*prefix, *argv],
        stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
        text=True,
        start_new_session=True,
    )
    try:
        out, err = popen.communicate(text, patient(timeout))
    except subprocess.TimeoutExpired:
        kill_group(popen.pid)
        out, err = popen.communicate()
        raise LabError(f"{' '.join(argv)!r} took longer than {timeout} s\n{out}{err}".rstrip()) from None
    except BaseException:
        kill_group(popen.pid)
        popen.wait()
        raise
    result = subprocess.CompletedProcess(list(argv), popen.returncode, out, err)
    if check and popen.returncode != 0:
        raise CommandFailed(argv, result)
    return result


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Process:
    """A program that keeps running in the lab, at most as long as the lab itself.

    Owns the ``nsenter`` on the outside.  Signals go to the program itself, not to ``nsenter``, which ends with
    the program's exit status; so ``wait`` returns when the *program* is gone.  Standard output and error come
    together through one pipe (64 KiB; what writes more goes to ``log``), or into the file ``log``.
    """

    def __init__(
        self,
        prefix: Sequence[str],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.argv = list(argv)
        self._seen = b""
        target: int | IO[bytes] = subprocess.PIPE if log is None else log.open("ab")
        try:
            self.popen = subprocess.Popen(
                [*prefix, *argv],
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
                env=environment(env),
                start_new_session=True,
            )
        finally:
            if not isinstance(target, int):
                target.close()

    @property
    def pid(self) -> int:
        """The program's process id as seen from outside the lab (0: it is gone or not there yet)."""
        return first_child(self.popen.pid)

    @property
    def asleep(self) -> bool:
        """Whether it waits for something, or is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
        except OSError:
            return True

    @property
    def output(self) -> str:
        """What was read so far."""
        return self._seen.decode(errors="replace")

    def wait_line(self, marker: str, timeout: float = 10.0) -> str:
        """Read until a whole line holds ``marker`` and return that line; LabError if it ends or the time does."""
        deadline = time.monotonic() + patient(timeout)
        start = 0
        while True:
            while (end := self._seen.find(b"\n", start)) >= 0:
                line = self._seen[start:end].decode(errors="replace")
                start = end + 1
                if marker in line:
                    return line
            if not self._read(deadline - time.monotonic()):
                how = "ended" if time.monotonic() < deadline else f"took longer than {timeout} s"
                raise LabError(
                    f"{' '.join(self.argv)!r} {how} without saying {marker!r}\n{self.output}".rstrip()
                )

    def _read(self, seconds: float) -> bool:
        """Take what the pipe holds, waiting at most so long; False: nothing more comes, or not in time."""
        assert self.popen.stdout is not None
        if (
            self.popen.stdout.closed
            or seconds <= 0
            or not select.select([self.popen.stdout], [], [], seconds)[0]
        ):
            return False
        data = os.read(self.popen.stdout.fileno(), 65536)
        self._seen += data
        return bool(data)

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: int) -> None:
        if (pid := self.pid) and self.running:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code (negative: ended by that signal); LabError when it doesn't end in time."""
        deadline = time.monotonic() + patient(timeout)
        if self.popen.stdout is not None:
            while self._read(deadline - time.monotonic()):
                pass
        try:
            return self.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(self.argv)!r} doesn't end\n{self.output}".rstrip()) from None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 5.0) -> int:
        """Ask it to end, insist after ``timeout`` seconds; the exit code."""
        try:
            if self.running:
                self.send(number)
                try:
                    return self.wait(timeout)
                except LabError:
                    self.send(signal.SIGKILL)
                    kill_group(self.popen.pid)
            return self.wait(timeout)
        finally:
            if self.popen.stdout is not None:
                self.popen.stdout.close()


def first_child(pid: int) -> int:
    """The oldest child of a process (0: none)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return int(children[0]) if children else 0
