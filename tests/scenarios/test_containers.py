"""Applications that are containers, by the API of their engine: what happens to a container, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.app import AppHost
from tests.lab.engine import Engine
from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

NOT_RUNNING = "pending: container app1 is not running"


@pytest.fixture
def w() -> Iterator[World]:
    with World(["eth0"]) as world:
        yield world


def joined(w: World, *names: str) -> Engine:
    """An engine with these containers, and the applications in them, in ni1."""
    engine = w.lab.engine()
    for name in names:
        engine.run(name)
    w.apply(device(), instance("ni1"), *(contained(name) for name in names))
    return engine


def contained(name: str, container: str = "", **interface: str) -> dict[str, object]:
    return app(name, "ni1", attach={"container": container or name}, **interface)


def online(host: AppHost) -> str:
    """The address that it gets, having used it."""
    lease = host.dhcp()
    assert host.http("http://github.com") == "I am github.com, you are 192.168.0.2\n"
    return str(lease.address.ip)


def test_a_container_that_runs(w: World) -> None:
    """Its interface is in its namespace, with the MAC and the address that every start of it gets."""
    joined(w, "app1")
    mac = w.interface("ni1", "app1")["mac"]
    app1 = w.lab.app("app1")
    address = online(app1)
    app1 = w.lab.engine().restart("app1")
    app1.wait_link("eth0")
    assert app1.link("eth0")["address"] == mac  # type: ignore[index]
    assert online(app1) == address
