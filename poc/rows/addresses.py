"""Row 1: leases of real DHCP clients, and that the device knows what they were given."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.scene import WISHES, Scene
from tests.lab.observe import in_range

CLIENTS = (
    ("app1", "eth0", "ni1", "10.10.1"),
    ("app1", "eth1", "ni2", "192.168.1"),
    ("app2", "eth0", "ni2", "192.168.1"),
    ("app3", "eth0", "ni3", "10.10.1"),
)


def row1(scene: Scene) -> Iterator[Check]:
    """Addresses from DHCP, of the configured ranges"""
    for app, interface, network, prefix in CLIENTS:
        yield Check(
            "1",
            f"{app} takes a lease in {network}",
            f"{prefix}.50-{prefix}.150/24 via {prefix}.1",
            partial(_lease, scene, app, interface),
            partial(in_range, prefix),
        )
        yield Check(
            "1",
            f"netnsmgr get apps knows {app}'s address in {network}",
            str(scene.leased(app, interface).address.ip),
            partial(_known, scene, app, interface, network),
        )
    yield Check(
        "1",
        "two hosts have one address: app1 in ni1, app3 in ni3",
        WISHES["app1", "eth0"],
        partial(_both, scene),
    )


def _lease(scene: Scene, app: str, interface: str) -> str:
    lease = scene.apps[app].dhcp(interface, request=WISHES.get((app, interface)))
    return f"{lease.address} via {', '.join(map(str, lease.routers)) or lease.routes}"


def _known(scene: Scene, app: str, interface: str, network: str) -> str:
    address = str(scene.leased(app, interface).address.ip)

    known: list[str] = []

    def told() -> bool:
        known[:] = [each["address"] for each in scene.vif(app, network)["addresses"]]
        return address in known

    scene.device.eventually(told, timeout=10.0, pause=0.2)
    return ", ".join(known)


def _both(scene: Scene) -> str:
    first, second = (scene.leased(app, "eth0").address.ip for app in ("app1", "app3"))
    return str(first) if first == second else f"{first} and {second}"
