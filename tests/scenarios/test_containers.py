"""Applications that are containers, by the API of their engine: what happens to a container, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import CommandFailed
from tests.lab.app import AppHost
from tests.lab.engine import SOCKET, Engine
from tests.lab.observe import lost, none_lost
from tests.lab.process import Process
from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

GITHUB = "203.0.113.10"
NOT_RUNNING = "pending: container app1 is not running"
NONE = "pending: there is no container app1"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(["eth0"]) as made:
        yield made


@pytest.fixture
def w(world: World) -> Iterator[World]:
    yield world
    world.apply(device(), options=["--prune"])
    world.lab.engine().clear()


def joined(w: World, *names: str) -> Engine:
    """An engine with these containers, and the applications in them, in ni1."""
    engine = w.lab.engine()
    for name in names:
        engine.run(name)
    w.apply(device(), instance("ni1"), *map(contained, names))
    return engine


def contained(name: str, container: str = "", *, interface: str = "eth0") -> Document:
    """An application in the container of its own name, unless told otherwise."""
    document = app(name, "ni1", attach={"container": container or name})
    document["spec"]["interfaces"][0]["name"] = interface
    return document


def address(host: AppHost, interface: str = "eth0") -> str:
    """The address that it gets, having used it."""
    lease = host.dhcp(interface)
    assert host.http(f"http://{GITHUB}", interface=interface) == "I am github.com, you are 192.168.0.2\n"
    return str(lease.address.ip)


def outward(host: AppHost) -> Process:
    """Pings out into the internet, 50 a second."""
    address(host)
    assert host.ping(GITHUB)
    ping = host.popen(["ping", "-n", "-q", "-i", "0.02", "-W", "1", "-I", "eth0", GITHUB])
    ping.wait_line("PING")
    return ping


def undisturbed(ping: Process) -> None:
    assert none_lost(seen := lost(ping)), seen


def test_a_container_that_is_restarted(w: World) -> None:
    """Each of its namespaces gets the interface, with the same MAC and address; its neighbour does not notice."""
    engine = joined(w, "app1", "app2")
    app1, mac = w.lab.app("app1"), w.interface("ni1", "app1")["mac"]
    before = address(app1)
    neighbour = outward(w.lab.app("app2"))
    for _ in range(3):
        assert engine.restart("app1") is app1
        assert app1.wait_link("eth0")["address"] == mac
        assert address(app1) == before
    undisturbed(neighbour)
    assert [a["address"] for a in w.interface("ni1", "app1")["addresses"]] == [before]


def test_a_container_that_is_stopped_renamed_and_made_anew(w: World) -> None:
    """The interface waits, and says what for, until a container of that name runs, whichever it is."""
    engine = joined(w, "app1", "app2")
    app1 = w.lab.app("app1")
    before = address(app1)
    neighbour = outward(w.lab.app("app2"))
    engine.stop("app1")
    w.pending("ni1", "app1", NOT_RUNNING)
    engine.start("app1")
    w.attached("ni1", "app1")
    assert address(app1) == before
    engine.rename("app1", "other")
    w.pending("ni1", "app1", NONE)
    # The container goes on, and is somebody else's now.
    w.eventually(lambda: app1.link("eth0") is None, "that the interface has gone")
    engine.rename("other", "app1")
    w.attached("ni1", "app1")
    engine.destroy("app1")
    w.pending("ni1", "app1", NONE)
    engine.create("app1")
    w.pending("ni1", "app1", NOT_RUNNING)
    engine.start("app1")
    w.attached("ni1", "app1")
    assert address(app1) == before
    undisturbed(neighbour)


def test_a_container_by_its_id(w: World) -> None:
    """The beginning of an id is as good as a name, as in docker."""
    engine = w.lab.engine()
    app1 = engine.run("app1")
    w.apply(device(), instance("ni1"), contained("app1", engine.id("app1")[:12]))
    address(app1)
    engine.restart("app1")
    w.attached("ni1", "app1")
    address(app1)


def test_an_application_that_is_deleted(w: World) -> None:
    """Its interface leaves the container, which goes on; nothing of it stays with the daemon, which listens no more."""
    engine = joined(w, "app1")
    app1 = w.lab.app("app1")
    address(app1)
    w.command("delete", "app", "app1")
    w.eventually(lambda: app1.link("eth0") is None, "that the interface has gone")
    assert w.sh("ls /run/netnsmgr/attach") == ""
    w.eventually(lambda: not engine.listeners, "nobody listens to the engine")
    w.apply(contained("app1"))
    address(app1)


def test_the_daemon_ends_and_starts(w: World) -> None:
    """Neither disturbs who is attached; what happened to a container meanwhile is made good."""
    engine = joined(w, "app1", "app2", "app3")
    app2 = w.lab.app("app2")
    address(app2)
    ping = outward(w.lab.app("app1"))
    for end in (w.stop, w.crash):
        end()
        engine.restart("app2")
        engine.stop("app3")
        w.restart()
        w.attached("ni1", "app1")
        w.pending("ni1", "app3", "pending: container app3 is not running")
        app2.wait_link("eth0")
        address(app2)
        engine.start("app3")
        w.attached("ni1", "app3")
    undisturbed(ping)


def test_the_engine_ends_and_starts(w: World) -> None:
    """Containers go on without it, and netnsmgr with them; what happened meanwhile is made good when it is back."""
    engine = joined(w, "app1", "app2")
    app2 = w.lab.app("app2")
    address(app2)
    ping = outward(w.lab.app("app1"))
    since = w.mark()
    engine.close()
    w.eventually(lambda: w.logged(since, event="containers are not followed"), "that the engine is away")
    engine.restart("app2")
    engine.open()
    w.eventually(lambda: app2.link("eth0"), "app2 has its interface again")
    address(app2)
    undisturbed(ping)


def test_no_engine() -> None:
    """Without one the interface says so, and everything else works; once one is there, it is found."""
    with World(["eth0"]) as w:
        w.lab.app("app2")
        without_engine(w)


def without_engine(w: World) -> None:
    reason = (
        "pending: there is no container engine: none of /run/docker.sock, /var/run/docker.sock, "
        "/run/podman/podman.sock exists; start one, or give its socket (netnsmgr daemon --engine PATH)"
    )
    done = w.apply(
        device(),
        instance("ni1"),
        contained("app1"),
        app("app2", "ni1"),
        options=("--timeout", "3s"),
        code=1,
    )
    assert f"app/app1/eth0: {reason}" in done.stderr
    address(w.lab.app("app2"))
    engine = w.lab.engine()
    w.pending("ni1", "app1", NONE)
    engine.close()
    w.pending("ni1", "app1", f"pending: the container engine at {SOCKET} does not answer: Connection refused")
    engine.remove_socket()
    w.pending("ni1", "app1", reason)
    engine.open()
    address(engine.run("app1"))


def test_a_container_with_the_network_of_the_host(w: World) -> None:
    """It is refused, also in one that shares it: its interface would be one of the device."""
    engine = w.lab.engine()
    engine.run("app1", network="host")
    engine.run("app2", network="container:app1")
    w.put(device(), instance("ni1"), contained("app1"), contained("app2"))
    for name in ("app1", "app2"):
        w.pending(
            "ni1",
            name,
            f"pending: container {name} has the host's own network; "
            "run it with a network namespace of its own (--network none)",
        )
    assert w.sh("ls /run/netnsmgr/attach") == ""
    engine.destroy("app1")
    engine.run("app1")
    w.attached("ni1", "app1")


def test_two_applications_in_one_container(w: World) -> None:
    """They have one namespace and one interface each; a container that joins another's is in that one."""
    engine = w.lab.engine()
    app1 = engine.run("app1")
    engine.run("app2", network="container:app1", app="app1")
    first, second = contained("app1"), contained("more", "app1", interface="eth1")
    w.apply(device(), instance("ni1"), first, second, contained("app2", interface="eth2"))
    assert len({address(app1, f"eth{n}") for n in range(3)}) == 3
    # Two names for one container are seen by the kernel alone.
    clash = contained("clash", engine.id("app1"), interface="eth1")
    done = w.apply(clash, options=("--timeout", "2s"), code=1)
    assert "network namespace of container" in done.stderr
    assert "has an interface eth1 already" in done.stderr
    refused = w.apply(contained("same", "app1", interface="eth1"), code=2)
    assert "goes to the same namespace (app1); rename one of the interfaces" in refused.stderr
    w.command("delete", "app", "clash")
    engine.restart("app1")
    app1.wait_link("eth0")
    app1.wait_link("eth1")
    address(app1, "eth1")
    # Who had joined it is left behind in the old one, in docker too, until it is started again itself.
    assert app1.link("eth2") is None
    engine.restart("app2")
    app1.wait_link("eth2")
    address(app1, "eth2")


def test_who_speaks_to_the_engine(w: World) -> None:
    """The supervisor alone, and only while an application is in a container; helpers' users may not."""
    engine = w.lab.engine()
    app1 = engine.run("app1")
    w.lab.app("app2")
    w.apply(device(), instance("ni1"), app("app2", "ni1"))
    before = engine.asked
    w.apply(device(), instance("ni1", "10.10.2"), app("app2", "ni1"))
    assert (engine.asked, engine.listeners) == (before, 0)
    w.apply(contained("app1"))
    address(app1)
    assert engine.asked > before
    assert engine.listeners == 1
    asking = ["curl", "-sS", "--unix-socket", SOCKET, "http://engine/version"]
    w.lab.device.run(asking)
    with pytest.raises(CommandFailed, match="Failed to connect"):
        w.lab.device.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *asking])
