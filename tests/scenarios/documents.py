"""The documents of the scenarios, short enough to be read where they are used."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def port(number: int = 0, **spec: Any) -> dict[str, Any]:
    """The port that the lab's site has at its n-th link; more fields, or others, by name."""
    found: dict[str, Any] = {
        "name": f"eth{number}",
        "addresses": [f"192.168.{number}.2/24"],
        "gateways": [f"192.168.{number}.1"],
        "dns": [f"192.168.{number}.1"],
    }
    return found | spec


def device(*ports: dict[str, Any]) -> Document:
    return _document("Device", "edge", {"ports": list(ports or (port(),))})


def instance(name: str, prefix: str = "10.10.1", **spec: Any) -> Document:
    """A /24 on the port eth0, with DHCP from .50 to .150; more fields, or others, by name."""
    default = {
        "type": "local",
        "ports": ["eth0"],
        "subnets": [f"{prefix}.0/24"],
        "dhcp": {"range": f"{prefix}.50-{prefix}.150"},
    }
    return _document("NetworkInstance", name, default | spec)


def switch(name: str, *ports: str, **spec: Any) -> Document:
    """A switch with these ports of the device; without any, air-gapped."""
    return _document("NetworkInstance", name, {"type": "switch", "ports": list(ports)} | spec)


def bare(name: str, **spec: Any) -> dict[str, Any]:
    """A port of the device that nothing is said of but its name: one for a switch."""
    return {"name": name} | spec


def app(name: str, *networks: str, attach: dict[str, Any] | None = None, **interface: Any) -> Document:
    """An application in the namespace of its own name, with eth0, eth1 … in these networks."""
    interfaces = [{"name": f"eth{n}", "network": network, **interface} for n, network in enumerate(networks)]
    return _document("App", name, {"attach": attach or {"netns": name}, "interfaces": interfaces})


def _document(kind: str, name: str, spec: dict[str, Any]) -> Document:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
