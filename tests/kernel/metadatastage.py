"""An instance with its metadata service and the namespaces of applications, without its agent."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, metadata, vif
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import Directory
from tests.kernel.stage import ETC, Stage, sh, stage
from tests.kernel.told import told

Document = dict[str, Any]
URL = "http://169.254.169.254"
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
SUBNET = "10.10.1"
SECRET = "#cloud-config\npassword: s3cr3t-ü\n"
GIVEN = {"userData": SECRET, "metaData": {"site": 'north "1"'}}


def app(name: str, given: Document | None = None) -> Document:
    interface = {"name": "eth0", "network": "agent"}
    spec = {"attach": {"netns": name}, "interfaces": [interface]} | ({"metadata": given} if given else {})
    return HEAD | {"kind": "App", "metadata": {"name": name}, "spec": spec}


def scope(*apps: Document, air_gapped: bool = True) -> InstanceScope:
    ports = [] if air_gapped else ["eth0"]
    spec = {"subnets": [f"{SUBNET}.0/24"], "ports": ports, "dhcp": {}}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    link = LinkFacts(addresses=(IPv4Address("192.0.2.7"), IPv4Address("169.254.3.3")))
    return told(device, instance, *apps, link=link)


def items(of: InstanceScope) -> list[Item]:
    far = [item for app, interface in of.interfaces for item in vif.items(of, app, interface)]
    return [Directory(ETC), *bridge.items(of), *far, *metadata.items(of)]


@asynccontextmanager
async def served(*names: str, **more: Any) -> AsyncIterator[tuple[Stage, InstanceScope]]:
    """A service for these applications, each with its own address and the marks of its packets.

    The first one has user data; the namespaces are those of applications without a default route.
    """
    os.chmod("/run", 0o755)  # a helper of another user has to get there
    for name in names:
        sh(f"ip netns add {name}; ip -n {name} link set lo up")
    of = scope(*(app(name, GIVEN if n == 0 else None) for n, name in enumerate(names)), **more)
    async with stage() as agent:
        assert "create process/metadata" in await agent.bring(*items(of))
        mark({name: n for n, name in enumerate(names, 1)})
        for n, name in enumerate(names, 1):
            configure(name, n)
        yield agent, of


def mark(ids: dict[str, int]) -> None:
    """Mark packets by the interface that they come in by, as the table of the access lists does."""
    rules = "\n".join(f'iifname "{name}.eth0" meta mark set {n}' for name, n in ids.items())
    table = f"table bridge marks {{ chain p {{ type filter hook prerouting priority -300\n{rules}\n}}\n}}"
    sh(f"nft 'add table bridge marks; delete table bridge marks; {table}'")


def configure(name: str, host: int) -> None:
    sh(
        f"ip -n {name} address add {SUBNET}.{10 + host}/24 dev eth0; ip -n {name} link set eth0 up\n"
        f"ip -n {name} route add 169.254.169.254 via {SUBNET}.1"
    )


def listening() -> None:
    """Wait until the service is there: a helper that stays counts as ready from its start."""
    for _ in range(100):
        if "169.254.169.254:80" in sh("ss -Hltn"):
            return
        time.sleep(0.02)
    raise AssertionError(sh("ss -ltn; ps ax"))


def curl(name: str, path: str, *options: str) -> tuple[int, str]:
    """Ask from an application's namespace; status and body."""
    listening()
    argv = ["ip", "netns", "exec", name, "curl", "-sS", "-m10", "-w", "\n%{http_code}", *options, URL + path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


async def until(name: str, path: str, answer: tuple[int, str]) -> None:
    for _ in range(100):
        if (found := curl(name, path)) == answer:
            return
        await asyncio.sleep(0.02)  # SIGHUP has no answer
    raise AssertionError(found)


def processes(agent: Stage) -> tuple[int, int]:
    """The process that holds the files, and the one that answers; both are there when anybody is answered."""
    own = subprocess.run(
        ["curl", "-sS", "--retry", "9", "--retry-connrefused", URL], check=True, capture_output=True
    )
    assert b"netnsmgr" in own.stdout
    (info,) = [info for info in agent.system.processes.running() if info.name == "metadata"]
    children = Path(f"/proc/{info.pid}/task/{info.pid}/children").read_text().split()
    return info.pid, int(children[0])


def connect(name: str) -> socket.socket:
    """A connection from an application's namespace, made by a process of its own that hands it over."""
    ours, theirs = socket.socketpair()
    script = (
        "import socket,sys\n"
        "s=socket.create_connection(('169.254.169.254',80),5)\n"
        "socket.send_fds(socket.socket(fileno=int(sys.argv[1])),[b'x'],[s.fileno()])\n"
    )
    argv = ["ip", "netns", "exec", name, sys.executable, "-c", script, str(theirs.fileno())]
    subprocess.run(argv, check=True, pass_fds=[theirs.fileno()])
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    theirs.close()
    made = socket.socket(fileno=fds[0])
    made.settimeout(20)
    return made
