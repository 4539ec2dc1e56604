"""Rows 4 and 5: the flow log of NI1 tells who asked, as whom, and by which rule it passed or did not."""

from __future__ import annotations

from collections.abc import Iterator

from poc.checks import Check
from poc.rows.seen import answered
from poc.rows.watched import PORT_ADDRESSES, SERVERS, Log, by_port, link
from poc.scene import Scene


def row4(scene: Scene) -> Iterator[Check]:
    """NI1's flow log of github.com"""
    address = scene.leased("app1", "eth0").address.ip
    # What leaves is translated twice: to ni1's end of its link, as ni1's conntrack knows, and in the device to the port's address.
    _, inner = link(scene, "ni1")
    target = f"{SERVERS['github.com']}:80"
    yield Check(
        "4",
        "flow log of ni1: app1 asked github.com",
        f"{address} > {inner} > {target}: allow, rule 1; eth0: {PORT_ADDRESSES['eth0']} > {target}",
        lambda: by_port(scene, "eth0", target, lambda: _logged(scene, "github.com", type="flow")),
    )


def row5(scene: Scene) -> Iterator[Check]:
    """NI1's flow log of google.com"""
    address = scene.leased("app1", "eth0").address.ip
    yield Check(
        "5",
        "flow log of ni1: app1 asked google.com",
        f"{address} > {SERVERS['google.com']}:80: drop, default rule",
        lambda: _logged(scene, "google.com", timeout=1.0, type="drop"),
    )


def _logged(scene: Scene, name: str, timeout: float = 5.0, **wanted: str) -> str:
    log = Log(scene, "app1")
    answered(scene.apps["app1"], f"http://{name}", interface="eth0", timeout=timeout)
    return log.find("ni1", dst=SERVERS[name], dport=80, **wanted)
