"""Who agents are, and whose their directories are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from netnsmgr.kernel import places, reach
from netnsmgr.supervisor.agents import Settings
from netnsmgr.supervisor.homes import MOST, Homes

pytestmark = pytest.mark.root

USERS = 1_900_000_000
NUMBERS = {"ni1": 0, "ni2": 4}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Descriptors for Python are the fork server's affair, and the device's directories of programs nobody's here.
    monkeypatch.setattr(reach, "furnish", lambda _: None)
    monkeypatch.setattr(places, "lend", lambda _: None)
    return tmp_path


def homes(place: Path, users: int = USERS) -> Homes:
    settings = Settings(f"{place}/run", f"{place}/state", "info", "console")
    return Homes(cast("Any", Mock()), settings, users, lambda: NUMBERS)


def owners(place: Path) -> set[int]:
    return {
        os.lstat(os.path.join(where, name)).st_uid
        for where, dirs, files in os.walk(place)
        for name in dirs + files
    }


def test_each_agent_is_somebody_else(place: Path) -> None:
    """The uplink the first, an instance by its number; and back from the user to the agent."""
    made = homes(place)
    assert [made.user(each) for each in ("uplink", "ni1", "ni2")] == [USERS, USERS + 1, USERS + 5]
    assert [made.agent(USERS + n) for n in (0, 1, 5)] == ["uplink", "ni1", "ni2"]
    assert made.agent(USERS + 2) == "", "of an instance that is gone: nobody's, and not an operator's"
    assert [made.agent(each) for each in (0, 1000, USERS - 1, USERS + 1 + MOST)] == [None] * 4


def test_without_users_all_are_root(place: Path) -> None:
    """By wish; the directories are root's then."""
    made = homes(place, 0)
    assert made.furnish("ni1").user is None
    assert made.agent(USERS + 1) is None
    assert owners(place / "run" / "instances") == {0}


def test_an_earlier_version_left_everything_to_root(place: Path) -> None:
    """What is in an instance's directories becomes its agent's, the mark of its namespace moves to where it cannot write."""
    old = place / "run" / "instances" / "ni2"
    leases = place / "state" / "leases" / "ni2"
    for each in (old / "etc", leases, place / "run" / "instances" / "ni1"):
        each.mkdir(parents=True)
    (old / "netns").write_text("4026532999")
    (old / "etc" / "hosts").write_text("")
    (leases / "dnsmasq.leases").write_text("")
    shadow = place / "shadow"
    shadow.write_text("root's")
    (old / "link").symlink_to(shadow)
    os.link(shadow, old / "hard")
    made = homes(place)
    assert made.furnish("ni2").user == USERS + 5
    assert (place / "run" / "netns" / "ni2").read_text() == "4026532999"
    assert not (old / "netns").exists()
    assert {
        os.lstat(each).st_uid
        for each in (old, old / "etc", old / "etc" / "hosts", leases, leases / "dnsmasq.leases")
    } == {USERS + 5}
    assert os.stat(shadow).st_uid == 0, "neither by a link nor by another name"
    assert old.stat().st_mode & 0o777 == 0o700
    assert owners(place / "run" / "netns") == {0}


def test_what_is_given_is_not_the_agents_to_change(place: Path) -> None:
    """Sockets and secrets lie in a directory of root's that the agent's group can read; all of it goes with the agent."""
    made = homes(place)
    made.furnish("ni1")
    given = place / "run" / "given" / "ni1"
    found = given.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, USERS + 1, 0o750)
    made.remove("ni1")
    assert not given.exists()
    assert not (place / "run" / "instances" / "ni1").exists()


def dig(place: Path, depth: int) -> None:
    """Directories within each other, deeper than a path may be long."""
    where = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=where)
        deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=where)
        os.close(where)
        where = deeper
    os.close(where)


def test_what_an_agent_left_is_removed_however_deep_it_is(place: Path) -> None:
    """The instance could never be deleted otherwise, nor the daemon be started, while leases outlive everything."""
    made = homes(place)
    made.furnish("ni1")
    for path in ("run/instances/ni1", "state/leases/ni1"):
        dig(place / path, 3000)
    made.remove("ni1")
    assert not (place / "run/instances/ni1").exists()
    assert not (place / "state/leases/ni1").exists()


def test_another_users_deep_tree_keeps_no_agent_from_starting(place: Path) -> None:
    homes(place).furnish("ni1")
    leases = place / "state/leases/ni1"
    dig(leases, 3000)
    homes(place, USERS + 100).furnish("ni1")
    assert (os.lstat(leases).st_uid, list(leases.iterdir())) == (USERS + 101, [])
