"""One client of the hub, without blocking and without a loop: the protocol, for whoever drives it.

``Client`` owns two sockets: DEALER for requests, SUB for updates.  A driver waits until one of ``filenos()`` is
readable or ``next_deadline()`` has come, and calls ``pump(now)``; it calls ``pump`` after each request and
subscription, too.  ``AsyncClient`` and ``SyncClient`` are such drivers.

A row that is ``publish``ed is remembered, not queued: while the hub is away only its last value counts, and a hub
that returns, known by its new epoch, gets all of them again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any

import zmq

from netnsmgr.errors import Problem, Unreachable
from netnsmgr.pubsub import wire
from netnsmgr.pubsub.request import Request, log_refused
from netnsmgr.pubsub.row import MAX_FRAME, Row, WireError, check_changes, check_name
from netnsmgr.pubsub.unreachable import why
from netnsmgr.pubsub.view import Changed, View, guarded

ASK_AGAIN = 1.0
"""Seconds until a snapshot that has not come is asked for again."""
SLICE = 1000
"""Messages taken in by one ``pump``, so that a flood of updates cannot keep its caller from everything else."""


class Client:
    """Owns its ZeroMQ context unless given one.  Make it after the last fork: a context doesn't survive that.

    ``name`` is the writer's name of its rows; a restarted process uses the same name again.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        name: str,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self.run_dir = run_dir
        self.name = check_name("a writer", name)
        self.on_refused: Callable[[tuple[Problem, ...]], None] = log_refused
        self._instance = os.urandom(8)
        self._epoch = b""
        self._ids = 0
        self._views: dict[str, View] = {}
        self._glances: list[View] = []
        self._requests: dict[bytes, Request] = {}
        self._own: dict[tuple[str, str], Row] = {}
        self._said: dict[str, None] = {}
        self._unsent: dict[tuple[str, str], Row | None] = {}
        self._unsaid: dict[str, None] = {}
        hub = wire.socket_path(run_dir, wire.HUB_SOCKET)
        self._updates = f"ipc://{wire.socket_path(run_dir, wire.UPDATES_SOCKET)}"
        self._context = context or zmq.Context()
        self._owns_context = context is None
        self._dealer = self._context.socket(zmq.DEALER)
        self._sub = self._context.socket(zmq.SUB)
        self._listening = False
        self._connected = False
        self._subscribed: set[str] = set()
        for sock in (self._dealer, self._sub):
            sock.setsockopt(zmq.LINGER, 200)  # ms, on closing: a last status should still leave
            sock.setsockopt(zmq.RECONNECT_IVL, 100)  # ms: how soon a restarted hub is found …
            sock.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)  # … and how seldom an absent one is looked for
            sock.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        # Nothing is queued for a hub that is not there: a put that has failed for its caller must not be carried
        # out when the hub comes up an hour later.
        self._dealer.setsockopt(zmq.IMMEDIATE, 1)
        self._dealer.connect(f"ipc://{hub}")

    # -- What one can ask for ------------------------------------------------------------------------------

    def subscribe(self, table: str, on_change: Changed | None = None, *, follow: bool = True) -> View:
        """A table's rows, kept up to date, or just once if not ``follow``."""
        view = self._views.get(table)
        if view is None:
            view = self._views[table] = View(check_name("a table", table), on_change)
        elif on_change:
            view.on_change = on_change
        if follow:
            view.followed = True
            self.listen(table)
        return view

    def glance(self, table: str) -> View:
        """A view of its own, of the table as it will be answered: what has been put until now is in it."""
        self._glances.append(View(check_name("a table", table), None))
        return self._glances[-1]

    def end_glance(self, view: View) -> None:
        """Forget a view."""
        self._glances.remove(view)

    def unsubscribe(self, table: str) -> None:
        """Forget a table."""
        self._views.pop(table, None)
        if table in self._subscribed:
            self._subscribed.remove(table)
            self._sub.unsubscribe(wire.topic(table))

    def put(
        self,
        changes: Iterable[tuple[str, str, Row | None]],
        deadline: float,
        *,
        takeover: bool = False,
        replace: bool = False,
        confirm: float = 0.0,
    ) -> Request:
        """Change rows, all or none; raises WireError at once if they cannot be sent.

        With ``replace`` or ``confirm`` (see ``wire.Put``) the result is a ``Transacted`` in the form of JSON.
        """
        checked = check_changes(changes, least=not replace)
        asked = wire.Put(self._next_id(), self.name, self._instance, checked, takeover, replace, confirm)
        return self._ask(Request(asked, deadline))

    def call(self, name: str, value: Any, deadline: float) -> Request:
        """Have the daemon's handler ``name`` answer."""
        return self._ask(Request(wire.Call(self._next_id(), name, value), deadline))

    def publish(self, table: str, key: str, value: Row | None) -> bool:
        """Set or delete a row of status, now or as soon as there is a hub; False if it is so already.

        A refusal goes to ``on_refused``.  The value must not be changed afterwards.
        """
        check_changes([(table, key, value)])
        if value is None:
            self._own.pop((table, key), None)  # sent in any case: the row may be there from a former life
        elif self._own.get((table, key)) == value:
            return False
        else:
            self._own[table, key] = value
        self._unsent[table, key] = value
        self.listen()  # else a client without subscriptions would not hear of a new epoch
        return True

    def restarted(self, table: str) -> None:
        """Say that every row that we know of this table has been put; older ones of this writer go away."""
        self._said[check_name("a table", table)] = self._unsaid[table] = None
        self.listen()

    def forget(self, request: Request) -> None:
        """Nobody waits for the answer any more; a request that has not been sent will not be."""
        self._requests.pop(request.id, None)

    def listen(self, table: str = wire.CONTROL) -> None:
        """Hear of a table, or only of another life of the hub: then what was asked and not answered is put again."""
        if not self._listening:
            self._listening = True
            self._sub.connect(self._updates)
        if table not in self._subscribed:
            self._subscribed.add(table)
            self._sub.subscribe(wire.topic(table))

    def _next_id(self) -> bytes:
        self._ids += 1
        return b"%d" % self._ids

    def _ask(self, request: Request) -> Request:
        self._requests[request.id] = request
        return request

    # -- For the driver ------------------------------------------------------------------------------------

    def filenos(self) -> list[int]:
        """Descriptors that become readable when ``pump`` has something to do.

        They are edge-triggered and stay silent about what was there before: ``pump`` first, then wait.
        """
        return [self._dealer.fileno(), self._sub.fileno()]

    def next_deadline(self) -> float | None:
        """When to ``pump`` at the latest, on the clock of the ``now``s; None: when a descriptor says so."""
        times = [r.deadline for r in self._requests.values()]
        if self.connected:  # else there is nobody to ask again, and the descriptor tells when there is
            times += [v.ask_at for v in self._all_views() if v.ask_at is not None]
        return min(times, default=None)

    @property
    def connected(self) -> bool:
        """Whether there was a hub at the other end at the last ``pump``."""
        return self._connected

    @property
    def unsent(self) -> bool:
        """Whether something that was published has still to leave."""
        return bool(self._unsent or self._unsaid)

    def pump(self, now: float) -> bool:
        """Send and take in what there is.  True: there is more, come again soon.  ``now``: any steady clock."""
        for request in [r for r in self._requests.values() if r.deadline <= now]:
            del self._requests[request.id]
            request.error = Unreachable(why(self.run_dir, sent=request.sent))
            request.finish()
        for _ in range(SLICE):
            with contextlib.suppress(zmq.Again):
                self._send_all(now)
            got = self._receive(self._sub, now)
            got |= self._receive(self._dealer, now)
            if got:
                continue
            # Any call on a socket may consume the edge that its descriptor would have shown, so the last one has to
            # be a question whose answer is heeded in full.  (A reception in vain is one; hence nothing for SUB.)
            events = int(self._dealer.getsockopt(zmq.EVENTS))
            self._connected = bool(events & zmq.POLLOUT)
            if not events & zmq.POLLIN and not (self._connected and self._has_to_send(now)):
                return False
        return True

    def close(self) -> None:
        """Close the sockets; waits 200 ms at most for what is being sent.  Unanswered requests fail."""
        for request in self._requests.values():
            request.error = Unreachable("the connection was closed before the answer came")
            request.finish()
        self._dealer.close()
        self._sub.close()
        if self._owns_context:
            self._context.term()

    # -- Sending -------------------------------------------------------------------------------------------

    def _has_to_send(self, now: float) -> bool:
        return (
            self.unsent
            or any(not r.sent for r in self._requests.values())
            or any(v.ask_at is not None and v.ask_at <= now for v in self._all_views())
        )

    def _send_all(self, now: float) -> None:
        """Send what is to be sent; zmq.Again when there is no hub to send it to."""
        for view in self._all_views():
            if view.ask_at is not None and view.ask_at <= now:
                if int(self._dealer.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                    break  # maybe the answer: who is late in reading must not give a busy hub the same work again
                self._send(wire.encode_request(wire.Snapshot(view.table)))
                view.ask_at = now + ASK_AGAIN
        while self._unsent:
            (table, key), value = row = next(iter(self._unsent.items()))
            put = wire.Put(b"", self.name, self._instance, check_changes([(table, key, value)]))
            self._send(wire.encode_request(put))
            del self._unsent[row[0]]
        while self._unsaid:
            table = next(iter(self._unsaid))
            self._send(wire.encode_request(wire.Restarted(self.name, self._instance, table)))
            del self._unsaid[table]
        for request in self._requests.values():
            if not request.sent:
                self._send(request.frames)
                request.sent = True

    def _send(self, frames: list[bytes]) -> None:
        self._dealer.send_multipart(frames, zmq.NOBLOCK)

    # -- Receiving -----------------------------------------------------------------------------------------

    def _receive(self, sock: zmq.Socket[bytes], now: float) -> bool:
        try:
            frames = sock.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        with contextlib.suppress(WireError):  # the hub checks what it sends; and what could one do?
            reply = wire.decode_reply(frames)
            if isinstance(reply, wire.Update):
                self._take_update(reply, now)
            elif request := self._requests.pop(reply.id, None):
                request.answer = reply
                request.finish()
            elif isinstance(reply, wire.Refused) and not reply.id:
                guarded(self.on_refused, reply.problems)
        return True

    def _take_update(self, update: wire.Update, now: float) -> None:
        if update.msg.epoch != self._epoch:
            self._new_hub(update.msg.epoch)
        for view in self._all_views():
            if view.table == update.table:
                view.feed(update.msg, now)

    def _all_views(self) -> list[View]:
        return [*self._views.values(), *self._glances]

    def _new_hub(self, epoch: bytes) -> None:
        """Another life of the hub, which knows no status; say everything again.

        Also when the first epoch is heard of: what was sent before may have gone to the hub before.
        """
        if self._epoch:
            for request in self._requests.values():
                # Whole rows can be put twice; a call cannot be known to allow it.
                request.sent &= not request.again
        self._epoch = epoch
        self._unsent = {**self._own, **self._unsent}
        self._unsaid = dict(self._said)
