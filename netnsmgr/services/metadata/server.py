"""Sockets of the metadata service: one thread, one loop, and for each client no more than it may have.

Who asks is told by the mark of the accepted socket (``net.ipv4.tcp_fwmark_accept``): the bridge has marked the packet
with the id of the interface that it came in by, which no application can forge as it can a source address.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil
from typing import Any

from netnsmgr.services.metadata import limits
from netnsmgr.services.metadata.answers import Answer, Asker, Record, answer, sentence
from netnsmgr.services.metadata.exchange import Exchange

VIF_BITS = 0xFFFF
"""Where in the mark the interface's id is."""
CHUNK = 4096
AT_ONCE = 16
"""Connections accepted before the others' turn."""
STRANGER = "this connection comes from no application's interface that netnsmgr knows of"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Client:
    """One connection; ``who`` names the interface that it was accepted from."""

    __slots__ = ("caller", "deadline", "exchange", "group", "out", "parting", "sock", "vif", "who")

    def __init__(self, sock: socket.socket, caller: str, vif: int, who: str, group: str) -> None:
        self.sock = sock
        self.caller = caller
        self.vif = vif
        self.who = who
        self.group = group
        self.out = b""
        self.deadline = 0.0
        self.parting = False
        self.exchange: Exchange


class Server:
    """Serves ``listeners``.  ``channel`` brings open files with the interfaces' records, each instead of the last."""

    def __init__(
        self,
        listeners: list[socket.socket],
        channel: socket.socket,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listeners = listeners
        self._channel = channel
        self._clock = clock
        self._records: dict[int, Record] = {}
        self._clients: set[Client] = set()
        self._buckets: dict[str, limits.Bucket] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the other end of the channel is closed, or nobody has been connected for a while."""
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._update()
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        while True:
            if self._clients:
                wait = max(0.0, min(client.deadline for client in self._clients) - self._clock())
            else:
                wait = limits.IDLE_SECONDS
            ready = self._selector.select(wait)
            if not ready and not self._clients:
                return
            for key, _ in ready:
                if key.fileobj in self._listeners:
                    self._accept(key.fileobj)
                elif key.fileobj is self._channel:
                    if not self._update():
                        return
                elif key.data in self._clients:
                    self._serve(key.data)
            now = self._clock()
            for client in [client for client in self._clients if client.deadline <= now]:
                self._close(client)

    def _update(self) -> bool:
        """Read the next file of records; false if there will be none.  One that makes no sense changes nothing."""
        message, fds, _, _ = socket.recv_fds(self._channel, 1, 1)
        for fd in fds:
            with open(fd, encoding="utf-8") as file, suppress(ValueError, KeyError, TypeError):
                self._records = records(json.load(file))
        now = self._clock()
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.full(now)}
        return bool(message)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, (host, port, *_) = listener.accept()
            except BlockingIOError:
                return
            except OSError:  # gone again, or no descriptor left
                self._evict()
                return
            sock.setblocking(False)
            vif = sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) & VIF_BITS
            record = self._records.get(vif)
            who, group = (_who(record), record["app"]) if record else ("", "")
            if self._too_many(group):
                with suppress(OSError):
                    sock.send(BUSY)
                sock.close()
                continue
            if len(self._clients) >= limits.ALL_CONNECTIONS:
                self._evict()
            client = Client(sock, _caller(host, port), vif, who, group)
            client.exchange = Exchange(partial(self._respond, client))
            client.deadline = self._clock() + limits.REQUEST_SECONDS
            self._clients.add(client)
            self._selector.register(sock, selectors.EVENT_READ, client)

    def _too_many(self, group: str) -> bool:
        if sum(client.group == group for client in self._clients) >= limits.CONNECTIONS:
            return True
        bucket = self._buckets.get(group)
        return bucket is not None and bucket.empty(self._clock())

    def _serve(self, client: Client) -> None:
        """Go on with a client that can be read from, or written to."""
        try:
            if not client.out:
                data = client.sock.recv(CHUNK)
                if client.parting:
                    if not data:
                        self._close(client)
                    return
                client.out = client.exchange.receive(data)
            while client.out:
                client.out = client.out[client.sock.send(client.out) :]
                if not client.out:
                    self._want(client, selectors.EVENT_READ, limits.REQUEST_SECONDS)
                    client.out = client.exchange.proceed()
            if client.exchange.over:
                client.parting = True
                client.sock.shutdown(socket.SHUT_WR)
                self._want(client, selectors.EVENT_READ, limits.PARTING_SECONDS)
        except BlockingIOError:
            if client.out:
                self._want(client, selectors.EVENT_WRITE, limits.ANSWER_SECONDS)
        except OSError:
            self._close(client)

    def _want(self, client: Client, events: int, seconds: float) -> None:
        key = self._selector.get_key(client.sock)
        if key.events != events or events == selectors.EVENT_READ:
            client.deadline = self._clock() + seconds
        if key.events != events:
            self._selector.modify(client.sock, events, client)

    def _respond(self, client: Client, method: str, target: str) -> Answer:
        now = self._clock()
        bucket = self._buckets.setdefault(client.group, limits.Bucket(now))
        if wait := bucket.take(now):
            # The connection ends, too: an answer would cost as much as what was refused.
            return sentence(429, "too many requests", ("Retry-After", str(ceil(wait))), close=True)
        record = self._records.get(client.vif)
        if record is None or _who(record) != client.who:
            # Unknown, or the id was given to somebody else while the connection was open.
            return sentence(403, STRANGER, close=True)
        return answer(method, target, Asker(record, client.caller))

    def _evict(self) -> None:
        """Close the client that has been waited for the longest."""
        if self._clients:
            self._close(min(self._clients, key=lambda client: client.deadline))

    def _close(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.sock)
            client.sock.close()


def records(data: dict[str, Any]) -> dict[int, Record]:
    """Return the records by interface id; what all of them share is added to each."""
    shared = data["shared"]
    return {int(vif): {**shared, **record} for vif, record in data["vifs"].items()}


def _caller(host: str, port: int) -> str:
    """Write an address and port; that of IPv6 in brackets, and without the name that its link has here."""
    return f"[{host.partition('%')[0]}]:{port}" if ":" in host else f"{host}:{port}"


def _who(record: Record) -> str:
    return f"{record['app']}/{record['interface']}"
