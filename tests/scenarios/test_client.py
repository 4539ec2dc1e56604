"""The public client against the daemon itself: threads that hammer, a daemon that is killed, other writers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from netnsmgr.client import Change, Client, ConfigError
from tests.scenarios.documents import app, device, instance
from tests.scenarios.supervisors import client
from tests.scenarios.world import World

pytestmark = pytest.mark.root

NI, NI_STATUS, APP_STATUS = "NetworkInstanceConfig", "NetworkInstanceStatus", "AppNetworkStatus"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def w(world: World) -> Iterator[World]:
    """The world without any configuration, before and after."""
    yield world
    for name in ("zedagent", "operator"):
        with client(world, name) as one:
            assert one.applied(one.publish([], replace=True)) == ()
    # What a test deleted itself may still be on its way.
    world.eventually(lambda: "ni" not in world.sh("ls /run/netns"), "every instance has gone")


def closed(name: str, number: int) -> dict[str, object]:
    """An instance without a port: quick to come and go."""
    return instance(name, f"10.20.{number}", ports=[])


def test_publish_is_true_when_it_says_so(w: World) -> None:
    """At once: the application's link is there, the instance answers; after a deletion nothing is left."""
    w.lab.app("app1")
    with client(w) as c:
        published = c.publish([device(), instance("ni1"), app("app1", "ni1")], replace=True)
        assert c.applied(published) == ()
        assert w.lab.apps["app1"].dhcp("eth0").address.network.with_prefixlen == "10.10.1.0/24"
        # The slice has changed, and so nothing that speaks of the one before counts.
        for prefix in ("10.10.2", "10.10.3"):
            published = c.publish([device(), instance("ni1", prefix), app("app1", "ni1")], replace=True)
            assert c.applied(published) == ()
            assert w.lab.instance("ni1").addresses("bn0") == [f"{prefix}.1/24"]
        published = c.publish([device()], replace=True)
        assert [kind.label(name) for kind, name in published.deleted] == ["app/app1", "network-instance/ni1"]
        assert c.applied(published) == ()
        assert "ni1" not in w.sh("ls /run/netns").split()
        assert w.lab.apps["app1"].link("eth0") is None


def test_refused(w: World) -> None:
    """Everything that is wrong is said, nothing is changed, and what another writer uses cannot be taken away."""
    with client(w) as c, client(w, "operator") as operator:
        c.publish([device(), closed("ni1", 1)], replace=True)
        operator.publish([app("app1", "ni1")])
        before = dict(c.rows(NI))
        with pytest.raises(ConfigError) as refused:
            c.publish([device(), closed("ni1", 1) | {"bad": 1}, app("app2", "ni7")], replace=True)
        assert {(p.document, p.where) for p in refused.value.problems} == {
            (1, ("bad",)),
            (2, ("spec", "interfaces", 0, "network")),
        }
        with pytest.raises(ConfigError, match="app1"):
            c.publish([device()], replace=True)
        with pytest.raises(ConfigError, match="'operator'"):
            c.publish([app("app1", "ni1")])
        with pytest.raises(ConfigError, match="'zedagent'"):
            operator.publish([closed("ni1", 2)])
        assert c.rows(NI) == before
        operator.publish([], replace=True)
        assert c.applied(c.publish([device()], replace=True)) == ()
        assert not c.rows(NI)


def test_two_writers(w: World) -> None:
    """Each replaces what is its own, and what it took over."""
    with client(w) as c, client(w, "operator") as operator:
        c.publish([device(), closed("ni1", 1), closed("ni2", 2)], replace=True)
        operator.publish([closed("ni3", 3)], replace=True)
        operator.publish([closed("ni2", 2), closed("ni3", 3)], replace=True, takeover=True)
        published = c.publish([device(), closed("ni1", 1)], replace=True)
        assert published.deleted == ()
        assert set(c.rows(NI)) == {"ni1", "ni2", "ni3"}
        assert c.applied(published) == ()
        assert {name for _, name in operator.publish([], replace=True).deleted} == {"ni2", "ni3"}
        assert set(c.rows(NI)) == {"ni1"}


def test_hammered_by_threads(w: World) -> None:
    """Several threads make and delete instances over one client while others listen: each is right about its own."""
    wrong: list[object] = []
    with client(w) as c:
        c.publish([device()])
        seen: dict[str, list[str]] = {f"ni{n}": [] for n in range(4)}

        def listen(change: Change) -> None:
            if change.key in seen:
                seen[change.key].append("gone" if change.row is None else str(change.row["state"]))

        c.on_change(listen, NI_STATUS)

        def work(n: int) -> None:
            try:
                for _ in range(2):
                    wrong.extend(c.applied(c.publish([closed(f"ni{n}", n)]), 60))
                    assert f"ni{n}" in w.sh("ls /run/netns").split()
                    wrong.extend(c.applied(c.delete("NetworkInstance", f"ni{n}"), 60))
                    assert f"ni{n}" not in w.sh("ls /run/netns").split()
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(seen))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
        assert not wrong
    for states in seen.values():
        # The last word of an agent may come after its instance has gone, and is taken back then.
        assert states.count("gone") >= 2
        assert states[-1] == "gone"
        assert ("gone", "gone") not in pairwise(states)
        assert states.index("ready") < states.index("gone")


def test_the_daemon_is_killed_and_comes_back(w: World) -> None:
    """What was acknowledged is on disk, whenever the daemon was killed; subscriptions go on, without a word twice."""
    acknowledged: list[int] = []
    over = threading.Event()
    told: list[Change] = []
    statuses: list[Change] = []
    connections: list[bool] = []
    with client(w) as c:
        c.on_connection(connections.append)
        c.on_change(told.append, NI)
        assert c.applied(c.publish([device(), closed("ni1", 1)])) == ()
        c.on_change(statuses.append, NI_STATUS)

        def publish() -> None:
            version = 0
            while not over.is_set():
                version += 1
                c.publish([instance("ni1", "10.20.1", ports=[], dns=_version(version))], timeout=60)
                acknowledged.append(version)

        publisher = threading.Thread(target=publish)
        publisher.start()
        for _ in range(2):
            enough = len(acknowledged) + 5
            w.eventually(lambda enough=enough: len(acknowledged) >= enough, "the publisher goes on")  # type: ignore[misc]
            w.daemon.kill9()
            known = acknowledged[-1]
            w.restart()
            assert _version_of(c) >= known
        over.set()
        publisher.join(60)
        assert not publisher.is_alive()
        assert _version_of(c) == acknowledged[-1]
        published = c.publish([instance("ni1", "10.20.1", ports=[], dns=_version(acknowledged[-1] + 1))])
        assert c.applied(published) == ()
        w.eventually(lambda: told[-1].row == published.documents[0], "the last version is told")
    assert all(before != after for before, after in pairwise(told))
    versions = [_count(change.row) for change in told if change.row is not None]
    assert versions == sorted(versions)
    # Its agents have not told it yet when it is back, which is not told as an end.
    assert statuses
    assert all(change.row is not None for change in statuses)
    assert connections[-5:] == [True, False, True, False, True]


def _version(number: int) -> dict[str, object]:
    return {"hosts": {"version": [f"10.99.{number >> 8}.{number & 255}"]}}


def _count(row: object) -> int:
    assert isinstance(row, dict)
    hosts = row["spec"].get("dns", {}).get("hosts", {"version": ["0.0.0.0"]})
    high, low = hosts["version"][0].split(".")[2:]
    return int(high) * 256 + int(low)


def _version_of(c: Client) -> int:
    return _count(c.rows(NI, timeout=60)["ni1"])
