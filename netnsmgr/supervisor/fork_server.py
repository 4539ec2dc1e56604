"""The fork server's own hanging: whoever asks it for an agent waits for its answer, and the hub and all agents with him."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from pathlib import Path

import structlog

log = structlog.get_logger()


@contextmanager
def answering(seconds: float) -> Iterator[None]:
    """End the fork server if it does nothing at all for so long while the block waits for it.

    Its agents end with it, and the next who is to be started has another one started.  One that is busy is not hanging:
    its imports may take long on a machine that has more to do.
    """
    over = threading.Event()

    def watch() -> None:
        before = _worked()
        while not over.wait(seconds):
            now = _worked()
            if now is not None and now == before:
                log.error("the fork server hangs", pid=now[0])
                with suppress(ProcessLookupError):
                    os.kill(now[0], signal.SIGKILL)
                return
            before = now

    thread = threading.Thread(target=watch, daemon=True, name="fork server")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _worked() -> tuple[int, list[str]] | None:
    """Return the fork server's process id and its processor time, of itself in both modes (proc_pid_stat(5))."""
    # There is no public way to ask who it is.
    if (pid := getattr(forkserver._forkserver, "_forkserver_pid", None)) is None:
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return pid, text.rpartition(")")[2].split()[11:13]
