"""The lab's cables: ``poc/wires`` read, and pairs of veth put between the network namespaces of hosts.

``python -m poc.wires`` does so for containers, and again whenever one was started: with a container its network namespace
goes, and every cable that ended there.  It is a container itself (``poc/compose.yaml``), which sees the engine's socket and
its network namespaces; so nobody has to be root outside, and ``docker restart gw`` needs no helping hand.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

FILE = Path(__file__).with_name("wires")
SOCKET = "/run/docker.sock"


@dataclass(frozen=True)
class End:
    """One end of a wire.  With addresses it is up, and without bare and down; ``router`` is the host's default one."""

    host: str
    link: str
    addresses: tuple[str, ...] = ()
    router: str = ""

    @classmethod
    def parse(cls, text: str) -> End:
        place, _, rest = text.partition("=")
        host, _, link = place.partition(":")
        addresses, _, router = rest.partition(">")
        return cls(host, link, tuple(filter(None, addresses.split(","))), router)

    def lines(self) -> list[str]:
        """What ``ip -batch`` has to do in the host's namespace once the link is there."""
        lines = [f"address add {address} dev {self.link}" for address in self.addresses]
        lines += [f"link set {self.link} up"] if self.addresses else []
        return [*lines, *([f"route replace default via {self.router}"] if self.router else [])]


@dataclass(frozen=True)
class Wire:
    near: End
    far: End

    def line(self, netns: Mapping[str, str]) -> str:
        """What ``ip -batch`` has to do anywhere, to put it between the namespaces of its hosts."""
        near, far = self.near, self.far
        peer = f"peer name {far.link} netns {netns[far.host]}"
        return f"link add {near.link} netns {netns[near.host]} type veth {peer}"


def read(file: Path = FILE) -> list[Wire]:
    lines = (line.partition("#")[0].split() for line in file.read_text().splitlines())
    return [Wire(*map(End.parse, ends)) for ends in lines if ends]


def lay(wires: Iterable[Wire], netns: Mapping[str, str]) -> Iterator[str]:
    """Put what is missing between hosts that have a namespace (a path); the names of what was put, or why it was not.

    The near end's alias says which namespace the far end was put into: the far end itself may have been moved on (a switch
    takes its port), and that of a namespace that is no more lives on for a while.
    """
    for wire in wires:
        near, far = wire.near, wire.far
        if near.host not in netns or far.host not in netns:
            continue
        alias = f"wire to {far.host} {Path(netns[far.host]).name}"
        shown = ip(netns[near.host], "-json", "link", "show", "dev", near.link, check=False)
        if shown and json.loads(shown)[0].get("ifalias") == alias:
            continue
        try:
            # What is left of a former wire goes in its own time with the namespace at its other end.
            for end in (near, far):
                ip(netns[end.host], "link", "delete", end.link, check=False)
            ip(netns[near.host], "-batch", "-", text=wire.line(netns))
            for end in (far, near):
                ip(netns[end.host], "-batch", "-", text="\n".join(end.lines()))
            ip(netns[near.host], "link", "set", near.link, "alias", alias)
            yield f"{near.host}:{near.link}"
        except subprocess.CalledProcessError as error:
            # A container ended meanwhile; its next start leads here again.
            yield f"{near.host}:{near.link} (not yet: {error.stderr.splitlines()[0]})"


def ip(netns: str, *arguments: str, text: str = "", check: bool = True) -> str:
    argv = ["nsenter", f"--net={netns}", "ip", *arguments]
    return subprocess.run(argv, input=text, text=True, check=check, capture_output=True).stdout


# --- the engine


class Engine(HTTPConnection):
    """A connection to the engine's API (docs.docker.com/reference/api/engine) by its socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)

    def ask(self, path: str) -> HTTPResponse:
        self.request("GET", path)
        return self.getresponse()


def namespaces(hosts: Iterable[str]) -> dict[str, str]:
    """Where the network namespaces of those containers are pinned that run."""
    engine, found = Engine("engine"), {}
    for host in hosts:
        answer = engine.ask(f"/containers/{host}/json")
        container: dict[str, Any] = json.loads(answer.read())
        if answer.status == 200 and container["State"]["Running"]:
            found[host] = container["NetworkSettings"]["SandboxKey"]
    return found


def starts() -> Iterator[str]:
    """The names of containers as they are started; first an empty one, when nothing can go unnoticed any more."""
    filters = quote(json.dumps({"type": ["container"], "event": ["start"]}))
    with Engine("engine").ask(f"/events?filters={filters}") as events:
        yield ""
        for line in events:
            yield json.loads(line)["Actor"]["Attributes"]["name"]


def main() -> None:
    wires = read()
    hosts = {end.host for wire in wires for end in (wire.near, wire.far)}
    for name in starts():
        if not name or name in hosts:
            print(name or "looking", *lay(wires, namespaces(hosts)), flush=True)


if __name__ == "__main__":
    main()
