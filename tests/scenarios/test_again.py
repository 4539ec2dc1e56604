"""An instance that is deleted and made again right away, again and again: it works each time, and nothing is left behind.

The kernel takes a namespace down later, when nobody is in it any more; what is new must neither wait for that nor find
what is left of the old.  NETNSMGR_CYCLES says how often (``make again``: a thousand times).
"""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from netnsmgr.pubsub.tables import INSTANCE_STATUS, agent_config, link_status
from tests.scenarios.documents import app, device, instance
from tests.scenarios.ipv6 import dual, port6
from tests.scenarios.portmaps import port_map
from tests.scenarios.traffic import fetches
from tests.scenarios.world import World, uncounted

pytestmark = pytest.mark.root

CYCLES = int(os.environ.get("NETNSMGR_CYCLES", "24"))
GROWTH = (6 << 10) + 8 * CYCLES
"""KiB by which the memory of a process may grow: caches fill, and the uplink's agent keeps some 6 KiB of each cycle (see
docs/reliability.md)."""
THREADS = 8
"""Threads that asyncio may start for what blocks (``ThreadPoolExecutor``: four more than processors), and keeps."""
LISTS = {
    "namespaces": "ls /run/netns; cut -d' ' -f5 /proc/self/mountinfo | grep /run/netns/ || true",
    "links": "ip -o link | cut -d: -f2 | cut -d@ -f1",
    "addresses": "ip -br address | sed 's/@[^ ]*//'",
    "rules": "ip rule; ip -6 rule",
    "routes": "ip route show table all | grep -v fe80",
    "nftables": "nft -s list ruleset",
    # The lab has no init that would wait for orphans: what is defunct there has ended.
    "processes": "ps -eo args | grep -v -e '^ps ' -e '^sh ' -e '^grep ' -e '<defunct>$'",
    "files": "find /run/netnsmgr /var/lib/netnsmgr -not -path '*/revisions/*' -not -name '*.tmp' -not -name drift.json",
}


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        made.lab.app("app1")
        made.lab.app("app2")
        yield made


NI1 = dual()
APP1 = app("app1", "ni1", acl=[port_map(), {"id": 1}])


def there(w: World) -> dict[str, list[str]]:
    """Everything that could be left behind, by kind."""
    return {kind: sorted(uncounted(w.sh(script))) for kind, script in LISTS.items()}


def processes(w: World) -> dict[str, int]:
    """The processes that live through it all."""
    return {
        "daemon": min(w.pids("[n]etnsmgr.* daemon")),
        "fork server": min(w.pids("[f]orkserver import main")),
        "uplink": w.agent("uplink")["pid"],
    }


def held(w: World, pid: int) -> dict[str, int]:
    """How many descriptors and threads a process has, and its memory in KiB."""
    script = f"ls /proc/{pid}/fd | wc -l; ls /proc/{pid}/task | wc -l; sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/{pid}/smaps_rollup"
    fds, tasks, memory = (int(word) for word in w.sh(script).split())
    return {"descriptors": fds, "tasks": tasks, "memory": memory}


def _differs(old: list[str], new: list[str]) -> list[str]:
    return [line for line in difflib.ndiff(old, new) if line[0] in "+-"]


def gone(w: World) -> bool:
    return not w.agent("ni1") and not w.instance("ni1")


def cycle(w: World, number: int) -> None:
    """Once away and back: in turn without waiting, as soon as it has gone, and within one breath of each other."""
    w.put(remove=[APP1, NI1])
    if number % 3 == 0:
        w.until(lambda: gone(w), "ni1 is gone")
    elif number % 3 == 1:
        # Wherever the deletion is by then.
        time.sleep(number % 7 / 20)
    made(w)


def made(w: World) -> None:
    """Make it, and wait until this very one is ready, not one that is about to go."""
    revision = w.put(NI1, APP1)

    def ready() -> bool:
        rows = (w.instance("ni1"), w.interface("ni1", "app1"))
        return all(row.get("state") == "ready" and row["revision"] >= revision for row in rows)

    w.until(ready, f"ni1 and app1 are ready in revision {revision}")


def test_nothing_is_left(w: World) -> None:
    """Namespaces, links, addresses, rules, routes, tables, processes, files, descriptors, rows: as many as before."""
    w.apply(device(port6()), instance("ni2", "10.10.2"), app("app2", "ni2"))
    w.leased("ni2", "app2")
    # Once, so that what stays for good is there: forwarding, the tables for port maps, caches.
    made(w)
    w.put(remove=[APP1, NI1])
    w.until(lambda: gone(w), "ni1 is gone")
    w.eventually(lambda: "10.10.1" not in w.sh("ip route"), "its routes are gone")
    before, pids = there(w), processes(w)
    has = {name: held(w, pid) for name, pid in pids.items()}
    made(w)
    began = time.monotonic()
    for number in range(CYCLES):
        cycle(w, number)
        if number % 8 == 0:
            w.leased("ni1", "app1")
            w.eventually(lambda: fetches(w.lab.apps["app1"]), "traffic")
    seconds = time.monotonic() - began
    w.put(remove=[APP1, NI1])
    w.until(lambda: gone(w), "ni1 is gone")
    more: dict[str, list[str]] = {}

    def same() -> bool:
        more.clear()
        more.update({kind: _differs(before[kind], lines) for kind, lines in there(w).items()})
        return not any(more.values())

    if not w.lab.device.eventually(same, timeout=10):
        assert more == {kind: [] for kind in LISTS}
    assert processes(w) == pids, "none of them was started anew"
    now = {name: held(w, pid) for name, pid in pids.items()}
    growth: dict[str, Any] = {
        name: {kind: now[name][kind] - has[name][kind] for kind in has[name]} for name in pids
    }
    print(f"{CYCLES} cycles in {seconds:.1f} s, growth: {growth}")
    for name, kinds in growth.items():
        assert kinds["descriptors"] == 0, (name, growth)
        assert kinds["tasks"] <= THREADS, (name, growth)
        assert kinds["memory"] < GROWTH, (name, growth)
    for table in (agent_config("ni1"), link_status("ni1")):
        assert w.client.snapshot(table, timeout=5) == {}
    assert set(w.client.snapshot(INSTANCE_STATUS, timeout=5)) == {"ni2"}
