"""dnsmasq itself, with the configuration that an instance gives it: it starts, reads again, and lets leases go."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.core.item import Item, Ref
from netnsmgr.features import bridge, dnsmasq
from netnsmgr.features import leases as lease_items
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.lease import Lease, parse
from netnsmgr.kernel.watch import DirectoryWatch
from tests.kernel.stage import sh, stage
from tests.kernel.told import told
from tests.lab import isolated

pytestmark = pytest.mark.root  # dnsmasq drops its groups

Document = dict[str, Any]


def kill(pid: int) -> None:
    """End a process at once and wait until it has ended."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 5)[0]
    finally:
        os.close(pidfd)


LEASES = Path("/run/state/leases/agent/dnsmasq.leases")
INSTANCE: Document = {
    "apiVersion": "netnsmgr/v1alpha1",
    "kind": "NetworkInstance",
    "metadata": {"name": "agent"},
    "spec": {
        "subnets": ["10.10.1.0/24"],
        "dhcp": {"range": "10.10.1.50-10.10.1.150"},
        "dns": {"hosts": {"printer": ["10.10.1.9"]}},
    },
}


def app(name: str, address: str | None = None) -> Document:
    interface = {"name": "eth0", "network": "agent"} | ({"address": address} if address else {})
    return {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"attach": {"tap": True}, "interfaces": [interface]},
    }


def scope(*apps: Document, leases: tuple[Lease, ...] = ()) -> InstanceScope:
    return told(INSTANCE, *apps, link=LinkFacts(), leases=leases)


def items(of: InstanceScope) -> list[Item]:
    return [*bridge.items(of), *dnsmasq.items(of), *lease_items.items(of)]


def read() -> tuple[Lease, ...]:
    return tuple(parse(LEASES.read_text(), bridge.BRIDGE, Ref("process", dnsmasq.NAME)))


def lookup(name: str) -> str:
    return sh(f"dig +short +tries=1 +time=2 @10.10.1.1 {name}")


def prepare(leases: str = "") -> None:
    LEASES.parent.mkdir(parents=True)
    LEASES.write_text(leases)


@isolated
async def test_starts_and_answers() -> None:
    """The configuration is taken, names resolve, and a second plan is empty; so it is for a restarted agent."""
    prepare()
    wanted = items(scope(app("app1", "10.10.1.20")))
    async with stage(leases=read) as agent:
        assert "create process/dnsmasq" in await agent.bring(*wanted)
        assert (lookup("printer.internal"), lookup("app1.internal"), lookup("nobody.internal")) == (
            "10.10.1.9", "10.10.1.20", "",
        )  # fmt: skip
    async with stage(leases=read, fresh=False) as restarted:
        assert await restarted.bring(*wanted) == []


@isolated
async def test_applications_come_and_go_without_a_restart() -> None:
    """An application that joins or leaves changes what dnsmasq knows, and dnsmasq is the same process."""
    prepare()
    async with stage(leases=read) as agent:
        await agent.bring(*items(scope()))
        (before,) = agent.system.processes.running()
        for name, answer in (("app1", "10.10.1.20"), ("app2", "10.10.1.21")):
            done = await agent.bring(*items(scope(app(name, answer))))
            assert all(op.startswith("modify file/") for op in done), done
            for _ in range(100):  # SIGHUP is read after the query that it overtakes
                if lookup(f"{name}.internal") == answer:
                    break
            assert lookup(f"{name}.internal") == answer
        assert lookup("app1.internal") == ""
        assert list(agent.system.processes.running()) == [before]


@isolated
async def test_the_lease_of_an_application_that_has_left_is_let_go() -> None:
    """The lease of an unknown application is removed from dnsmasq's own list, also one that was taken with a
    client identifier; that of a known one stays."""
    known = scope(app("app1")).interfaces[0][1].mac_for("app1")
    prepare(
        f"1999999999 {known} 10.10.1.50 app1 *\n"
        "1999999999 02:16:3e:99:99:99 10.10.1.51 old ff:99:99:99:99:00:02:00:00:ab\n"
    )
    changed = asyncio.Event()
    watch = DirectoryWatch(str(LEASES.parent), changed.set)
    async with stage(leases=read) as agent:
        wanted = items(scope(app("app1"), leases=read()))
        await agent.once(*wanted)
        await agent.once(*wanted)  # now there is somebody to tell
        # Not "until one is left": dnsmasq empties the file before it writes it, and may be seen in between.
        while [lease.mac for lease in read()] != [known]:
            await asyncio.wait_for(changed.wait(), 5)
            changed.clear()
        assert await agent.once(*items(scope(app("app1"), leases=read()))) == []
    watch.close()


@isolated
async def test_a_new_configuration_takes_nobody_s_lease() -> None:
    """When dnsmasq is replaced, or ended by itself, the leases of known applications stay."""
    known = scope(app("app1")).interfaces[0][1].mac_for("app1")
    prepare(f"1999999999 {known} 10.10.1.50 app1 *\n")
    async with stage(leases=read) as agent:
        before = scope(app("app1"), leases=read())
        await agent.bring(*items(before))
        other = replace(before, instance=before.instance.model_copy(
            update={"spec": before.instance.spec.model_copy(update={"mtu": 1400})}
        ))  # fmt: skip
        done = await agent.bring(*items(other))
        assert "create process/dnsmasq" in done
        assert not [op for op in done if "lease/" in op]
        kill(int(Path("/run/agent/dnsmasq/dnsmasq.pid").read_text()))
        done = await agent.bring(*items(other))
        assert done == ["create process/dnsmasq"]
        assert [lease.address for lease in read()] == [IPv4Address("10.10.1.50")]
