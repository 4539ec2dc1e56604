"""What an agent cannot do, tried with its own rights: enter, open, kill, connect, ask.

The tries are those of a process that gives up what an agent gives up (``agent.rights``), in the agent's namespace and as
its user; that the agents themselves have done so is read from /proc.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

HELD = 1 << 10 | 1 << 12 | 1 << 13
USERS = 1_900_000_000
TRIES = Path(__file__).with_name("tries.py")
ROOT = TRIES.parents[2]


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.apply(
            device(),
            instance("ni1"),
            instance("ni2", "10.10.2"),
            app("app1", "ni1"),
            app("app2", "ni2"),
        )
        yield made


def fields(w: World, pid: int) -> dict[str, str]:
    text = w.sh(f"cat /proc/{pid}/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def daemon(w: World) -> int:
    """The daemon's process id in the lab."""
    (found,) = w.pids("netnsmgr daemon")
    return found


def tried(w: World, agent: str, what: dict[str, Any]) -> dict[str, str]:
    """Try it as that agent; return what became of each try: ``fine``, or the error's name."""
    user = fields(w, w.agent(agent)["pid"])["Uid"].split()[0]
    w.lab.path("/run/lab/tries.json").write_text(json.dumps(what))
    w.lab.path("/run/lab/tries.json").chmod(0o644)
    netns = "" if agent == "uplink" else f"nsenter --net=/run/netns/{agent} "
    script = f"cd /; PYTHONPATH={ROOT} {netns}{sys.executable} {TRIES} {agent} {user} /run/lab/tries.json"
    found: dict[str, str] = json.loads(w.lab.device.run(["sh", "-ec", script], timeout=60).stdout)
    return found


@pytest.mark.parametrize("agent", ["ni1", "ni2", "uplink"])
def test_who_an_agent_is(w: World, agent: str) -> None:
    """A user of its own, three capabilities, no way to more, a filter; its directories are its alone."""
    of = fields(w, w.agent(agent)["pid"])
    number = -1 if agent == "uplink" else w.instance(agent)["number"]
    assert of["Uid"].split() == of["Gid"].split() == [str(USERS + number + 1)] * 4
    assert of["Groups"].split() == []
    assert {name: int(of[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapBnd", "CapInh"), HELD
    )
    assert int(of["CapAmb"], 16) == 0
    assert (of["NoNewPrivs"], of["Seccomp"]) == ("1", "2")
    places = [f"/run/netnsmgr/instances/{agent}", f"/var/lib/netnsmgr/leases/{agent}"]
    for place in places:
        assert w.sh(f"stat -c '%a %u' {place}").split() == ["700", str(USERS + number + 1)]
    assert w.sh(f"stat -c '%a %u %g' /run/netnsmgr/given/{agent}/hub.sock").split() == [
        "660",
        "0",
        str(USERS + number + 1),
    ]


def test_it_enters_no_namespace(w: World) -> None:
    """Neither another's, nor the device's, nor a new one, nor its own again."""
    others = [
        "/run/netns/ni2",
        "/run/netns/app1",
        "/run/netns/ni1",
        f"/proc/{w.agent('uplink')['pid']}/ns/net",
        "/proc/1/ns/net",
    ]
    found = tried(
        w, "ni1", {"enter": others, "calls": ["unshare", "mount", "umount2", "ptrace", "bpf", "keyctl"]}
    )
    assert set(found.values()) <= {"EPERM", "EACCES"}, found
    assert tried(w, "uplink", {"enter": ["/run/netns/ni1"]}) == {"enter /run/netns/ni1": "EPERM"}


def test_it_opens_no_file_of_others(w: World) -> None:
    """Each file of each other agent and of the daemon's, one after the other; its own are its own."""
    w.sh("install -D -m 600 /dev/null /etc/netnsmgr/secrets/other.psk 2>/dev/null || true")
    listed = w.sh("find /run/netnsmgr /var/lib/netnsmgr -type f").split()
    own = [path for path in listed if "/ni1/" in path]
    others = [path for path in listed if path not in own and "/netns/" not in path and "/python/" not in path]
    assert any("/ni2/" in path for path in others)
    assert any("/uplink/" in path for path in others)
    assert any(path.startswith("/var/lib/netnsmgr/") and "/leases/" not in path for path in others)
    secret = [f"/proc/{w.agent('ni2')['pid']}/mem", f"/proc/{daemon(w)}/environ"]
    found = tried(w, "ni1", {"open": [*others, *secret, "/etc/shadow"]})
    assert set(found.values()) == {"EACCES"}, {path: said for path, said in found.items() if said != "EACCES"}
    mine = tried(w, "ni1", {"open": own})
    assert set(mine.values()) == {"fine"}, mine
    written = ["/run/netnsmgr/netns/ni1", "/run/netnsmgr/given/ni1/x", "/tmp/x", "/run/netnsmgr/x", "/etc/x"]
    found = tried(w, "ni1", {"write": written})
    assert set(found.values()) == {"EACCES"}, found


def test_it_kills_nobody(w: World) -> None:
    """Neither daemon nor agents nor helpers of others; its own helpers it can."""
    others = [daemon(w), w.agent("ni2")["pid"], w.agent("uplink")["pid"], w.dnsmasq("ni2"), 1]
    found = tried(w, "ni1", {"kill": others})
    assert set(found.values()) == {"EPERM"}, found
    assert tried(w, "ni1", {"kill": [w.dnsmasq("ni1")]}) == {f"kill {w.dnsmasq('ni1')}": "fine"}


def test_it_connects_to_nobody_else(w: World) -> None:
    """The sockets of operators, of other agents and of the machine's services are closed to it."""
    places = w.sh("find /run/netnsmgr -type s").split()
    own = [path for path in places if "/ni1/" in path]
    found = tried(w, "ni1", {"connect": [path for path in places if path not in own]})
    assert "/run/netnsmgr/hub.sock" in " ".join(found)
    assert "/run/netnsmgr/given/ni2/hub.sock" in " ".join(found)
    assert set(found.values()) == {"EACCES"}, found
    assert set(tried(w, "ni1", {"connect": own}).values()) == {"fine"}


def test_the_hub_tells_it_what_is_its_own(w: World) -> None:
    """By its own socket it cannot hear of others' configuration, nor say anything for them, nor change any."""
    asked = {
        "read": [
            "AgentConfig/ni1",
            "AgentConfig/ni2",
            "AgentConfig/uplink",
            "NetworkInstanceConfig",
            "AppNetworkStatus",
        ],
        "put": [
            ["NetworkInstanceStatus", "ni2"],
            ["NetworkInstanceConfig", "ni9"],
            ["AgentConfig/ni2", "config"],
            ["AppNetworkStatus", "ni2/app2/eth0"],
        ],
    }
    before = w.instance("ni2")
    found = tried(w, "ni1", asked)
    assert found.pop("read AgentConfig/ni1") == "fine"
    assert set(found.values()) == {"refused"}, found
    assert w.instance("ni2") == before


def test_where_there_are_no_other_users() -> None:
    """By ``--users 0`` (or where no others exist) agents are root with three capabilities, and all works."""
    with World(options=["--users", "0"]) as w:
        w.lab.app("app1")
        w.apply(device(), instance("ni1"), app("app1", "ni1"))
        of = fields(w, w.agent("ni1")["pid"])
        assert of["Uid"].split() == ["0"] * 4
        assert (int(of["CapPrm"], 16), int(of["CapBnd"], 16), int(of["CapAmb"], 16)) == (HELD, HELD, 0)
        assert (of["NoNewPrivs"], of["Seccomp"]) == ("1", "2")
        assert int(fields(w, w.dnsmasq("ni1"))["CapPrm"], 16) & ~HELD == 0
