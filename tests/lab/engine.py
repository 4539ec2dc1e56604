"""A stand-in for the container engine: docker's API on /run/docker.sock, as far as netnsmgr asks, and "containers" that are
the lab's applications.

It answers what docker 20.10 answers (recorded in tests/unit/kernel/docker.json): headers, chunks, fields.  A container that
is started again has a new network namespace, pinned below /run/docker/netns (``SandboxKey``) and as that of its ``AppHost``; one
that ends takes its processes along.  The server listens from outside of the lab's process namespace, so that ``State.Pid``
means nothing to the device: there it is as in a container.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.app import AppHost
from tests.lab.engine_http import Message, Server, Subscriber
from tests.lab.process import LabError

if TYPE_CHECKING:
    from tests.lab.lab import Lab

SOCKET = "/run/docker.sock"
SANDBOXES = "/run/docker/netns"


@dataclass
class Container:
    """``app``: whose namespace it is; ``mode``: the network, as ``docker run --network`` has it."""

    id: str
    name: str
    app: str
    mode: str
    sandbox: str = ""
    running: bool = False


class Engine:
    """The engine of a lab; answers from its making on, until ``close``, and again after ``open``."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}
        self._subscribers: list[Subscriber] = []
        self._made = 0
        self._server: Server | None = None
        self.asked = 0
        self._sh(
            f"mkdir -p {SANDBOXES}; touch {SANDBOXES}/default; mount --bind /proc/1/ns/net {SANDBOXES}/default"
        )
        self.open()

    # --- the engine

    def open(self) -> None:
        """Listen; the containers are as they were."""
        place = str(self._lab.path(SOCKET))
        self._server = Server(place, self)
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

    def subscribe(self, filters: Message) -> Subscriber:
        subscriber = Subscriber(list(filters.get("event", ())))
        with self._lock:
            self._subscribers.append(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
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
