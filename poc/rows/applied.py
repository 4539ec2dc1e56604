"""Before all rows: the whole configuration is published and true, and the virtual machine is switched on."""

from __future__ import annotations

from collections.abc import Iterator

from poc.checks import Check
from poc.scene import Scene


def applied(scene: Scene, text: str) -> Iterator[Check]:
    """The configuration: one file, published"""
    yield Check("apply", "the file is published", "applied", lambda: scene.publish(text), essential=True)
    yield ready(scene, "apply")
    if "app3" in text:
        yield Check("apply", "app3, a virtual machine, opens its TAP in ni3", "plugged", scene.plug)


def ready(scene: Scene, row: str) -> Check:
    return Check(row, "the instances are", "ready", lambda: states(scene))


def states(scene: Scene) -> str:
    """ "ready", or which are something else."""
    others = [
        f"{one['metadata']['name']} {state}"
        for one in scene.objects("instances")
        if (state := one["status"].get("state", "unknown")) != "ready"
    ]
    return ", ".join(others) or "ready"
