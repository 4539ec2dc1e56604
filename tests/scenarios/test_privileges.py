"""Who may do what: agents and helpers hold no more rights than their work needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE = 21, 19, 16


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        yield made


def status(w: World, pid: int) -> dict[str, str]:
    text = w.sh(f"cat /proc/{pid}/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.mark.parametrize("agent", ["ni1", "uplink"])
def test_an_agent_has_given_up_what_it_does_not_need(w: World, agent: str) -> None:
    """No agent holds CAP_SYS_ADMIN or gets it back, so that none can enter another namespace; `ps` shows its name."""
    of = status(w, w.agent(agent)["pid"])
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        for capability in (CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE):
            assert not int(of[kind], 16) >> capability & 1, (kind, capability)
    assert of["Name"] == f"netnsmgr:{agent}"


def test_dnsmasq_is_not_root(w: World) -> None:
    """dnsmasq runs as a user of its own, in its instance's namespace."""
    of = status(w, w.dnsmasq("ni1"))
    assert "0" not in of["Uid"].split()
    inode = w.sh(f"stat -Lc %i /proc/{w.dnsmasq('ni1')}/ns/net /run/netns/ni1").split()
    assert inode[0] == inode[1]


def test_sockets_and_state_are_not_for_everybody(w: World) -> None:
    """Nobody but root and the sockets' group may configure networks."""
    for name in ("hub.sock", "updates.sock"):
        assert re.fullmatch(r"srw-rw---- root root\n", w.sh(f"stat -c '%A %U %G' /run/netnsmgr/{name}"))
    assert w.sh("find /var/lib/netnsmgr /run/netnsmgr -perm /002 -not -type s -not -type l") == ""


def test_the_doctor_finds_nothing_missing() -> None:
    """In the lab, where all the other tests pass, `netnsmgr doctor` is content."""
    with Lab() as lab:
        before = lab.device.run(["sh", "-c", "ip -br link; ip rule; nft list ruleset"]).stdout
        result = lab.netnsmgr("doctor")
        assert result.returncode == 0, result.stdout
        assert lab.device.run(["sh", "-c", "ip -br link; ip rule; nft list ruleset"]).stdout == before


def test_a_process_knows_where_it_lives(w: World) -> None:
    """Each agent lives in its own namespace and nowhere else: also none of its threads."""
    inode = w.sh("stat -Lc %i /run/netns/ni1").strip()
    pid = w.agent("ni1")["pid"]
    found = w.sh(f"stat -Lc %i /proc/{pid}/task/*/ns/net").split()
    assert set(found) == {inode}
    assert Path("/proc/self/ns/net").stat().st_ino != int(inode)
