"""``netnsmgr flows``: records as people and programs read them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from netnsmgr.cli import flows
from netnsmgr.pubsub.tables import FLOW_LOG
from tests.unit.cli.straw import SITE, Machine, Straw

NOW = time.time()
FLOW: dict[str, Any] = {
    "n": 1, "type": "flow", "start": NOW - 2.5, "end": NOW, "protocol": "tcp", "src": "10.10.1.10", "sport": 40000,
    "dst": "192.0.2.80", "dport": 443, "translated": {"src": "169.254.100.1", "sport": 40000, "dst": "192.0.2.80", "dport": 443},
    "packets": [12, 10], "bytes": [1200, 9000], "interface": "eth0", "direction": "out", "rule": 5, "verdict": "allow",
}  # fmt: skip
DROP = {
    "n": 2, "type": "drop", "start": NOW, "end": NOW, "protocol": "icmp", "icmpType": 8, "icmpCode": 0, "src": "10.10.1.11",
    "dst": "10.10.1.10", "packets": [7, 0], "bytes": [588, 0], "interface": "eth0", "direction": "in", "rule": 0,
    "verdict": "drop", "peer": "app2",
}  # fmt: skip
QUESTION = {
    "n": 3, "type": "dns", "start": NOW, "end": NOW, "interface": "eth0", "name": "api.github.com", "query": "A",
    "status": "NOERROR", "answers": ["198.51.100.4"], "ttl": 60,
}  # fmt: skip
LOGGED = SITE.replace("  subnets: [10.10.1.0/24]", "  subnets: [10.10.1.0/24]\n  flowLog: true")


def row(*records: dict[str, Any], lost: int = 0) -> dict[str, Any]:
    seq = max((record["n"] for record in records), default=0)
    return {"app": "app1", "network": "ni1", "seq": seq, "lost": lost, "records": list(records)}


def put(straw: Straw, value: dict[str, Any]) -> None:
    """Have the hub, which lives in another thread, take a row."""

    async def take() -> None:
        straw.hub.put(FLOW_LOG, "ni1/app1", value)

    asyncio.run_coroutine_threadsafe(take(), straw.hub._door._loop).result(5)


def prepared(machine: Machine, straw: Straw, text: str = LOGGED, **extra: int) -> None:
    assert machine.run("apply", machine.file(text)).exit_code == 0
    put(straw, row(FLOW, DROP, QUESTION, **extra))


def test_flows_and_drops_as_a_table(machine: Machine, straw: Straw) -> None:
    """Who, where from and to, what became of it on the way, how much, by which rule."""
    prepared(machine, straw)
    done = machine.run("flows", "app1")
    assert done.exit_code == 0
    head, flow, drop = done.stdout.splitlines()
    assert head.split() == flows.FLOWS
    assert flow.split()[1:] == (
        [
            "app1",
            "out",
            "tcp",
            "10.10.1.10:40000",
            "192.0.2.80:443",
            "169.254.100.1:40000",
            ">",
            "12/10",
            "1200/9000",
            "5",
            "allow",
            "2.5s",
        ]
    )
    assert drop.split()[1:] == [
        "app1",
        "in",
        "icmp",
        "8/0",
        "10.10.1.11",
        "(app2)",
        "10.10.1.10",
        "-",
        "7",
        "588",
        "default",
        "drop",
        "0.0s",
    ]


TRANSLATIONS: list[tuple[dict[str, Any], str]] = [
    ({"translated": {"src": "10.10.1.10", "sport": 40000, "dst": "10.10.1.11", "dport": 80}}, "> 10.10.1.11:80"),
    ({"translated": {"src": "10.10.1.1", "sport": 9, "dst": "10.10.1.11", "dport": 80}}, "10.10.1.1:9 > 10.10.1.11:80"),
    (
        {
            "src": "fd00:10:1::a", "dst": "fd6e:6d64::cb00:711e", "nat64": "203.0.113.30",
            "translated": {"src": "fd6e:6d64:0:1::6", "sport": 39856, "dst": "fd6e:6d64::cb00:711e", "dport": 443},
        },
        "-",
    ),
    ({"translated": {"src": "10.10.1.10", "sport": 40000, "dst": "192.0.2.80", "dport": 443}}, "-"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "shown"), TRANSLATIONS)
def test_translated_is_what_changes(change: dict[str, Any], shown: str) -> None:
    """An end that stays is not repeated; of NAT64 nobody knows the translator's own address of the sender."""
    record = {"app": "app1", **FLOW, **change}
    assert flows._flow(record)[flows.FLOWS.index("TRANSLATED")] == shown


def test_only_drops_only_questions_only_some(machine: Machine, straw: Straw) -> None:
    """--dropped, --dns and -n choose; --dns and --dropped together are refused."""
    prepared(machine, straw)
    assert [line.split()[2] for line in machine.run("flows", "--dropped").stdout.splitlines()[1:]] == ["in"]
    (asked,) = machine.run("flows", "--dns").stdout.splitlines()[1:]
    assert asked.split()[1:] == ["app1", "A", "api.github.com", "NOERROR", "60", "198.51.100.4"]
    assert len(machine.run("flows", "-n", "1").stdout.splitlines()) == 2
    assert machine.run("flows", "--dns", "--dropped").exit_code == 2


def test_json_has_every_field(machine: Machine, straw: Straw) -> None:
    """Programs get the records as they are, with application and network."""
    prepared(machine, straw)
    items = json.loads(machine.run("flows", "-o", "json").stdout)["items"]
    assert items == [{"app": "app1", "network": "ni1", **record} for record in (FLOW, DROP)]


def test_says_how_to_switch_it_on(machine: Machine, straw: Straw) -> None:
    """A network without a flow log has nothing to show, and the way to it is said; so are an unknown application and
    losses."""
    prepared(machine, straw, SITE)
    done = machine.run("flows", "app1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "off in ni1: write 'flowLog: true' beneath 'spec'" in done.stderr
    assert "app1" in machine.run("flows", "nobody").stderr
    prepared(machine, straw, LOGGED, lost=9)
    assert machine.run("flows").stderr.startswith("9 more were not recorded")


def test_follow_goes_on_with_what_comes(
    machine: Machine, straw: Straw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record once, one JSON object a line; a log that began anew is shown from its beginning."""
    prepared(machine, straw)
    said: list[Any] = []

    def echo(text: str, **_: Any) -> None:
        said.append(json.loads(text))
        if len(said) == 2:
            put(straw, row(FLOW, DROP, QUESTION, FLOW | {"n": 4, "dport": 444}))
        elif len(said) == 3:
            put(straw, row(FLOW | {"dport": 445}))
        elif len(said) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("netnsmgr.cli.flows.click.echo", echo)
    done = machine.run("flows", "--follow", "-o", "json")
    assert done.exit_code == 130
    assert [record.get("dport") for record in said] == [443, None, 444, 445]
