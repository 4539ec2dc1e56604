"""Rows 2, 3, 11 and 12: names and servers of the outside, as the lists allow them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.rows.seen import answered
from poc.rows.watched import PORT_ADDRESSES, SEEN_OUTSIDE, SERVERS, by_port, kept_in
from poc.scene import Scene


def row2(scene: Scene) -> Iterator[Check]:
    """app1 via NI1: github.com and its subdomains"""
    scene.leased("app1", "eth0")
    for name in ("github.com", "www.github.com"):
        yield _answer(scene, "2", "app1", "ni1", "eth0", name)


def row3(scene: Scene) -> Iterator[Check]:
    """app1 via NI1: not google.com"""
    yield from _barred(scene, "3", "app1", "ni1", "google.com")


def row11(scene: Scene) -> Iterator[Check]:
    """app2: not github.com"""
    yield from _barred(scene, "11", "app2", "ni2", "github.com")


def row12(scene: Scene) -> Iterator[Check]:
    """app3: any site"""
    app3 = scene.apps["app3"]
    scene.leased("app3", "eth0")
    for name in SERVERS:
        yield _answer(scene, "12", "app3", "ni3", "eth1", name)
    yield Check(
        "12",
        "app3 by ni3: 2 MB from google.com",
        "2000000 bytes",
        lambda: f"{len(app3.http('http://google.com/bytes/2000000', interface='eth0', timeout=20))} bytes",
    )


def _answer(scene: Scene, row: str, app: str, network: str, port: str, name: str) -> Check:
    """The server's answer, and as whom the device asked it."""
    address = SERVERS[name]
    ask = partial(answered, scene.apps[app], f"http://{name}", interface="eth0")
    return Check(
        row,
        f"{app} by {network}: http://{name}",
        f"I am {name}, you are {SEEN_OUTSIDE}; {port}: {PORT_ADDRESSES[port]} > {address}:80",
        lambda: by_port(scene, port, f"{address}:80", ask),
    )


def _barred(scene: Scene, row: str, app: str, network: str, name: str) -> Iterator[Check]:
    """The name is known, its server out of reach: nothing of the question leaves the device."""
    host, address = scene.apps[app], SERVERS[name]
    scene.leased(app, "eth0")
    yield Check(
        row,
        f"{app} asks {network} for {name}",
        address,
        lambda: ", ".join(host.lookup(name, interface="eth0")),
    )
    yield Check(
        row,
        f"{app} by {network}: http://{name}",
        "no connection (silence); beyond: nothing",
        lambda: kept_in(
            scene,
            f"dst host {address}",
            lambda: answered(host, f"http://{name}", interface="eth0", timeout=1.0),
        ),
    )
