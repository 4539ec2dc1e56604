"""An instance of another type under the same name, with its applications attached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import Document, app, bare, device, instance, port, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root
APPS = app("app1", "ni1"), app("app2", "ni1")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(("eth0", "eth3"), dhcp_ports=("eth3",)) as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        yield made


def addresses(w: World, name: str) -> set[tuple[str, str]]:
    return {(each["source"], each["address"]) for each in w.interface("ni1", name).get("addresses", ())}


def as_switch(w: World) -> None:
    w.apply(device(port(0), bare("eth3")), switch("ni1", "eth3"), *APPS)
    for name in ("app1", "app2"):
        w.lab.apps[name].dhcp("eth0")
        w.until(
            lambda name=name: any(how == "dhcp" for how, _ in addresses(w, name)),  # type: ignore[misc]
            f"{name} has a lease of the site",
        )


def test_a_switch_becomes_a_local_instance_and_one_again(w: World) -> None:
    """What was learned on the one counts for nothing on the other; ports and addresses follow."""
    as_switch(w)
    local: tuple[Document, ...] = (device(port(0), bare("eth3")), instance("ni1"), *APPS)
    w.apply(*local)
    assert w.instance("ni1")["type"] == "local"
    for name in ("app1", "app2"):
        assert not any(address.startswith("192.168.3.") for _, address in addresses(w, name))
        w.lab.apps[name].dhcp("eth0")
    w.until(lambda: all(addresses(w, name) for name in ("app1", "app2")), "leases of the instance")
    assert "nothing to change" in w.apply(*local).stdout
    as_switch(w)
    assert w.instance("ni1")["type"] == "switch"
