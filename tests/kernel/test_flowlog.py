"""The flow log with real packets: flows, drops and questions become records of the right application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, dnsmasq, flowlog
from netnsmgr.features.names import host_key
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import File
from netnsmgr.items.process import Process
from netnsmgr.pubsub.tables import FLOW_LOG
from tests.kernel.flowstage import SITE, Rows, build, end_flows, hub_of_agent, making, scope, upstream
from tests.kernel.stage import ETC, Stage, sh
from tests.kernel.upstream import address_of
from tests.lab import isolated

pytestmark = pytest.mark.root

RULES = {
    "blocks": [
        {"base": 16, "app": "app1", "interface": "eth0", "ids": [1, 2, 5]},
        {"base": 32, "app": "app2", "interface": "eth0", "ids": [7]},
    ]
}
HOST = host_key("github.com")
TABLES = f"""
table bridge netnsmgr_vif {{
    chain pre {{
        type filter hook prerouting priority -300
        iifname "app1.eth0" meta mark set 1
        iifname "app2.eth0" meta mark set 2
    }}
}}
table inet netnsmgr_acl {{
    counter unlogged {{ }}
    set host_{HOST}_4 {{ type ipv4_addr; flags timeout; timeout 1h; }}
    set past_{HOST}_4 {{ type ipv4_addr; flags timeout; timeout 24h; }}
    chain forward {{
        type filter hook forward priority 0
        udp dport 82 counter name unlogged drop
        meta mark 1 udp dport 81 meta mark set 0x00040012 log prefix "drop" group 1 drop
        meta mark 2 udp dport 81 meta mark set 0x00040011 log prefix "drop" group 1 drop
        ct state new meta mark 1 ct mark set 0x00100011
        ct state new meta mark 2 ct mark set 0x00100020
        ct state new iifname "uplink" ct mark set 0x00100013
        ct state new meta mark 1 ip daddr 10.10.1.11 meta mark set 0x21 log prefix "in" group 3
    }}
    chain input {{
        type filter hook input priority 0
        iifname "bn0" udp dport 53 log group 2
    }}
    chain output {{
        type filter hook output priority 0
        oifname "bn0" udp sport 53 log group 2
    }}
}}
table inet netnsmgr_nat {{
    chain post {{ type nat hook postrouting priority srcnat; oifname "uplink" masquerade; }}
    chain pre {{ type nat hook prerouting priority dstnat; iifname "uplink" udp dport 2222 dnat ip to 10.10.1.10:22; }}
}}
"""


def items(of: InstanceScope) -> list[Item]:
    log = flowlog.items(of)
    return [*log, File(f"{ETC}/rules.json", json.dumps(RULES), reload=flowlog.NAME)]


def say(app: str, host: str, port: int, count: int = 1, *, source: str = "") -> None:
    """Send datagrams from one port; what answers does not matter."""
    bind = f"s.bind(({source!r}, 0));" if source else ""
    code = f"import socket; s=socket.socket(2, 2);{bind}[s.sendto(b'hello', ({host!r}, {port})) for _ in range({count})]"
    sh(f'ip netns exec {app} python3 -c "{code}"')


@asynccontextmanager
async def running(of: InstanceScope, *others: Item) -> AsyncIterator[tuple[Rows, Stage]]:
    """The flow log has begun to publish: there is a row for each application."""
    build()
    sh(f"nft -f - <<'END'\n{TABLES}\nEND")
    async with hub_of_agent() as hub, making() as agent:
        rows = Rows(hub, FLOW_LOG)
        await agent.once(*items(of), *others)
        if of.instance.spec.flow_log:
            await rows.until(lambda found: set(found) == {"agent/app1", "agent/app2"})
        yield rows, agent


@isolated
async def test_flows_have_their_application_rule_and_translation() -> None:
    """A flow to the outside, between applications, and through a mapped port: who, by which rule, how much."""
    async with running(scope()) as (rows, _):
        say("app1", SITE, 5000, 3)
        say("app1", "10.10.1.11", 5001)
        say("site", "10.99.0.1", 2222)
        began = await rows.record("app1", dport=5000)
        assert (began["end"], began["direction"], began["rule"], began["verdict"]) == (
            None,
            "out",
            1,
            "allow",
        )
        await rows.record("app1", dport=2222)
        await rows.record("app2", dport=5001)
        end_flows()
        out = await rows.record("app1", dport=5000, packets=[3, 0])
        assert out["bytes"] == [3 * 33, 0]
        assert out["start"] <= out["end"] < out["start"] + 60
        assert out["n"] > began["n"]
        assert out["translated"] | {"sport": 0} == {
            "src": "10.99.0.1",
            "sport": 0,
            "dst": SITE,
            "dport": 5000,
        }
        records = rows.hub.rows(FLOW_LOG)["agent/app1"]["records"]
        assert [r["n"] for r in records if r.get("dport") == 5000] == [out["n"]], (
            "the end takes the beginning's place"
        )
        there = await rows.record("app1", dport=5001)
        assert (there["direction"], there["rule"], there["peer"]) == ("out", 1, "app2")
        back = await rows.record("app2", dport=5001)
        assert (back["direction"], back["rule"], back["peer"]) == ("in", 7, "app1")
        mapped = await rows.record("app1", dport=2222)
        assert (mapped["direction"], mapped["rule"], mapped["src"]) == ("in", 5, SITE)
        assert mapped["translated"]["dst"] == "10.10.1.10"
        assert mapped["translated"]["dport"] == 22


@isolated
async def test_drops_are_counted_in_one_record() -> None:
    """Ten packets of one five-tuple are a record at once and in the end one with their number; of which list, by the
    mark; what was not logged is counted as lost."""
    async with running(scope()) as (rows, _):
        say("app1", SITE, 81, 10)
        say("app2", "10.10.1.10", 81)
        first = await rows.record("app1", type="drop", direction="out")
        assert (first["rule"], first["verdict"], first["dst"]) == (2, "drop", SITE)
        inward = await rows.record("app1", type="drop", direction="in")
        assert (inward["rule"], inward["peer"], inward["src"]) == (1, "app2", "10.10.1.11")
        say("app1", SITE, 82, 4)
        say("app1", SITE, 81)
        assert await rows.until(lambda found: found["agent/app1"]["lost"] == 4)
        last = await asyncio.wait_for(rows.record("app1", type="drop", packets=[10, 0]), 15)
        assert last["n"] > first["n"]


@isolated
async def test_questions_and_host_rules() -> None:
    """A question has its asker and answer; an address below a host rule's domain lives as long as its answer."""
    of = scope(hosts=["github.com"])
    async with running(of, *bridge.items(of), *dnsmasq.items(of)) as (rows, _), upstream():
        sh("ip netns exec app1 dig +tries=1 @10.10.1.1 printer.internal")
        sh("ip netns exec app2 dig +tries=1 @10.10.1.1 api.github.com")
        local = await rows.record("app1", type="dns")
        assert (local["name"], local["query"], local["answers"]) == ("printer.internal", "A", ["10.10.1.9"])
        outside = await rows.record("app2", type="dns", name="api.github.com")
        address = address_of("api.github.com")
        assert (outside["answers"], outside["ttl"], outside["status"]) == ([address], 300, "NOERROR")
        host, past = (sh(f"nft list set inet netnsmgr_acl {kind}_{HOST}_4") for kind in ("host", "past"))
        assert f"{address} timeout 5m30s expires" in host
        assert f"{address} timeout 1d expires" in past or f"{address} expires 23h" in past
        flow = await rows.record("app1", type="flow", service="dns")
        assert (flow["dport"], flow["rule"]) == (53, None)


@isolated
async def test_it_survives_the_hub_and_its_own_end() -> None:
    """A hub that returns has all rows; a log that was killed goes on counting; one that is removed takes its rows back."""
    build()
    sh(f"nft -f - <<'END'\n{TABLES}\nEND")
    async with making() as agent:
        async with hub_of_agent() as hub:
            rows = Rows(hub, FLOW_LOG)
            await agent.once(*items(scope()))
            await rows.until(lambda found: len(found) == 2)
            say("app1", SITE, 5000)
            before = await rows.record("app1", dport=5000)
        say("app1", SITE, 5001)
        async with hub_of_agent() as hub:
            rows = Rows(hub, FLOW_LOG)
            assert (await rows.record("app1", dport=5001))["n"] > before["n"]
            await rows.record("app1", dport=5000)
            (info,) = agent.system.processes.running()
            sh(f"kill -9 {info.pid}")
            while agent.system.processes.running():
                await asyncio.sleep(0.01)
            await agent.once(*items(scope()))
            after = None
            while after is None:  # nobody tells when it listens again
                say("app1", SITE, 5002)
                with suppress(AssertionError):
                    after = await rows.record("app1", 1.2, dport=5002)
            assert after["n"] == 3
            await rows.record("app1", dport=5000)
            await agent.once()
            await rows.until(lambda found: not found)
            assert not agent.system.processes.running()


@isolated
async def test_nothing_runs_without_need() -> None:
    """No flow log and no host rules: no items.  Host rules alone: the program, but no counting."""
    assert flowlog.items(scope(log=False)) == []
    kinds = {item.kind for item in flowlog.items(scope(log=False, hosts=["github.com"]))}
    assert kinds == {"directory", "file", "process"}
    assert any(isinstance(item, Process) for item in flowlog.items(scope()))
    assert not Path(ETC).exists()
