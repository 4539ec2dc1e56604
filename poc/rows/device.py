"""Row 22: the device reaches applications, also where one address is two hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from poc.checks import Check
from poc.rows.seen import answered
from poc.rows.watched import link
from poc.scene import Scene


def row22(scene: Scene) -> Iterator[Check]:
    """zedbox: app1 in NI1; its address in NI3 is app3's"""
    address = str(scene.leased("app1", "eth0").address.ip)
    yield Check(
        "22", "app3 in ni3 has app1's address", address, lambda: str(scene.leased("app3", "eth0").address.ip)
    )
    curl = partial(answered, scene.device, f"http://{address}")
    ends = {network: link(scene, network)[0] for network in ("ni1", "ni3")}
    ways: tuple[tuple[str, str, str, Callable[[], str]], ...] = (
        ("app1", "curl", ends["ni1"], curl),
        ("app1", "curl --interface nm-ni1", ends["ni1"], partial(curl, interface="nm-ni1")),
        ("app3", "curl --interface nm-ni3", ends["ni3"], partial(curl, interface="nm-ni3")),
        ("app1", "netnsmgr exec ni1 -- curl", "10.10.1.1", partial(_inside, scene, "ni1", address)),
        ("app3", "netnsmgr exec ni3 -- curl", "10.10.1.1", partial(_inside, scene, "ni3", address)),
    )
    for app, way, asker, do in ways:
        yield Check("22", f"device: {way} http://{address}", f"I am {app}, you are {asker}", do)


def _inside(scene: Scene, instance: str, address: str) -> str:
    result = scene.netnsmgr("exec", instance, "--", "curl", "-sS", "-m", "5", f"http://{address}")
    return result.stdout or result.stderr
