"""What the scenarios of switches' ports share: links as the kernel shows them, and death at a chosen moment."""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios.world import World


def links(w: World, network: str | None = None) -> dict[str, dict[str, Any]]:
    return {each["ifname"]: each for each in json.loads(w.sh("ip -d -j link show", network))}


def kill_now(w: World, name: str) -> None:
    """SIGKILL to an agent, if it lives; nobody waits for its successor."""
    pid = w.agent(name).get("pid")
    if pid is not None:
        w.lab.device.run(["kill", "-9", str(pid)], check=False)
