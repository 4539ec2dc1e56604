"""HTTP as docker speaks it, for the stand-in of the engine: its headers, its chunks, its stream of events."""

from __future__ import annotations

import json
import os
import select
import socket
import socketserver
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.lab.engine import Engine

Message = dict[str, Any]


class Subscriber:
    """Who is told events; an end of a socket pair has them, so that one can wait for them and for its hanging up."""

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = wanted
        self.events, self._told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def tell(self, event: Message) -> None:
        self._told.send(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        self.events.close()
        self._told.close()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: str, engine: Engine) -> None:
        if os.path.exists(place):
            os.unlink(place)
        self.engine = engine
        self._open: set[socket.socket] = set()
        super().__init__(place, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        self.server.engine.asked += 1

    def version_string(self) -> str:
        return "Docker/20.10.24+dfsg1 (linux)"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match [unquote(part) for part in parts.path.strip("/").split("/")]:
            case ["containers", name, "json"]:
                self._answer(*self.server.engine.inspect(name))
            case ["events"]:
                self._stream(json.loads(parse_qs(parts.query).get("filters", ["{}"])[0]))
            case ["version"]:
                self._answer(200, {"Platform": {"Name": "lab"}, "Version": "20.10.24+dfsg1"})
            case _:
                self._answer(404, {"message": "page not found"})

    def _begin(self, status: int) -> None:
        self.send_response(status)
        for name, value in (
            ("Api-Version", "1.41"),
            ("Content-Type", "application/json"),
            ("Docker-Experimental", "false"),
            ("Ostype", "linux"),
        ):
            self.send_header(name, value)

    def _answer(self, status: int, body: Message) -> None:
        text = json.dumps(body, separators=(",", ":")).encode() + b"\n"
        self._begin(status)
        if status == 200:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(text)
            self._chunk(b"")
        else:
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _stream(self, filters: Message) -> None:
        subscriber = self.server.engine.subscribe(filters)
        try:
            self._begin(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while self.connection not in select.select([self.connection, subscriber.events], [], [])[0]:
                self._chunk(subscriber.events.recv(65536))
        except OSError:
            pass  # the listener has gone
        finally:
            self.server.engine.unsubscribe(subscriber)
            self.close_connection = True
