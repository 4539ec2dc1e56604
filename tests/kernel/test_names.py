"""Names of host rules' domains: in their sets before they are answered, and no question is lost while rules change."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from dnslib import DNSRecord

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, dnsmasq, names
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.system import ProcessInfo
from tests.kernel.flowstage import Making, build, making, scope, upstream
from tests.kernel.stage import sh
from tests.kernel.upstream import address_of
from tests.lab import isolated

pytestmark = pytest.mark.root

GATEWAY = "10.10.1.1"
INTERVAL = 0.005
DOMAINS = ("github.com", "example.org", "api.example.org")
SETS = "\n".join(
    f"set {kind}_{names.host_key(domain)}_{family} {{ type ipv{family}_addr; flags timeout; timeout 1h; }}"
    for domain in DOMAINS
    for kind in ("host", "past")
    for family in (4, 6)
)


class Asker(asyncio.DatagramProtocol):
    """Asks for a name of its own every 5 ms, each once."""

    def __init__(self, domains: Sequence[str]) -> None:
        self.domains = domains
        self.asked: dict[int, str] = {}
        self.wrong: list[str] = []
        self.count = 0
        self.asking = True
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
        answer = DNSRecord.parse(data)
        name = self.asked.pop(answer.header.id)
        if [str(rr.rdata) for rr in answer.rr] != [address_of(name)]:
            self.wrong.append(str(answer))
        self.answered.set()

    async def ask(self) -> None:
        while self.asking:
            self.count += 1
            name = f"n{self.count}.{self.domains[self.count % len(self.domains)]}"
            self.asked[self.count] = name
            question = DNSRecord.question(name)
            question.header.id = self.count
            self.transport.sendto(question.pack())
            await asyncio.sleep(INTERVAL)

    async def finish(self) -> list[tuple[int, str]]:
        """Stop asking; what is not answered within two seconds never will be."""
        self.asking = False
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self.asked:
                    self.answered.clear()
                    await self.answered.wait()
        return list(self.asked.items())


def helpers(agent: Making) -> tuple[ProcessInfo, ...]:
    return tuple(info for info in agent.system.processes.running() if info.name.startswith(names.NAME))


def wanted(of: InstanceScope) -> list[Item]:
    return [*bridge.items(of), *dnsmasq.items(of), *names.items(of)]


async def bring(agent: Making, *domains: str) -> list[str]:
    """Passes of an agent, each from the facts of the moment, until one has nothing to do."""
    done: list[str] = []
    for _ in range(6):
        passed = await agent.once(*wanted(scope(hosts=domains, helpers=helpers(agent))))
        if not passed:
            return done
        done += passed
    raise AssertionError(f"does not settle: {done}")


def held(domain: str, kind: str = "host") -> str:
    return sh(f"nft list set inet netnsmgr_acl {kind}_{names.host_key(domain)}_4")


def resolve(name: str) -> str:
    return sh(f"dig +short +tries=1 +time=2 @{GATEWAY} {name}")


@isolated
async def test_an_address_is_in_its_set_before_it_is_answered() -> None:
    """Also in the set of a shorter domain above it; other domains are in none.  dnsmasq keeps CAP_NET_ADMIN for it."""
    build()
    sh(f"nft 'table inet netnsmgr_acl {{\n{SETS}\n}}'")
    async with making() as agent, upstream():
        await bring(agent, *DOMAINS)
        for n in range(20):
            assert resolve(f"n{n}.api.example.org") == address_of(f"n{n}.api.example.org")
            done = subprocess.run(
                ["nft", "get", "element", "inet", "netnsmgr_acl", f"host_{names.host_key('api.example.org')}_4",
                 f"{{ {address_of(f'n{n}.api.example.org')} }}"], check=False, capture_output=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        assert address_of("n3.api.example.org") in held("example.org")
        assert address_of("n3.api.example.org") in held("example.org", "past")
        assert address_of("n3.api.example.org") not in held("github.com")
        resolve("example.net")
        assert not any(address_of("example.net") in held(domain) for domain in DOMAINS)
        (info,) = helpers(agent)
        status = Path(f"/proc/{info.pid}/status").read_text()
        effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
        assert int(effective, 16) >> 12 & 1


@asynccontextmanager
async def asked_all_the_time() -> AsyncIterator[Asker]:
    asker = Asker(("github.com", "example.org", "example.net"))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: asker, remote_addr=(GATEWAY, 53))
    asking = asyncio.create_task(asker.ask())
    yield asker
    asking.cancel()
    transport.close()


CHANGES = (
    ("github.com",),
    ("example.org", "github.com"),
    ("example.org",),
    (),
    ("github.com",),
    ("api.example.org", "github.com"),
    ("github.com",),
)


@isolated
async def test_no_question_is_lost_while_host_rules_change() -> None:
    """The instance's dnsmasq is the same process throughout, and every question is answered, right: of domains that
    come and stay, and of all others."""
    build()
    sh(f"nft 'table inet netnsmgr_acl {{\n{SETS}\n}}'")
    async with making() as agent, upstream():
        await bring(agent)
        (main,) = agent.system.processes.running()
        taken: list[tuple[int, str]] = []
        async with asked_all_the_time() as asker:
            before: tuple[str, ...] = ()
            for domains in CHANGES:
                await asyncio.sleep(0.3)
                taken += [(asker.count, domain) for domain in before if domain not in domains]
                await bring(agent, *domains)
                assert len(helpers(agent)) == bool(domains)
                before = domains
            await asyncio.sleep(0.3)
            lost = await asker.finish()
        assert asker.count > 60 * len(taken), "too few that are not excused below"
        assert not asker.wrong
        assert main in agent.system.processes.running()
        # dnsmasq forgets what is under way to a server that is taken from it, here with a domain's last rule.
        unexplained = [
            (n, name)
            for n, name in lost
            if not any(at - 20 < n < at + 20 and name.endswith(domain) for at, domain in taken)
        ]
        assert not unexplained, (unexplained, taken)
        assert len(lost) <= 2 * len(taken)


@isolated
async def test_a_names_that_ends_is_replaced() -> None:
    """Meanwhile the instance's dnsmasq asks the servers themselves."""
    build()
    async with making() as agent, upstream():
        await bring(agent, "github.com")
        (info,) = helpers(agent)
        sh(f"kill -9 {info.pid}")
        while helpers(agent):
            await asyncio.sleep(0.01)
        done = await agent.once(*wanted(scope(hosts=["github.com"])))
        assert {f"create process/{info.name}", "modify file//run/agent/etc/servers"} <= set(done)
        await bring(agent, "github.com")
        assert resolve("github.com") == address_of("github.com")


@isolated
async def test_names_of_the_instance_stay_its_own() -> None:
    """A static name that a host rule covers is answered by the instance itself."""
    build()
    async with making() as agent, upstream():
        await bring(agent, "printer.internal", "github.com")
        assert resolve("printer.internal") == "10.10.1.9"
        assert "printer" not in Path("/run/agent/etc/servers").read_text()
