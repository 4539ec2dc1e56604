"""An instance with two applications and a site, without its agent: what the flow log and "names" are tried on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netnsmgr.core.item import Item, Ref
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import given_dir
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.system import ProcessInfo
from netnsmgr.kernel.nfnetlink import Nfnetlink
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.store import Store
from tests.kernel.stage import Stage, sh, stage
from tests.kernel.told import told

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
SITE = "10.99.0.2"
DEVICE = HEAD | {
    "kind": "Device",
    "metadata": {"name": "edge"},
    "spec": {"ports": [{"name": "eth0", "addresses": ["192.0.2.2/24"]}]},
}


class Making(Stage):
    """An agent that leaves alone what it did not make itself: the test has built the links and the tables."""

    async def observe(self, *wanted: Item) -> dict[Ref, Item]:
        refs = {item.ref for item in wanted}
        found = await super().observe(*wanted)
        return {ref: item for ref, item in found.items() if ref in refs or ref.kind in ("process", "file")}


@asynccontextmanager
async def making() -> AsyncIterator[Making]:
    async with stage() as agent:
        yield Making(agent.system)


@asynccontextmanager
async def hub_of_agent() -> AsyncIterator[Hub]:
    """The hub, listening where the agent and its helpers find it."""
    given = Path(given_dir("/run", "agent"))
    given.mkdir(parents=True, exist_ok=True)
    async with Hub("/run", Store("/run/store")) as hub:
        hub.door.open(given, 0)
        yield hub


def app(name: str, address: str, hosts: Sequence[str] = ()) -> Document:
    interface: Document = {"name": "eth0", "network": "agent", "address": address}
    if hosts:
        interface["acl"] = [{"id": n, "match": {"host": host}} for n, host in enumerate(hosts, 1)]
    return HEAD | {
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"attach": {"tap": True}, "interfaces": [interface]},
    }


def scope(
    *, log: bool = True, hosts: Sequence[str] = (), helpers: Sequence[ProcessInfo] = (), run_dir: str = "/run"
) -> InstanceScope:
    """The instance with two applications, the first of which has host rules for these domains."""
    instance = HEAD | {
        "kind": "NetworkInstance",
        "metadata": {"name": "agent"},
        "spec": {
            "ports": ["eth0"],
            "subnets": ["10.10.1.0/24"],
            "dns": {"hosts": {"printer": ["10.10.1.9"]}, "servers": [SITE]},
            "flowLog": log,
        },
    }
    apps = [app("app1", "10.10.1.10", hosts), app("app2", "10.10.1.11")]
    return told(DEVICE, instance, *apps, link=LinkFacts(), run_dir=run_dir, helpers=tuple(helpers))


def build() -> None:
    """The instance's links, two applications and the site, each in a namespace."""
    sh("ip link add bn0 type bridge && ip addr add 10.10.1.1/24 dev bn0 && ip link set bn0 up")
    for name, address in (("app1", "10.10.1.10"), ("app2", "10.10.1.11")):
        sh(
            f"ip netns add {name}; ip link add {name}.eth0 type veth peer name eth0 netns {name};"
            f"ip link set {name}.eth0 master bn0 up; ip -n {name} addr add {address}/24 dev eth0;"
            f"ip -n {name} link set eth0 up; ip -n {name} route add default via 10.10.1.1"
        )
    sh(
        "ip netns add site; ip link add uplink type veth peer name eth0 netns site;"
        f"ip addr add 10.99.0.1/24 dev uplink; ip link set uplink up; ip -n site addr add {SITE}/24 dev eth0;"
        "ip -n site link set eth0 up; ip -n site link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward;"
        "echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables"
    )


@asynccontextmanager
async def upstream(address: str = SITE) -> AsyncIterator[None]:
    """The site's DNS server."""
    program = Path(__file__).with_name("upstream.py")
    process = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", "site", sys.executable, str(program), address, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"ready\n"
        yield
    finally:
        process.kill()
        await process.wait()


def end_flows() -> None:
    """Have conntrack end every flow now (``conntrack -F``)."""
    door = Nfnetlink(1 << 16)
    door.request(0x102, 0, 0, b"")
    door.close()


class Rows:
    """What the hub hears of a table."""

    def __init__(self, hub: Hub, table: str) -> None:
        self._table = table
        self.hub = hub
        self._changed = asyncio.Event()
        hub.on_change(lambda *_: self._changed.set())

    async def until(self, predicate: Callable[[dict[str, Any]], Any], seconds: float = 10.0) -> Any:
        """Wait until something true is found in the rows, and return it."""
        async with asyncio.timeout(seconds):
            while not (found := predicate(dict(self.hub.rows(self._table)))):
                self._changed.clear()
                await self._changed.wait()
        return found

    async def record(self, app: str, seconds: float = 10.0, /, **wanted: Any) -> dict[str, Any]:
        """Wait for a record of an application that has these fields."""

        def look(rows: dict[str, Any]) -> Any:
            row = rows.get(f"agent/{app}", {"records": ()})
            return next((r for r in row["records"] if wanted.items() <= r.items()), None)

        try:
            found: dict[str, Any] = await self.until(look, seconds)
        except TimeoutError:
            log = Path("/run/agent/flowlog/flowlog.log")
            said = log.read_text() if log.exists() else ""
            raise AssertionError(f"no {wanted} in {self.hub.rows(self._table)}\n{said}") from None
        return found
