"""Start of the metadata service: ``python -I -m netnsmgr.services.metadata CONFIG``.

Two processes.  This one, the keeper, opens the port and the file of the applications' data, which no other helper may
read (it holds user data, and so secrets).  It hears nothing from the network.  The one that does has given up every
capability and every file before its first connection, and gets the open file over a socket, again on each SIGHUP.  It is
forked when somebody connects and ends when nobody has for a while; one that crashes is replaced, and the port stays open
meanwhile.

There is a keeper for each instance of the device, and most have nothing to do: so little is imported here.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import NoReturn

BACKLOG = 64
PATIENCE = 20
"""Tenths of a second to wait for the port, which a predecessor may still hold."""
REST_SECONDS = 1.0
"""Between a crash and the next try: one that crashes each time shall not keep a processor busy."""


def main(path: str) -> None:
    """Serve until SIGTERM.  The file has lines ``key=value``: address (several with commas), port, data."""
    with open(path, encoding="utf-8") as file:
        config = dict(line.rstrip("\n").split("=", 1) for line in file)
    listeners = [_listen(address, int(config["port"])) for address in config["address"].split(",")]
    Keeper(listeners, config["data"]).run()


def _listen(address: str, port: int) -> socket.socket:
    # A link-local address comes with the name of its link: "fe80::a9fe:a9fe%bn0".
    ((family, kind, _, _, place),) = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    for attempt in range(PATIENCE):
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if attempt == PATIENCE - 1:
                sys.exit(f"{address} port {port}: {error.strerror}")
            time.sleep(0.1)
        else:
            break
    return listener


class Keeper:
    """Owns the port at each address, and the right to read ``data``; has at most one child, which serves."""

    def __init__(self, listeners: list[socket.socket], data: str) -> None:
        self._listeners = listeners
        self._data = data
        self._child = 0
        self._channel: socket.socket | None = None
        self._rested = 0.0
        self._signals, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup)
        # An agent starts its helpers with SIGHUP ignored.  One that was lost before this is made up for: the file is
        # opened only when there is somebody to get it.
        for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(signum, lambda *_: None)

    def run(self) -> None:
        """Wait for somebody who connects, and for signals."""
        while True:
            poll = select.poll()
            poll.register(self._signals, select.POLLIN)
            pause = self._rested - time.monotonic()
            if not self._child and pause <= 0:
                for listener in self._listeners:
                    poll.register(listener, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(1000 * pause if not self._child and pause > 0 else None)}
            if self._signals in ready:
                if signal.SIGTERM in (signals := os.read(self._signals, 512)):
                    self._end()
                    return
                if signal.SIGCHLD in signals:
                    self._mourn()
                if signal.SIGHUP in signals:
                    self._hand_over()
            elif ready:
                self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            _serve(self._listeners, theirs)
        theirs.close()
        ours.settimeout(5.0)
        self._channel = ours
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the child the file as it is now; one that takes nothing any more serves nobody, and is ended."""
        if self._channel is None:
            return
        with suppress(FileNotFoundError):  # it comes, or goes, with another SIGHUP
            fd = os.open(self._data, os.O_RDONLY | os.O_CLOEXEC)
            try:
                socket.send_fds(self._channel, [b"\0"], [fd])
            except OSError:
                os.kill(self._child, signal.SIGKILL)
            finally:
                os.close(fd)

    def _mourn(self) -> None:
        if not self._child:
            return
        ended, status = os.waitpid(self._child, os.WNOHANG)
        if ended:
            self._forget()
            if status != 0:
                self._rested = time.monotonic() + REST_SECONDS

    def _end(self) -> None:
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._forget()

    def _forget(self) -> None:
        self._child = 0
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _serve(listeners: list[socket.socket], channel: socket.socket) -> NoReturn:
    """Be the child."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        # Only here: a keeper that has nothing to do shall be small.
        from netnsmgr.kernel import confine, reach
        from netnsmgr.services.metadata.server import Server

        # The interpreter may still read modules; nobody of the same user may look into what it was given.
        confine.seal(b"")
        confine.narrow((), read=reach.directories())()
        Server(listeners, channel).run()
        status = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
