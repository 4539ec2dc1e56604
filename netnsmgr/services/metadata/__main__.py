"""Start of the metadata service: ``python -I -m netnsmgr.services.metadata CONFIG``.

Two processes.  This one is root, opens the port and, on SIGHUP, the file of the applications' data, which nobody else
may read (it holds user data, and so secrets).  It hears nothing from the network.  Its child does, and has given up
root before the first connection; it gets the open file over a socket.  A child that ends is replaced; the port stays
open meanwhile.

Little is imported here, and the rest in the child alone: memory that is never written to is shared by both.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}
BACKLOG = 64
PATIENCE = 20
"""Tenths of a second to wait for the port, which a predecessor may still hold."""


def main(path: str) -> None:
    """Serve until SIGTERM."""
    # Blocked first: an agent starts its helpers with SIGHUP ignored, and from here on none may be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    listener = _listen(config["address"], config["port"])
    while True:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child == 0:
            ours.close()
            _serve(listener, theirs, config["user"])
        theirs.close()
        if _tend(child, ours, config["data"]):
            return
        ours.close()
        time.sleep(1.0)  # a child that ends each time shall not keep a processor busy


def _listen(address: str, port: int) -> socket.socket:
    for attempt in range(PATIENCE):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if attempt == PATIENCE - 1:
                sys.exit(f"{address}:{port}: {error.strerror}")
            time.sleep(0.1)
        else:
            break
    return listener


def _tend(child: int, channel: socket.socket, data: str) -> bool:
    """Give the child its data, now and on SIGHUP; true when told to end, false when the child has ended."""
    channel.settimeout(5.0)
    _hand_over(channel, data)
    while True:
        match signal.sigwait(SIGNALS):
            case signal.SIGHUP:
                if not _hand_over(channel, data):
                    os.kill(child, signal.SIGKILL)  # it has stopped listening, and so serves nobody
            case signal.SIGTERM:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return True
            case _ if os.waitpid(child, os.WNOHANG)[0]:
                return False


def _hand_over(channel: socket.socket, data: str) -> bool:
    try:
        fd = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # it comes, or goes, with another SIGHUP
    try:
        socket.send_fds(channel, [b"\0"], [fd])
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _serve(listener: socket.socket, channel: socket.socket, user: str) -> NoReturn:
    """Be the child."""
    status = 1
    try:
        # Before it becomes somebody else, who might not get to the library's files.
        from netnsmgr.services.metadata.server import Server

        _become(user)
        Server(listener, channel).run()
        status = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _become(user: str) -> None:
    """Give up root; with it go all capabilities, and other processes of the user may not look into this one."""
    if user == "root":
        return
    account: Any = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


if __name__ == "__main__":
    main(sys.argv[1])
