"""A switch by hand with its metadata service and the namespaces of applications, without its agent."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from netnsmgr.core.item import Item
from netnsmgr.features.instance import intent
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import Directory
from netnsmgr.items.port import BorrowedPort
from tests.kernel.stage import ETC, Stage, sh, stage
from tests.kernel.told import told
from tests.lab.patience import patient

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
SITE = "192.168.3"


def app(name: str, given: Document | None = None) -> Document:
    spec = {"attach": {"netns": name}, "interfaces": [{"name": "eth0", "network": "agent"}]}
    return HEAD | {
        "kind": "App",
        "metadata": {"name": name},
        "spec": spec | ({"metadata": given} if given else {}),
    }


def scope(*apps: Document) -> InstanceScope:
    """A switch with the port eth3 and these applications."""
    spec = {"type": "switch", "ports": ["eth3"]}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth3"}]}}
    return told(device, instance, *apps, link=LinkFacts(1, "ready", told=True))


def items(of: InstanceScope) -> list[Item]:
    """All that the switch's agent wants, but for what gives its port back: there is no uplink agent here."""
    found = [item for group in intent(of).values() for item in group]
    return [Directory(ETC), *(item for item in found if not isinstance(item, BorrowedPort))]


@asynccontextmanager
async def served(*apps: Document) -> AsyncIterator[tuple[Stage, InstanceScope]]:
    """A switch whose port leads to a namespace `site`, and its service for these applications.

    The n-th application has 192.168.3.10 + n and a router that does not answer, but has a MAC address.
    """
    os.chmod("/run", 0o755)  # a helper of another user has to get there
    names = [each["metadata"]["name"] for each in apps]
    sh("\n".join(f"ip netns add {name}; ip -n {name} link set lo up" for name in (*names, "site")))
    sh("""
    ip link add eth3 type veth peer name eth3 netns site; ip -n site link set eth3 addrgenmode none up
    """)
    of = scope(*apps)
    async with stage() as agent:
        agent.system.rtnl.ipv6 = True
        assert "create process/metadata" in await agent.bring(*items(of))
        for n, name in enumerate(names, 1):
            configure(name, n)
        yield agent, of


def configure(name: str, host: int) -> None:
    sh(f"""
    ip -n {name} address add {SITE}.{10 + host}/24 dev eth0
    ip -n {name} link set eth0 up
    ip -n {name} neighbour add {SITE}.1 lladdr 02:00:00:00:00:99 dev eth0
    ip -n {name} route add default via {SITE}.1
    """)


def curl(name: str, url: str) -> str:
    """What the service answers an application, when it listens (a helper that stays counts as ready from its start)."""
    for _ in range(int(patient(200))):
        if sh("ss -Hltn 'sport = 80'").count("LISTEN") == 3:
            break
        time.sleep(0.02)
    argv = ["ip", "netns", "exec", name, "curl", "-gsS", f"-m{patient(5)}", url]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout
