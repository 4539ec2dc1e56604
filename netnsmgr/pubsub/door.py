"""The hub's two sockets, and nothing of what the messages mean.

Each has many addresses: one in the run directory, for operators and supervisors, and one for each agent, in a directory
that only this agent can search.  Whose process is at the other end of a connection, the kernel says.

ZeroMQ's file descriptors are *edge-triggered*, and any call on the socket may consume the edge: reading until
there is nothing more is not enough, after a send there may be something to read of which no descriptor tells.
Hence ``_look_again`` after each use.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
import zmq

from netnsmgr.core.clone import Msg
from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub import tables, wire
from netnsmgr.pubsub.crowd import Crowd
from netnsmgr.pubsub.row import MAX_FRAME, WireError

QUEUE = 100_000
"""Messages that may wait for one peer.  Beyond it ROUTER and PUB *drop*.  A snapshot is sent in one go, one message
a row, so the queue has to hold the largest table, or that table could never be had.  Lost updates would be
noticed and repaired, but by yet another snapshot, which a slow peer needs least."""
BACKLOG = 1024
"""Connections waiting to be accepted.  ZeroMQ's 100 is less than what comes at once when a hub returns and all
agents reconnect; a refused one tries again only after a while."""
REST = 5.0
"""Seconds for which an address is closed at which too many came."""
SLICE = 256
"""Messages read before others have their turn in the loop."""
TOPICS = 10_000
"""Subscribed tables that are known by name; a bound on what a peer can make us remember."""

log = structlog.get_logger("netnsmgr.hub")


class Door:
    """Owns ``hub.sock`` and ``updates.sock`` in ``run_dir``; the caller holds the lock that makes them ours.

    ``request(peer, user, request)`` is called for each request, ``hugz(table)`` gives a table's heartbeat,
    ``may_read(user, table)`` says who may subscribe to what.  A user of -1 is one that the kernel does not tell.
    """

    def __init__(
        self,
        run_dir: Path,
        group: int | None,
        request: Callable[[bytes, int, wire.Request], None],
        hugz: Callable[[str], Msg],
        may_read: Callable[[int, str], bool],
    ) -> None:
        self._request = request
        self._hugz = hugz
        self._may_read = may_read
        self._topics: set[str] = set()
        self._greet: set[str] = set()
        self._paths: list[Path] = []
        self._names: dict[Path, Path] = {}
        self._groups: dict[Path, int] = {}
        """Directories of agents, which are open unless they rest."""
        self._resting: set[Path] = set()
        self._opened = 0
        self._again = False
        self._listening = True
        self._complained: deque[bytes] = deque(maxlen=1000)
        self._complain_after = 0.0
        self._loop = asyncio.get_running_loop()
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        # XPUB rather than PUB: it tells of subscriptions.  A client subscribes and asks for the snapshot on two
        # connections, and an update may pass between the snapshot's making and the subscription's arrival; a
        # heartbeat when the subscription has arrived shows the client what it missed, at once and not in ten seconds.
        self._xpub = self._context.socket(zmq.XPUB)
        # We say what becomes of a subscription, and hear of each of them: not all tables are for everybody.
        self._xpub.setsockopt(zmq.XPUB_MANUAL, 1)
        self._crowd = Crowd(self._context, (self._router, self._xpub), self._full)
        try:
            for sock, name in (self._router, wire.HUB_SOCKET), (self._xpub, wire.UPDATES_SOCKET):
                sock.setsockopt(zmq.SNDHWM, QUEUE)
                sock.setsockopt(zmq.BACKLOG, BACKLOG)
                sock.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
                sock.setsockopt(zmq.LINGER, 200)  # ms: what is answered last should still arrive
                self._paths.append(_bind(sock, wire.socket_path(run_dir, name), group))
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._fds = [*(sock.fileno() for sock in (self._router, self._xpub)), *self._crowd.fds]
        for fd in self._fds:
            self._loop.add_reader(fd, self._drain)
        self._look_again()

    def open(self, directory: Path, group: int) -> None:
        """Listen in another directory too, which is root's and the group's; again is as good as once."""
        self._groups[directory] = group
        if directory in self._resting:
            return
        paths = [wire.socket_path(directory, name) for name in (wire.HUB_SOCKET, wire.UPDATES_SOCKET)]
        if all(path in self._paths and path.is_socket() for path in paths):
            for path in paths:
                os.chown(path, -1, group)
            return
        self._unbind(directory)
        for sock, path in zip((self._router, self._xpub), paths, strict=True):
            # ZeroMQ removes the file some time after it was told to stop: under a name that never comes again, or it
            # would be that of an instance which was made anew meanwhile.
            self._opened += 1
            own = _bind(sock, path.with_name(f".{self._opened}{path.name}"), group)
            self._names[path] = own
            os.rename(own, path)
            self._paths.append(path)

    def shut(self, directory: Path) -> None:
        """Listen there no more; who is connected stays so until he goes."""
        self._groups.pop(directory, None)
        self._unbind(directory)

    def _unbind(self, directory: Path) -> None:
        for sock, name in (self._router, wire.HUB_SOCKET), (self._xpub, wire.UPDATES_SOCKET):
            path = directory / name
            if path in self._paths:
                self._paths.remove(path)
                with suppress(zmq.ZMQError):
                    sock.unbind(f"ipc://{self._names.pop(path)}")
                path.unlink(missing_ok=True)

    def _full(self, directory: Path) -> bool:
        """Close an agent's address for a while, as far too many came: ZeroMQ aborts when descriptors run out."""
        if directory not in self._groups:
            return False
        log.warning("too many connections; all are closed", directory=str(directory), seconds=REST)
        self._resting.add(directory)
        self._unbind(directory)
        self._loop.call_later(REST, self._rested, directory)
        return True

    def _rested(self, directory: Path) -> None:
        self._resting.discard(directory)
        self._crowd.again(directory)
        group = self._groups.get(directory)
        if group is not None and self._listening and directory.is_dir():
            self.open(directory, group)

    def reply(self, peer: bytes, frames: Sequence[bytes]) -> None:
        """Send to one client; to one that has gone, nowhere."""
        self._send(self._router, [peer, *frames])

    def publish(self, frames: Sequence[bytes]) -> None:
        """Send to all subscribers of the topic."""
        self._send(self._xpub, frames)

    def forget(self, table: str) -> None:
        """Send no more heartbeats of a table that is gone, until somebody subscribes again."""
        self._topics.discard(table)

    def beat(self) -> None:
        """A heartbeat for each table that somebody listens to."""
        for table in self._topics:
            self.publish(wire.encode_update(table, self._hugz(table)))

    def stop_listening(self) -> None:
        """Take no more requests; answers can still be sent."""
        self._listening = False
        for fd in self._fds:
            self._loop.remove_reader(fd)

    async def close(self) -> None:
        """Send what is waiting, close, remove the socket files."""
        self.stop_listening()
        self._crowd.close()
        self._router.close()
        self._xpub.close()
        await asyncio.to_thread(self._context.term)  # waits for the linger time
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _send(self, sock: zmq.Socket[bytes], frames: Sequence[bytes]) -> None:
        # Neither kind of socket ever blocks or fails for a peer that is slow or gone: they drop.
        sock.send_multipart(frames, zmq.NOBLOCK)
        self._look_again()

    def _look_again(self) -> None:
        """Read once more, later: see the top of the file."""
        if not self._again and self._listening:
            self._again = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._again = False
        if not self._listening:
            return
        # Requests first, so that the greeting of a new subscriber tells where the table stands after them.
        more = self._crowd.look()
        more |= self._read(self._router, self._take_request)
        more |= self._read(self._xpub, self._take_subscription)
        for table in self._greet:
            self.publish(wire.encode_update(table, self._hugz(table)))
        self._greet.clear()
        if more:
            self._look_again()

    def _read(self, sock: zmq.Socket[bytes], take: Callable[[list[bytes], int], None]) -> bool:
        """Read a slice; True if there may be more."""
        for _ in range(SLICE):
            try:
                messages = sock.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            frames = [message.bytes for message in messages]
            try:
                take(frames, _user(messages[-1]))
            except WireError as e:
                self._complain(frames[0], str(e))
        return True

    def _take_request(self, frames: list[bytes], user: int) -> None:
        self._request(frames[0], user, wire.decode_request(frames[1:]))

    def _take_subscription(self, frames: list[bytes], user: int) -> None:
        start, table = frames[0][:1], wire.table_of(frames[0][1:])
        if start not in (b"\0", b"\1"):
            raise WireError("a subscriber subscribes and says nothing else")
        if table != wire.CONTROL and not tables.is_table(table):
            raise WireError(f"there is no table {table!r} to subscribe to")
        if start == b"\0":
            # Who else listens is not counted: anybody could say it twice, and others would hear no heartbeats.
            self._xpub.setsockopt(zmq.UNSUBSCRIBE, frames[0][1:])
        elif not self._may_read(user, table):
            raise WireError(f"user {user} may not hear of {table!r}")
        elif table in self._topics or len(self._topics) < TOPICS:
            self._xpub.setsockopt(zmq.SUBSCRIBE, frames[0][1:])  # for him from whom this came
            self._topics.add(table)
            self._greet.add(table)  # once for all who came together

    def _complain(self, peer: bytes, cause: str) -> None:
        """Log once for a peer and once a second at most: a broken client must not fill the disk."""
        now = self._loop.time()
        if peer not in self._complained and now >= self._complain_after:
            self._complained.append(peer)
            self._complain_after = now + 1
            log.warning("a message is malformed and was dropped", peer=peer[:20].hex(), cause=cause)


def _user(message: zmq.Frame) -> int:
    """Return whose process sent a message: ZeroMQ's words for SO_PEERCRED are "localhost:<user>:<group>:<process>"."""
    try:
        return int(str(message.get("Peer-Address")).rsplit(":", 3)[1])
    except (zmq.ZMQError, ValueError, IndexError):
        return -1


def _bind(sock: zmq.Socket[bytes], path: Path, group: int | None) -> Path:
    """Listen at ``path``; return it."""
    path.unlink(missing_ok=True)  # left by a hub that was killed; we hold the lock, so nobody listens there
    before = os.umask(0o117)  # so that there is no moment at which everybody could connect
    try:
        sock.bind(f"ipc://{path}")
    except zmq.ZMQError as e:
        raise NetnsmgrError(f"cannot listen at {path}: {e}") from e
    finally:
        os.umask(before)
    if group is not None:
        os.chown(path, -1, group)
    return path
