"""Start of the flow log: ``python -m netnsmgr.services.flowlog <etc>/flowlog.<inode>.<digest>.json``."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress

from netnsmgr.kernel.confine import keep_only
from netnsmgr.kernel.frames import FrameSender
from netnsmgr.services.flowlog.program import FlowLog
from netnsmgr.services.flowlog.scope import read

CRASH_SECONDS = 5.0
"""Pause before a life that failed ends: it is begun again at once."""


def main(argv: list[str]) -> int:
    """Run the flow log that a configuration file describes."""
    if len(argv) != 2 or not (config := read(argv[1])):
        print("usage: python -m netnsmgr.services.flowlog FILE, as the agent does", file=sys.stderr)
        return 2
    path: str = config["log"]
    # Where the servers are the site's, their answers are held, and sent on: nothing later needs CAP_NET_RAW.
    sender = FrameSender() if config.get("switch") else None
    # It reads what others have written: whoever finds a hole in that shall have little of it.
    keep_only("CAP_NET_ADMIN")
    try:
        FlowLog(config, lambda text: note(path, text), sender).run()
    except Exception:
        note(path, traceback.format_exc())
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.sigtimedwait([signal.SIGTERM], CRASH_SECONDS)
        return 1
    return 0


def note(path: str, text: str) -> None:
    """Append to the service's log, which begins anew at 64 KB: it lies in memory (``/run``)."""
    with suppress(OSError):
        mode = "w" if os.path.exists(path) and os.path.getsize(path) > 1 << 16 else "a"
        with open(path, mode, encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
