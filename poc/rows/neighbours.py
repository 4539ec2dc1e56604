"""Rows 6 and 10, and names: applications of one network know and reach each other, those of another do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.rows.seen import answered
from poc.rows.watched import Log
from poc.scene import Scene

#: Where each is in ni2.
IN_NI2 = {"app1": "eth1", "app2": "eth0"}


def row6(scene: Scene) -> Iterator[Check]:
    """app1 via NI2: app2"""
    yield from _asks(scene, "6", "app1", "app2")
    yield from _strangers(scene, "6")


def row10(scene: Scene) -> Iterator[Check]:
    """app2: app1"""
    yield from _asks(scene, "10", "app2", "app1")


def _asks(scene: Scene, row: str, asker: str, asked: str) -> Iterator[Check]:
    """By name; and that both lists' rules for the network's own applications (eidset) are in the log."""
    mine, other = (str(scene.leased(app, IN_NI2[app]).address.ip) for app in (asker, asked))
    logs = {app: Log(scene, app) for app in IN_NI2}
    ask = partial(answered, scene.apps[asker], f"http://{asked}", interface=IN_NI2[asker])
    yield Check(row, f"{asker} by ni2: http://{asked}", f"I am {asked}, you are {mine}", ask)
    for app, peer, direction in ((asker, asked, "out"), (asked, asker, "in")):
        yield Check(
            row,
            f"flow log of ni2: {app}'s list, {direction}",
            f"{mine} > {other}:80: allow, rule 1",
            partial(logs[app].find, "ni2", type="flow", direction=direction, peer=peer, dport=80),
        )


def _strangers(scene: Scene, row: str) -> Iterator[Check]:
    """A network's names are its own: configured ones and applications'."""
    for app, interface, network, name, known in (
        ("app1", "eth0", "ni1", "printer", "10.10.1.9"),
        ("app1", "eth0", "ni1", "app2", "no such name"),
        ("app2", "eth0", "ni2", "printer", "no such name"),
        ("app2", "eth0", "ni2", "app3", "no such name"),
        ("app3", "eth0", "ni3", "printer", "no such name"),
    ):
        scene.leased(app, interface)
        yield Check(
            row, f"{app} asks {network} for {name}", known, partial(_lookup, scene, app, interface, name)
        )


def _lookup(scene: Scene, app: str, interface: str, name: str) -> str:
    return ", ".join(scene.apps[app].lookup(name, interface=interface)) or "no such name"
