"""Rows 7, 8, 13 and 23: the device's port 8080, which leads to app2, asked from all sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import yaml

from poc.checks import Check
from poc.rows.seen import answered
from poc.rows.watched import PORT_ADDRESSES, PORT_MAP, Log, by_port, kept_in, link
from poc.scene import CONFIGURATION, Scene
from tests.lab.process import LabError

URL = f"http://{PORT_MAP}"
ADDRESS = PORT_ADDRESSES["eth0"]
SITE = "192.168.0.1"
#: What app1's list lacks in ni2, to reach the map of its own network.
RULE = {"id": 2, "match": {"ip": ADDRESS, "protocol": "tcp", "fport": 8080}}


def row7(scene: Scene) -> Iterator[Check]:
    """app1 via NI1: the port map of NI2, through the device"""
    address, app2 = _address(scene, "app1", "eth0"), _address(scene, "app2", "eth0")
    (_, ni1), (_, ni2) = link(scene, "ni1"), link(scene, "ni2")
    mine, its = Log(scene, "app1"), Log(scene, "app2")
    ask = partial(answered, scene.apps["app1"], URL, interface="eth0")
    yield Check(
        "7",
        f"app1 by ni1: {URL}, within the device",
        f"I am app2, you are {ni1}; beyond: nothing",
        lambda: kept_in(scene, f"dst host {ADDRESS}", ask),
    )
    yield Check(
        "7",
        "flow log of ni1: app1's list allows it",
        f"{address} > {ni1} > {PORT_MAP}: allow, rule 2",
        lambda: mine.find("ni1", type="flow", dst=ADDRESS, dport=8080),
    )
    yield _led("7", its, f"{ni1} > {ni2}:8080 > {app2}:80")


def row8(scene: Scene) -> Iterator[Check]:
    """app1 via NI2: the port map of its own network, as the list decides"""
    address, app2 = _address(scene, "app1", "eth1"), _address(scene, "app2", "eth0")
    outer, inner = link(scene, "ni2")
    mine, its = Log(scene, "app1"), Log(scene, "app2")
    ask = partial(answered, scene.apps["app1"], URL, interface="eth1")

    def barred() -> str:
        # An application may lack the rights to capture: its link is watched at its other end.
        its_link = (scene.instance("ni2"), scene.vif("app2", "ni2")["vif"])
        return kept_in(scene, "(dst port 8080 or dst port 80)", partial(ask, timeout=1.0), its_link)

    nothing = "no connection (silence); beyond: nothing"
    yield Check("8", f"app1 by ni2: {URL}, which its list does not name", nothing, barred)
    yield Check(
        "8",
        "flow log of ni2: app1's list drops it",
        f"{address} > {PORT_MAP}: drop, default rule",
        lambda: mine.find("ni2", type="drop", dst=ADDRESS),
    )
    yield Check(
        "8",
        f"app1 by ni2: {URL}, with a rule for it",
        f"I am app2, you are {outer}",
        lambda: _with_rule(scene, ask),
    )
    yield Check(
        "8",
        "flow log of ni2: app1's list allows it",
        f"{address} > {inner} > {PORT_MAP}: allow, rule 2",
        lambda: mine.find("ni2", type="flow", dst=ADDRESS, dport=8080),
    )
    yield _led("8", its, f"{outer} > {inner}:8080 > {app2}:80")
    yield Check("8", "without that rule again", nothing, barred)


def row13(scene: Scene) -> Iterator[Check]:
    """app3: the port map, out of the device by eth1 and in again by eth0"""
    scene.leased("app3", "eth0")
    app2 = _address(scene, "app2", "eth0")
    outer, inner = link(scene, "ni2")
    log = Log(scene, "app2")
    ask = partial(answered, scene.apps["app3"], URL, interface="eth0")
    flow = f"{PORT_ADDRESSES['eth1']} > {PORT_MAP}"
    # 192.168.1.2, as which it comes back, would be a neighbour in ni2: app2 is asked by the device's end of the link instead.
    yield Check(
        "13",
        f"app3 by ni3: {URL}, around by the site",
        f"I am app2, you are {outer}; eth1: {flow}; eth0: {flow}",
        lambda: by_port(scene, "eth0", PORT_MAP, lambda: by_port(scene, "eth1", PORT_MAP, ask)),
    )
    yield _led("13", log, f"{outer} > {inner}:8080 > {app2}:80")


def row23(scene: Scene) -> Iterator[Check]:
    """gw: the port map"""
    app2 = _address(scene, "app2", "eth0")
    _, inner = link(scene, "ni2")
    log = Log(scene, "app2")
    yield Check("23", f"gw: {URL}", f"I am app2, you are {SITE}", lambda: answered(scene.gw, URL))
    yield _led("23", log, f"{SITE} > {inner}:8080 > {app2}:80")


def _address(scene: Scene, app: str, interface: str) -> str:
    return str(scene.leased(app, interface).address.ip)


def _led(row: str, log: Log, flow: str) -> Check:
    asker = flow.partition(" > ")[0]
    return Check(
        row,
        "flow log of ni2: the port map leads it to app2",
        f"{flow}: allow, rule 2",
        lambda: log.find("ni2", type="flow", src=asker, dport=8080),
    )


def _with_rule(scene: Scene, do: Callable[[], str]) -> str:
    """Do it while app1's list in ni2 has RULE, too; the scenario is as it was in any case."""
    text = CONFIGURATION.read_text()
    documents = list(yaml.safe_load_all(text))
    (app1,) = (d for d in documents if (d["kind"], d["metadata"]["name"]) == ("App", "app1"))
    next(i for i in app1["spec"]["interfaces"] if i["network"] == "ni2")["acl"].append(RULE)
    try:
        _publish(scene, yaml.safe_dump_all(documents, sort_keys=False))
        return do()
    finally:
        _publish(scene, text)


def _publish(scene: Scene, text: str) -> None:
    if (said := scene.publish(text)) != "applied":
        raise LabError(f"publishing app1's list: {said}")
