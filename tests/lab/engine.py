"""A stand-in for the container engine: docker's API on /run/docker.sock, as far as netnsmgr asks, and "containers" that are
the lab's applications.

It answers what docker 20.10 answers (recorded in tests/unit/kernel/docker.json): headers, chunks, fields.  A container that
is started again has a new network namespace, pinned below /run/docker/netns (``SandboxKey``) and as that of its ``AppHost``; one
that ends takes its processes along.  The server listens from outside of the lab's process namespace, so that ``State.Pid``
means nothing to the device: there it is as in a container.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import socketserver
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.app import AppHost
from tests.lab.process import LabError

if TYPE_CHECKING:
    from tests.lab.lab import Lab

SOCKET = "/run/docker.sock"
SANDBOXES = "/run/docker/netns"
Message = dict[str, Any]


@dataclass
class Container:
    """``app``: whose namespace it is; ``mode``: the network, as ``docker run --network`` has it."""

    id: str
    name: str
    app: str
    mode: str
    sandbox: str = ""
    running: bool = False


class _Subscriber:
    """Who is told events; an end of a socket pair has them, so that one can wait for them and for its hanging up."""

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = wanted
        self.events, self._told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def tell(self, event: Message) -> None:
        self._told.send(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        self.events.close()
        self._told.close()


class Engine:
    """The engine of a lab; answers from its making on, until ``close``, and again after ``open``."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}
        self._subscribers: list[_Subscriber] = []
        self._made = 0
        self._server: _Server | None = None
        self.asked = 0
        self._sh(
            f"mkdir -p {SANDBOXES}; touch {SANDBOXES}/default; mount --bind /proc/1/ns/net {SANDBOXES}/default"
        )
        self.open()

    # --- the engine

    def open(self) -> None:
        """Listen; the containers are as they were."""
        place = str(self._lab.path(SOCKET))
        self._server = _Server(place, self)
        os.chmod(place, 0o660)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """End the engine, as SIGKILL does: containers go on, connections end, the socket stays and refuses."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def remove_socket(self) -> None:
        """Take the socket's file away, as when the engine is uninstalled."""
        self._lab.path(SOCKET).unlink()

    @property
    def listeners(self) -> int:
        """How many are told events now."""
        return len(self._subscribers)

    # --- containers

    def run(self, name: str, *, network: str = "none", app: str = "") -> AppHost:
        """``docker run --name NAME --network NETWORK``: the application in it; its own name may be another (``app``).

        With none it has the application's namespace, which goes on as it is, if there is one.
        """
        self.create(name, network=network, app=app)
        self.start(name)
        return self._lab.app(app or name)

    def create(self, name: str, *, network: str = "none", app: str = "") -> None:
        """``docker create``."""
        if name in self._containers:
            raise LabError(f"the name {name} is already in use")
        if network.startswith("container:"):
            network = f"container:{self.id(network.partition(':')[2])}"
        self._made += 1
        identity = hashlib.sha256(f"{name} {self._made}".encode()).hexdigest()
        self._containers[name] = Container(identity, name, app or name, network)
        self._tell("create", name)

    def start(self, name: str) -> None:
        """``docker start``: in a new namespace, or in the one that its application has already."""
        container = self._containers[name]
        if container.running:
            return
        if container.mode == "none":
            known = self._lab.apps.pop(container.app, None)
            made = self._lab.app(container.app)
            if known is not None:
                # Whoever holds it goes on with it; of its leases nothing is true any more.
                self._lab.apps[container.app] = known
                known.leases = made.leases
            self._made += 1
            container.sandbox = f"{SANDBOXES}/{hashlib.sha256(str(self._made).encode()).hexdigest()[:12]}"
            self._sh(
                f"touch {container.sandbox}; mount --bind /run/netns/{container.app} {container.sandbox}"
            )
        elif container.mode == "host":
            container.sandbox = f"{SANDBOXES}/default"
        container.running = True
        self._tell("start", name)

    def stop(self, name: str) -> None:
        """``docker stop``: its processes end, and its namespace goes."""
        container = self._containers[name]
        if not container.running:
            return
        container.running = False
        if container.mode == "none":
            self._sh(
                f"ip netns pids {container.app} | xargs -r kill -9; umount {container.sandbox}; "
                f"rm {container.sandbox}; ip netns del {container.app}"
            )
        container.sandbox = ""
        self._tell("die", name, exitCode="137")

    def restart(self, name: str) -> AppHost:
        """``docker restart``: the application, in a new namespace and without its processes."""
        self.stop(name)
        self.start(name)
        return self._lab.app(self._containers[name].app)

    def rename(self, name: str, new: str) -> None:
        """``docker rename``."""
        container = self._containers[new] = self._containers.pop(name)
        container.name = new
        self._tell("rename", new, oldName=f"/{name}")

    def destroy(self, name: str) -> None:
        """``docker rm -f``."""
        self.stop(name)
        self._tell("destroy", name)
        del self._containers[name]

    def clear(self) -> None:
        """``docker rm -f`` of all, and forget the applications that were in them."""
        for name, container in list(self._containers.items()):
            self.destroy(name)
            self._lab.apps.pop(container.app, None)

    def id(self, name: str) -> str:
        """The container's id."""
        return self._containers[name].id

    def _sh(self, script: str) -> None:
        self._lab.device.run(["sh", "-ec", script])

    # --- its API

    def inspect(self, asked: str) -> tuple[int, Message]:
        """What ``GET /containers/ASKED/json`` answers: status and body."""
        known = list(self._containers.values())
        exact = [each for each in known if asked in (each.name, each.id)]
        found = exact or [each for each in known if each.id.startswith(asked)]
        if len(found) != 1:
            more = "multiple IDs found with provided prefix" if found else "No such container"
            return (400 if found else 404), {"message": f"{more}: {asked}"}
        (one,) = found
        state = {
            "Status": "running" if one.running else "exited",
            "Running": one.running,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": 4711 if one.running else 0,
            "ExitCode": 0 if one.running else 137,
        }
        network = {"SandboxID": one.id[::-1], "SandboxKey": one.sandbox, "Networks": {one.mode: {}}}
        return 200, {
            "Id": one.id,
            "Name": f"/{one.name}",
            "State": state,
            "HostConfig": {"NetworkMode": one.mode},
            "NetworkSettings": network,
        }

    def subscribe(self, filters: Message) -> _Subscriber:
        subscriber = _Subscriber(list(filters.get("event", ())))
        with self._lock:
            self._subscribers.append(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: _Subscriber) -> None:
        with self._lock:
            self._subscribers.remove(subscriber)
            subscriber.close()

    def _tell(self, action: str, name: str, **more: str) -> None:
        identity = self._containers[name].id
        event = {
            "status": action,
            "id": identity,
            "from": "lab",
            "Type": "container",
            "Action": action,
            "Actor": {"ID": identity, "Attributes": {"image": "lab", "name": name} | more},
            "scope": "local",
            "time": int(time.time()),
            "timeNano": time.time_ns(),
        }
        with self._lock:
            for subscriber in self._subscribers:
                if not subscriber.wanted or action in subscriber.wanted:
                    subscriber.tell(event)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: str, engine: Engine) -> None:
        if os.path.exists(place):
            os.unlink(place)
        self.engine = engine
        self._open: set[socket.socket] = set()
        super().__init__(place, _Handler)

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

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
