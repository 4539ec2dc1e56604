"""An instance's WireGuard tunnels over time, with its agent's own steps: judged, looked for, told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netnsmgr.agent.wireguard import WireguardWatch
from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import wireguard
from netnsmgr.features.vpn.facts import VpnFacts
from tests.kernel.netstage import HEAD
from tests.kernel.stage import Stage, sh, stage
from tests.kernel.told import told
from tests.kernel.wireguardstage import (
    FAR4,
    FAR6,
    KERNEL,
    KEYS,
    born,
    far,
    key,
    moved,
    needed,
    preshared,
    wire,
)
from tests.lab import isolated
from tests.lab.patience import patient

pytestmark = needed
BIRTH = "nmw-agent.wg0"


class Looped:
    """An agent's loop, without what it does besides: what is wanted, done, followed, told."""

    def __init__(self, agent: Stage, *tunnels: dict[str, Any], names: dict[str, str], six: bool) -> None:
        self.agent, self.names, self.errors = agent, names, [""]
        self.watch = WireguardWatch()
        self._wake = asyncio.Event()
        self.watch.changed = self._wake.set
        subnets = ["10.1.0.0/24", *(["fd01::/64"] if six else [])]
        spec: dict[str, Any] = {
            "subnets": subnets,
            "ports": ["eth0"],
            **({"ipv6": {"uplink": "nat66"}} if six else {}),
            "vpn": {"wireguard": {"tunnels": list(tunnels)}},
        }
        instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
        device = HEAD | {
            "kind": "Device",
            "metadata": {"name": "edge"},
            "spec": {"ports": [{"name": "eth0"}]},
        }
        self._scope = told(device, instance, link=LinkFacts(state="ready"))
        self.passes = 0
        self._done = False

    async def scope(self) -> InstanceScope:
        links = await self.agent.system.rtnl.links()
        there = tuple(
            (each.name, links[each.name].ifindex)
            for each in wireguard.tunnels(self._scope)
            if each.name in links
        )
        found = {name: tuple(map(ip_address, written.split())) for name, written in self.names.items()}
        facts = VpnFacts("", "kernel" if KERNEL else "wireguard-go", found, links=there)
        return replace(self._scope, vpn=self.watch.add(facts))

    async def run(self) -> None:
        while True:
            self._wake.clear()
            self._done = False
            self.passes += 1
            self.agent.system.refresh()
            scope = await self.scope()
            items: list[Item] = wireguard.items(scope)
            self.watch.follow(scope)
            try:
                # Not ``bring``: a link that has just gone has its parameters for a moment longer.
                while await self.agent.once(*items):
                    pass
                self.errors.append("")
                self._done = True
            except KernelError as error:
                self.errors.append(str(error))
            await self._wake.wait()

    def wake(self) -> None:
        self._wake.set()

    @property
    def done(self) -> bool:
        """Whether everything is as it shall be: ``sh`` holds up the loop."""
        return self._done

    @property
    def row(self) -> dict[str, Any]:
        return next(iter(self.watch.rows()), {"state": "not looked at"})

    async def until(self, condition: Callable[[], object], seconds: float = 15.0) -> None:
        async with asyncio.timeout(patient(seconds)):
            while not condition():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def looped(*tunnels: dict[str, Any], six: bool = False, **names: str) -> AsyncIterator[Looped]:
    async with stage() as agent:
        made = Looped(agent, *tunnels, names={k.replace("_", "."): v for k, v in names.items()}, six=six)
        agent.system.rtnl.ipv6 = six
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            assert not task.done() or task.exception() is None
            task.cancel()
            made.watch.close()
            await asyncio.wait([task])


def wg0(*peers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "wg0",
        "addresses": ["10.9.0.2/24"],
        "privateKey": {"file": f"{KEYS}/wg0"},
        "peers": list(peers),
        **more,
    }


def hub(public: str, endpoint: str | None, **more: Any) -> dict[str, Any]:
    return {
        "name": "hub",
        "publicKey": public,
        "allowedIps": ["10.9.0.0/24"],
        **({"endpoint": endpoint} if endpoint else {}),
        **more,
    }


def back(public: str) -> str:
    return f"[Peer]\nPublicKey = {public}\nAllowedIPs = 10.9.0.2/32"


@isolated
async def test_up_without_traffic() -> None:
    """A tunnel without keepalive is tried once it is there, told as it is, and asked less and less while nothing happens."""
    with wire():
        public = far("hub", "10.9.0.1/24", port=51820, peers=back(key("wg0")))
        born(BIRTH)
        async with looped(wg0(hub(public, f"{FAR4}:51820"))) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up")
            (peer,) = it.row["peers"]
            assert (peer["state"], peer["endpoint"], peer["handshake"] > 1_600_000_000) == (
                "up",
                f"{FAR4}:51820",
                True,
            )
            assert (it.row["mtu"], it.row["publicKey"]) == (1436, sh(f"wg pubkey <{KEYS}/wg0"))
            assert it.watch.reasons() == []
            assert Path("/sys/class/net/wg0/mtu").read_text() == "1436\n"
            passes = it.passes
            await asyncio.sleep(3)
            assert it.passes - passes <= 1
            assert "PrivateKey" not in json.dumps(it.row)
            assert (KEYS / "wg0").read_text().strip() not in json.dumps(it.row)


@partial(isolated, timeout=60.0)
async def test_nobody_answers() -> None:
    """A peer that does not answer is told, with where it was looked for; of two addresses the other is tried."""
    with wire():
        key("wg0")
        public = far("hub", "10.9.0.1/24", port=51820, peers=back(sh(f"wg pubkey <{KEYS}/wg0")))
        sh("ip -n far addr del 192.0.2.2/24 dev wire1")
        born(BIRTH)
        async with looped(wg0(hub(public, "hub.site:51820")), hub_site="") as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(
                lambda: (
                    "tunnel wg0: the address of hub.site (peer hub) is not known yet" in it.watch.reasons()
                )
            )
            it.names["hub.site"] = f"{FAR4} {FAR6}"
            it.wake()
            await it.until(
                lambda: f"tunnel wg0: no handshake with peer hub ({FAR4}:51820) yet" in it.watch.reasons()
            )
            assert it.row["state"] == "connecting"
            await it.until(lambda: it.row["state"] == "up", 40)
            assert it.row["peers"][0]["endpoint"] == f"[{FAR6}]:51820"


@isolated
async def test_a_name_that_moves() -> None:
    """A name that gets another address is followed at once."""
    with wire():
        key("wg0")
        public = far("hub", "10.9.0.1/24", port=51820, peers=back(sh(f"wg pubkey <{KEYS}/wg0")))
        sh("ip -n far addr add 192.0.2.3/24 dev wire1")
        born(BIRTH)
        async with looped(wg0(hub(public, "hub.site:51820")), hub_site=FAR4) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up")
            it.names["hub.site"] = "192.0.2.3"
            sh("ip -n far addr del 192.0.2.2/24 dev wire1; ip -n far addr add 192.0.2.3/24 dev wire1 || true")
            it.wake()
            await it.until(lambda: it.row["peers"][0]["endpoint"] == "192.0.2.3:51820")
            sh("ping -c 1 -W 6 10.9.0.1")


@isolated
async def test_a_server_that_clients_call() -> None:
    """A tunnel whose peers call is up, whether or not they do; where they come from is told."""
    with wire():
        server = key("wg0")
        client = far(
            "client",
            "10.9.0.7/24",
            port=999,
            peers=f"[Peer]\nPublicKey = {server}\nAllowedIPs = 10.9.0.0/24\nEndpoint = 192.0.2.1:4000",
        )
        born(BIRTH)
        async with looped(wg0(hub(client, None), listenPort=4000)) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up" and it.done)
            assert (it.row["peers"][0]["state"], it.row["peers"][0]["handshake"], it.row["mtu"]) == (
                "idle",
                None,
                1420,
            )
            sh("ip netns exec far ping -c 1 -W 6 10.9.0.2")
            await it.until(lambda: it.row["peers"][0]["state"] == "up")
            assert it.row["peers"][0]["endpoint"] == f"{FAR4}:999"


@isolated
async def test_a_killed_interface() -> None:
    """An interface that is gone is told, and one that comes in its place is set up by itself."""
    with wire():
        key("wg0")
        public = far("hub", "10.9.0.1/24", port=51820, peers=back(sh(f"wg pubkey <{KEYS}/wg0")))
        born(BIRTH)
        async with looped(wg0(hub(public, f"{FAR4}:51820"))) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up" and it.done)
            sh("ip link del wg0")
            it.wake()
            await it.until(lambda: it.watch.reasons() == ["tunnel wg0: its interface is not there"])
            assert it.row["state"] == "down"
            await it.until(lambda: KERNEL or not Path(f"/run/wireguard/{BIRTH}.sock").exists())
            born(BIRTH)
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up" and it.done)
            sh("ping -c 1 -W 6 10.9.0.1")


@isolated
async def test_a_changed_key_file() -> None:
    """A key's file that is changed while nobody asks is seen by itself, wrong or right."""
    with wire():
        key("wg0")
        psk = preshared("psk")
        public = far(
            "hub",
            "10.9.0.1/24",
            port=51820,
            peers=f"{back(sh(f'wg pubkey <{KEYS}/wg0'))}\nPresharedKey = {Path(psk).read_text().strip()}",
        )
        born(BIRTH)
        async with looped(wg0(hub(public, f"{FAR4}:51820", presharedKey={"file": psk}))) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up")
            good = Path(psk).read_text()
            Path(psk).unlink()
            await it.until(lambda: f"there is no file {psk}" in it.errors[-1])
            sh(f"umask 077; echo '{good}' >{psk}")
            await it.until(lambda: it.errors[-1] == "")
            assert Ref("wireguard", "wg0") in await it.agent.observe(*wireguard.items(await it.scope()))


@isolated
async def test_several_tunnels() -> None:
    """Two tunnels of one instance to peers with keys and ports of their own, IPv4 and IPv6 inside and outside; each has its state."""
    with wire():
        one = far("one", "10.9.0.1/24", port=51820, peers=back(key("wg0")))
        second = f"[Peer]\nPublicKey = {key('wg1')}\nAllowedIPs = fd09::2/128"
        two = far("two", "fd09::1/64", port=51821, peers=second)
        born(BIRTH)
        born("nmw-agent.wg1")
        wg1 = {
            "name": "wg1",
            "addresses": ["fd09::2/64"],
            "privateKey": {"file": f"{KEYS}/wg1"},
            "peers": [hub(two, f"[{FAR6}]:51821", allowedIps=["fd09::/64"], keepalive=25)],
        }
        async with looped(wg0(hub(one, f"{FAR4}:51820")), wg1, six=True) as it:
            moved(BIRTH, "wg0")
            it.wake()
            await it.until(lambda: it.row["state"] == "up")
            assert it.watch.reasons() == ["tunnel wg1: its interface is not there"]
            moved("nmw-agent.wg1", "wg1")
            it.wake()
            await it.until(lambda: [row["state"] for row in it.watch.rows()] == ["up", "up"] and it.done)
            assert [row["mtu"] for row in it.watch.rows()] == [1436, 1420]
            sh("ping -c 1 -W 6 10.9.0.1; ping -c 1 -W 6 fd09::1")
