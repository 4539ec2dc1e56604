"""The flow log of a switch with real packets: whose a flow is, which way it goes and what decided, without any address known."""

from __future__ import annotations

import asyncio
import json

import pytest
from dnslib import DNSRecord

from netnsmgr.pubsub.tables import FLOW_LOG
from tests.kernel.flowstage import end_flows
from tests.kernel.stage import sh
from tests.kernel.switchnames import APP1, APP2, DNS, DOMAIN, address, dig, running, scope
from tests.kernel.test_flowlog import say
from tests.lab import isolated

pytestmark = pytest.mark.root


@isolated
async def test_flows_of_both_ends_and_directions() -> None:
    """Out to the site, in from it, and between two applications, each with the rule that decided there."""
    async with running(scope(log=True)) as (rows, _):
        await rows.until(lambda found: set(found) == {"agent/app1", "agent/app2"})
        assert dig(f"n1.{DOMAIN}") == address(1)
        say("app1", address(1), 5000, 3)
        say("site", APP1, 5001)
        say("app2", APP1, 5002)
        say("app2", DNS, 5003)
        for port, direction, rule in (5000, "out", 1), (5001, "in", 2), (5002, "in", 2):
            found = await rows.record("app1", type="flow", dport=port)
            assert (found["interface"], found["direction"], found["rule"]) == ("eth0", direction, rule)
            assert (found["verdict"], "translated" in found, "service" in found) == ("allow", False, False)
            assert found.get("peer") == ("app2" if port == 5002 else None)
        asked = await rows.record("app1", type="flow", dport=53)
        assert (asked["direction"], asked["rule"], asked["service"]) == ("out", 0, "dns")
        for port, peer in (5002, "app1"), (5003, None):
            found = await rows.record("app2", type="flow", dport=port)
            assert (found["direction"], found["rule"], found.get("peer")) == ("out", None, peer)
        end_flows()
        out = await rows.record("app1", type="flow", dport=5000, packets=[3, 0])
        assert out["bytes"] == [3 * 33, 0]
        both = [r for r in rows.hub.rows(FLOW_LOG)["agent/app1"]["records"] if r.get("dport") == 5001]
        assert len(both) == 1, "one end of it is outside"


@isolated
async def test_drops_and_questions() -> None:
    """A drop has its interface and rule; questions have who asked, held or only copied, with what was answered."""
    async with running(scope(log=True)) as (rows, _):
        await rows.until(lambda found: set(found) == {"agent/app1", "agent/app2"})
        say("app1", APP2, 81, 5)
        drop = await rows.record("app1", type="drop", dport=81)
        assert (drop["direction"], drop["rule"], drop["verdict"], drop["peer"]) == ("out", 0, "drop", "app2")
        dig(f"n3.{DOMAIN}")
        dig("evil.org")
        dig(f"n4.{DOMAIN}", app="app2")
        dig(f"n5.{DOMAIN}", "+tcp", app="app2")
        for app, name, answers in (
            ("app1", f"n3.{DOMAIN}", [address(3)]),
            ("app1", "evil.org", ["198.51.9.9"]),
            ("app2", f"n4.{DOMAIN}", [address(4)]),
            ("app2", f"n5.{DOMAIN}", [address(5)]),
        ):
            found = await rows.record(app, type="dns", name=name)
            assert (found["interface"], found["answers"], found["ttl"]) == ("eth0", answers, 300)
        assert all(row["lost"] == 0 for row in rows.hub.rows(FLOW_LOG).values())


@isolated
async def test_what_comes_too_fast_is_counted() -> None:
    """Of questions that are only logged none is dropped, and it is said how many were not recorded."""

    def received() -> int:
        (link,) = json.loads(sh("ip -n site -j -s link show eth0"))
        return int(link["stats64"]["rx"]["packets"])

    async with running(scope(log=True)) as (rows, _):
        asked = bytes(DNSRecord.question("evil.org").pack()).hex()
        code = f"s = socket.socket(2, 2); [s.sendto(bytes.fromhex('{asked}'), ('{DNS}', 53)) for _ in range(2000)]"
        before, sent = received(), 0
        async with asyncio.timeout(20):
            # A busy machine may take its time to ask so much.
            while not rows.hub.rows(FLOW_LOG).get("agent/app2", {"lost": 0})["lost"]:
                await asyncio.to_thread(sh, f'ip netns exec app2 python3 -c "import socket; {code}"')
                sent += 2000
                await asyncio.sleep(0)
            while received() - before < sent:
                await asyncio.sleep(0.05)
