"""Applications with access lists, as the tests of lists need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.lab import AppHost, LabError
from tests.scenarios.documents import Document, device, instance, port
from tests.scenarios.world import World

Rules = list[dict[str, Any]] | None
EVERYTHING: list[dict[str, Any]] = [{"id": 1}]
NOTHING: list[dict[str, Any]] = [{"id": 1, "action": "drop"}]


def listed(name: str, rules: Rules = None, network: str = "ni1", **interface: Any) -> Document:
    """An application with one interface, and this list there (None: no list)."""
    eth0 = {"name": "eth0", "network": network, **interface} | ({} if rules is None else {"acl": rules})
    spec = {"attach": {"netns": name}, "interfaces": [eth0]}
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": "App", "metadata": {"name": name}, "spec": spec}


def rule(number: int, action: Any = "allow", direction: str | None = None, **match: Any) -> dict[str, Any]:
    """A rule of a list."""
    found: dict[str, Any] = {"id": number, "match": match, "action": action}
    return found if direction is None else found | {"direction": direction}


@contextmanager
def lists(names: Sequence[str] = ("app1", "app2", "app3"), *others: Document) -> Iterator[World]:
    """A device with the instance ni1 and these applications in it, each with a lease and without a list."""
    with World(["eth0"]) as world:
        hosts = [world.lab.app(name) for name in names]
        world.apply(device(port(0)), instance("ni1"), *(listed(name) for name in names), *others)
        for host in hosts:
            host.dhcp("eth0")
        yield world


def address(world: World, app: str, interface: str = "eth0") -> str:
    """The address of an application."""
    return str(world.lab.apps[app].leases[interface].address.ip)


def answer(host: AppHost, url: str, timeout: float = 1.0) -> str:
    """Who answers, or the exit code of curl."""
    try:
        return host.http(url, interface="eth0", timeout=timeout).split(",")[0].removeprefix("I am ").strip()
    except LabError as error:
        return f"curl {getattr(error, 'code', error)}"
