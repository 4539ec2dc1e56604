"""Row 25: one instance after the other is deleted, while the applications of those that remain go on undisturbed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.rows.applied import applied
from poc.rows.left import Traces
from poc.rows.switch import whose
from poc.rows.traffic import Traffic
from poc.scene import CONFIGURATION, Scene, without

CLOUDS = {"ni4": "cloud1", "ni5": "cloud2"}
#: Each before the one that it collides with: ni1 has ni3's addresses, ni4 has ni5's selectors.  Of the first one nothing
#: is asked meanwhile, as nothing is deleted before it.
ORDER = ("ni3", "ni5", "ni6", "ni2", "ni4", "ni1")


def row25(scene: Scene) -> Iterator[Check]:
    """all: delete one NI after the other; those that remain are not disturbed"""
    document = CONFIGURATION.read_text()
    meanwhile: dict[str, Traffic] = {}
    tunnels: dict[str, str] = {}
    try:
        yield Check(
            "25", "transfers and pings in all but ni3", "begun", lambda: begin(scene, meanwhile, tunnels)
        )
        for gone in ORDER:
            if gone != ORDER[0]:
                yield Check(
                    "25",
                    f"{gone} meanwhile",
                    "nothing lost",
                    partial(ended, scene, meanwhile, tunnels, gone),
                    lambda seen: seen.startswith("nothing lost: "),
                )
            left = without(document, gone)
            yield Check("25", f"delete {gone}", "nothing of it left", partial(delete, scene, document, gone))
            document = left
            if gone == "ni6":
                yield Check("25", "eth3, which was ni6's, is", "the device's", lambda: whose(scene))
    finally:
        for traffic in meanwhile.values():
            traffic.stop()
    # So that the lab is left as it was found.
    for check in applied(scene, CONFIGURATION.read_text()):
        yield Check("25", f"again: {check.what}", check.expected, check.do)


def begin(scene: Scene, meanwhile: dict[str, Traffic], tunnels: dict[str, str]) -> str:
    app1 = scene.leased("app1", "eth1").address.ip
    for network, traffic in {
        "ni5": Traffic(scene, "app5", url="http://192.168.0.1"),
        # Two packets for each, of the five that its list allows.
        "ni6": Traffic(scene, "app6", ping="192.168.3.1", pause=0.5),
        "ni2": Traffic(scene, "app2", url=f"http://{app1}"),
        "ni4": Traffic(scene, "app4", url="http://192.168.0.1"),
        "ni1": Traffic(scene, "app1", url="http://github.com", ping="192.168.0.1"),
    }.items():
        traffic.start()
        meanwhile[network] = traffic
    tunnels.update({network: associations(scene, network) for network in CLOUDS})
    return "begun"


def ended(scene: Scene, meanwhile: dict[str, Traffic], tunnels: dict[str, str], network: str) -> str:
    result = meanwhile.pop(network).result()
    if network not in CLOUDS:
        return result
    # A tunnel that was made anew loses packets, and TCP repairs it.
    after = associations(scene, network)
    same = after == tunnels[network]
    return f"{result}, by the same tunnel" if same else f"lost: the tunnel ({tunnels[network]}, now {after})"


def associations(scene: Scene, network: str) -> str:
    """A tunnel's SPIs, as the cloud knows them."""
    return (
        " ".join(re.findall(r"^    (?:in|out) +([0-9a-f]{8})", scene.sas(CLOUDS[network]), re.MULTILINE))
        or "none"
    )


def delete(scene: Scene, document: str, instance: str) -> str:
    """Publish what remains without it, and look for what it had."""
    traces = Traces(scene, document, instance)
    if instance == "ni3":
        scene.unplug()
    said = scene.publish(without(document, instance))
    if said != "applied":
        return said
    scene.device.eventually(lambda: not traces.left())
    return "left: " + "; ".join(left) if (left := traces.left()) else "nothing of it left"
