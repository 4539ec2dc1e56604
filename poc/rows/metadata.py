"""Row 9: 169.254.169.254 is the metadata service of the network asked through, which knows who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.rows.watched import PORT_ADDRESSES, Log
from poc.scene import Scene

SERVICE = "169.254.169.254"
URL = f"http://{SERVICE}"
NETWORK = "eve/v1/network.json"


def row9(scene: Scene) -> Iterator[Check]:
    """app1, app2: the metadata service, by either network"""
    logs = {app: Log(scene, app) for app in ("app1", "app2")}
    for app, interface, network, port in (
        ("app1", "eth0", "ni1", "eth0"),
        ("app1", "eth1", "ni2", "eth0"),
        ("app2", "eth0", "ni2", "eth0"),
        ("app3", "eth0", "ni3", "eth1"),
    ):
        address = scene.leased(app, interface).address.ip
        yield Check(
            "9",
            f"{app} by {network}: {URL}",
            f"{app} on edge, asked by {address}, outside {PORT_ADDRESSES[port]}",
            partial(_knows, scene, app, interface),
        )
        if app in logs:
            yield Check(
                "9",
                f"flow log of {network}: {app} asked it",
                f"{address} > {SERVICE}:80: allow, metadata",
                partial(logs[app].find, network, dst=SERVICE, interface=interface),
            )


def _knows(scene: Scene, app: str, interface: str) -> str:
    ask = partial(scene.apps[app].http, interface=interface)
    if NETWORK not in (there := ask(URL)).split():
        return f"no {NETWORK} but {there}"
    told = json.loads(ask(f"{URL}/{NETWORK}"))
    asker = told["caller-ip"].rpartition(":")[0]
    return f"{told['hostname']} on {told['device-name']}, asked by {asker}, outside {told['external-ipv4']}"
