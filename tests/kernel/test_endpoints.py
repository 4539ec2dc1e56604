"""Names of other ends, resolved by real DNS servers behind the device's ports."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from netnsmgr.agent import endpoints
from netnsmgr.agent.endpoints import Endpoints
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.ip import Version, interface
from netnsmgr.errors import KernelError
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.kernel import resolver
from netnsmgr.kernel.resolver import Server, machine_servers, resolve
from tests.kernel.stage import sh
from tests.lab import isolated
from tests.unit.features.test_portmap import HEAD, device, linked

pytestmark = pytest.mark.root

BOTH: tuple[Version, ...] = (4, 6)
SIX: tuple[Version, ...] = (6,)
SERVER = Server(ip_address("192.168.0.1"), "eth0")
SERVER6 = Server(ip_address("fd00::1"), "eth0")
NOBODY = Server(ip_address("192.168.0.9"), "eth0")


def port(name: str, address: str = "192.168.0.2/24") -> None:
    """A port of the device; at its other end, in a namespace of the same name, is 192.168.0.1."""
    sh(f"""ip netns add {name}; ip link add {name} type veth peer name site netns {name}
           ip addr add {address} dev {name}; ip addr add fd00::2/64 dev {name} nodad; ip link set {name} up
           ip -n {name} addr add 192.168.0.1/24 dev site; ip -n {name} addr add fd00::1/64 dev site nodad
           ip -n {name} link set site up""")


@contextmanager
def dns(netns: str, hosts: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A DNS server that reads this file of hosts, and again on SIGHUP; it answers when this begins."""
    Path(f"/run/{netns}.hosts").write_text(hosts)
    argv = ["ip", "netns", "exec", netns, "dnsmasq", "-k", "-C", "/dev/null", "-h", "-R", "--user=root", "--log-facility=-",
            "--local=/example.com/", "--bind-interfaces", f"--addn-hosts=/run/{netns}.hosts", *options]  # fmt: skip
    with subprocess.Popen([*argv, "-x", ""], stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        while b"read /run" not in (line := running.stderr.readline()):
            assert line, "dnsmasq has ended"
        try:
            yield running
        finally:
            running.kill()


def instance(number: int, *peers: str, ports: tuple[str, ...] = ("eth0",)) -> LinkedInstance:
    """One with a tunnel for each of these endpoints."""
    key = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
    tunnels = [
        {"name": f"wg{n}", "peers": [{"name": "hub", "publicKey": key, "endpoint": each, "allowedIps": [f"10.{n}.0.0/16"]}]}
        for n, each in enumerate(peers)
    ]  # fmt: skip
    spec = {"subnets": ["10.0.3.0/24"], "ports": list(ports), "vpn": {"wireguard": {"tunnels": tunnels}}}
    document = HEAD | {"kind": "NetworkInstance", "metadata": {"name": f"ni{number}"}, "spec": spec}
    return replace(linked(number), instance=NetworkInstance.model_validate(document))


def scope(*instances: LinkedInstance, servers: dict[str, list[str]]) -> UplinkScope:
    """The device as its agent sees it; each port's network has told these DNS servers."""
    made = device(*instances)
    ports = tuple(
        (each, replace(facts, addresses=(interface(ip_address("192.168.0.2"), 24),), dns=tuple(map(ip_address, servers.get(each.name, ())))))
        for each, facts in made.ports
    )  # fmt: skip
    return replace(made, ports=ports)


class Told:
    """What an agent tells; ``until`` waits for it."""

    def __init__(self) -> None:
        self.endpoints = Endpoints("/run")
        self._woken = asyncio.Event()
        self.endpoints.changed = self._woken.set

    async def until(self, name: str, expected: dict[str, list[str]], reason: str = "") -> None:
        async with asyncio.timeout(10):
            while self.endpoints.rows(name) != expected or reason not in " ".join(
                self.endpoints.reasons(name)
            ):
                await self._woken.wait()
                self._woken.clear()


class TestResolve:
    @isolated
    async def test_both_versions(self) -> None:
        """A name has the addresses of both versions, asked by IPv4 or IPv6, and says for how long."""
        port("eth0")
        with dns("eth0", "203.0.113.1 hub.example.com\n2001:db8::1 hub.example.com\n", "--local-ttl=30"):
            for server in (SERVER, SERVER6):
                found = await resolve("hub.example.com", [server], BOTH)
                assert list(map(str, found.addresses)) == ["203.0.113.1", "2001:db8::1"]
                assert found.seconds == 30
            assert list(map(str, (await resolve("hub.example.com", [SERVER], SIX)).addresses)) == [
                "2001:db8::1"
            ]

    @isolated
    async def test_a_link_local_server(self) -> None:
        """Such as routers advertise: its link goes with it."""
        port("eth0")
        sh("ip addr add fe80::2/64 dev eth0 nodad; ip -n eth0 addr add fe80::1/64 dev site nodad")
        with dns("eth0", "203.0.113.1 hub.example.com\n"):
            found = await resolve("hub.example.com", [Server(ip_address("fe80::1"), "eth0")], BOTH)
            assert list(map(str, found.addresses)) == ["203.0.113.1"]

    @isolated
    async def test_the_shortest_of_a_chain_counts(self) -> None:
        """An alias that may lead elsewhere in 20 s is asked for again by then."""
        port("eth0")
        with dns(
            "eth0",
            "203.0.113.1 a.example.com\n",
            "--cname=hub.example.com,a.example.com,20",
            "--local-ttl=300",
        ):
            found = await resolve("hub.example.com", [SERVER], BOTH)
            assert (list(map(str, found.addresses)), found.seconds) == (["203.0.113.1"], 20)

    @isolated
    async def test_more_than_fits(self) -> None:
        """What does not fit into a packet is asked for once more by TCP."""
        port("eth0")
        hosts = "".join(f"203.0.{n}.1 hub.example.com\n" for n in range(200))
        with dns("eth0", hosts):
            assert len((await resolve("hub.example.com", [SERVER], BOTH)).addresses) == 200

    @isolated
    async def test_a_server_that_is_silent(self) -> None:
        """The next one is asked; if none is left, it is said who does not answer."""
        resolver.ANSWER_SECONDS = 0.3
        port("eth0")
        sh("ip -n eth0 addr add 192.168.0.9/24 dev site; ip netns exec eth0 nft 'table ip t { chain i { type filter hook "
           "input priority 0; ip daddr 192.168.0.9 drop; }; }'")  # fmt: skip
        with dns("eth0", "203.0.113.1 hub.example.com\n"):
            found = await resolve("hub.example.com", [NOBODY, SERVER], BOTH)
            assert list(map(str, found.addresses)) == ["203.0.113.1"]
            with pytest.raises(
                KernelError, match=r"^hub.example.com: DNS server 192.168.0.9 \(eth0\) does not answer$"
            ):
                await resolve("hub.example.com", [NOBODY], BOTH)

    @isolated
    async def test_what_servers_refuse(self) -> None:
        """No such name, a name without addresses, a server that serves nobody, none at all: each in its own words."""
        port("eth0")
        with dns("eth0", "203.0.113.1 hub.example.com\n"):
            with pytest.raises(
                KernelError, match=r"there is no nix.example.com, says DNS server 192.168.0.1 \(eth0\)"
            ):
                await resolve("nix.example.com", [SERVER], BOTH)
            with pytest.raises(KernelError, match=r"hub.example.com has no address of IPv6, says DNS server"):
                await resolve("hub.example.com", [SERVER], SIX)
            with pytest.raises(KernelError, match=r"could not find out .REFUSED."):
                await resolve("example.org", [SERVER], BOTH)
        with pytest.raises(KernelError, match="cannot be asked: Connection refused"):
            await resolve("hub.example.com", [SERVER], BOTH)
        with pytest.raises(KernelError, match=r"hub.example.com: no DNS server is known"):
            await resolve("hub.example.com", [], BOTH)

    def test_of_the_machine(self, tmp_path: Path) -> None:
        """The servers of resolv.conf are those of a device whose ports' networks tell none."""
        path = tmp_path / "resolv.conf"
        path.write_text(
            "# made by hand\nsearch example.com\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver x\n"
        )
        found = [Server(ip_address("192.0.2.1")), Server(ip_address("fe80::1"), "eth0")]
        assert list(machine_servers(str(path))) == found
        assert machine_servers(str(tmp_path / "none")) == ()


class TestEndpoints:
    @isolated
    async def test_a_changed_address_is_told(self) -> None:
        """An instance is told where its other ends are, addresses as they are written; and where they went."""
        endpoints.SOONEST = 0.05
        port("eth0")
        agent, servers = Told(), {"eth0": ["192.168.0.1"]}
        here = scope(
            instance(1, "hub.example.com:1", "198.51.100.7:1", "[2001:db8::7]:1"), linked(2), servers=servers
        )
        with dns("eth0", "203.0.113.1 hub.example.com\n") as running:
            agent.endpoints.follow(here)
            fixed = {"198.51.100.7": ["198.51.100.7"], "2001:db8::7": ["2001:db8::7"]}
            assert agent.endpoints.rows("ni1") == {"hub.example.com": []} | fixed
            await agent.until("ni1", {"hub.example.com": ["203.0.113.1"]} | fixed)
            assert agent.endpoints.rows("ni2") is None
            Path("/run/eth0.hosts").write_text("203.0.113.2 hub.example.com\n")
            running.send_signal(1)
            await agent.until("ni1", {"hub.example.com": ["203.0.113.2"]} | fixed)
            # Nobody answers any more: what was known stays, and it is said.
            running.kill()
            await agent.until(
                "ni1", {"hub.example.com": ["203.0.113.2"]} | fixed, "cannot be asked: Connection refused"
            )

    @isolated
    async def test_a_name_that_comes_to_be(self) -> None:
        """A name that does not exist is a reason, until it does."""
        endpoints.FIRST_RETRY = endpoints.LAST_RETRY = 0.05
        port("eth0")
        agent = Told()
        with dns("eth0", "") as running:
            agent.endpoints.follow(scope(instance(1, "hub.example.com:1"), servers={"eth0": ["192.168.0.1"]}))
            await agent.until("ni1", {"hub.example.com": []}, "pending: there is no hub.example.com")
            Path("/run/eth0.hosts").write_text("203.0.113.2 hub.example.com\n")
            running.send_signal(1)
            await agent.until("ni1", {"hub.example.com": ["203.0.113.2"]})
            assert agent.endpoints.reasons("ni1") == []

    @isolated
    async def test_each_asks_over_its_own_ports(self) -> None:
        """Two sites with a server of the same address, which know the name differently: each instance hears its own."""
        port("eth0")
        port("eth1")
        agent, servers = Told(), {"eth0": ["192.168.0.1"], "eth1": ["192.168.0.1"]}
        one, two = instance(1, "hub.example.com:1"), instance(2, "hub.example.com:1", ports=("eth1",))
        with ExitStack() as stack:
            for n in (0, 1):
                stack.enter_context(dns(f"eth{n}", f"203.0.113.{n} hub.example.com\n"))
            agent.endpoints.follow(scope(one, two, servers=servers))
            await agent.until("ni1", {"hub.example.com": ["203.0.113.0"]})
            await agent.until("ni2", {"hub.example.com": ["203.0.113.1"]})

    @isolated
    async def test_the_next_agent_knows_it(self) -> None:
        """A restarted agent, and one whose ports have other servers, tells what was told before until it knows better."""
        port("eth0")
        agent, servers = Told(), {"eth0": ["192.168.0.1"]}
        here, known = instance(1, "hub.example.com:1"), {"hub.example.com": ["203.0.113.1"]}
        with dns("eth0", "203.0.113.1 hub.example.com\n"):
            agent.endpoints.follow(scope(here, servers=servers))
            await agent.until("ni1", known)
        agent.endpoints.follow(scope(here, servers={"eth0": ["192.168.0.8"]}))
        assert agent.endpoints.rows("ni1") == known
        again = Endpoints("/run")
        again.follow(scope(here, servers={}))
        assert again.rows("ni1") == known
        again.follow(scope(servers={}))
        assert again.rows("ni1") is None
        other = instance(2, "192.0.2.1:1")
        again.follow(scope(other, servers={}))
        again.rows("ni2")
        assert json.loads(Path("/run/endpoints.json").read_text()) == {"ni2": {"192.0.2.1": ["192.0.2.1"]}}
