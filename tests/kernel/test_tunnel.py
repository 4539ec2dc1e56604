"""WireGuard interfaces that are born here and moved into an instance's namespace, against the real kernel."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from netnsmgr.core.item import Item
from netnsmgr.core.linkname import birth_name
from netnsmgr.items.link import ExternalNetns
from netnsmgr.items.process import Process
from netnsmgr.items.tunnel import GO, Tunnel
from netnsmgr.kernel.namespace import inode
from tests.kernel.stage import ETC, sh, stage
from tests.lab import isolated

NI = ExternalNetns("ni4", "/run/netns/ni4")
BIRTH = birth_name("ni4", "wg0")
SOCKET = Path(f"/var/run/wireguard/{BIRTH}.sock")


def wanted(name: str = "wg0", instance: str = "ni4") -> list[Item]:
    birth = birth_name(instance, name)
    own = f"{ETC}/{birth}.{inode()}.1.conf"
    return [
        ExternalNetns(instance, f"/run/netns/{instance}"),
        Tunnel(birth, instance, f"/run/netns/{instance}", name, GO),
        Process(birth, (own, "-f", birth), stays=True, executable="wireguard-go"),
    ]


def link(name: str, netns: str) -> dict[str, Any]:
    """What ``ip`` says of a link."""
    (found,) = json.loads(sh(f"ip -n {netns} -d -j link show dev {name}"))
    assert isinstance(found, dict)
    return found


@isolated
async def test_is_born_here_and_lives_there() -> None:
    """The second plan is empty; the link is down there under its name, its socket opens here, and all of it goes."""
    sh("ip netns add ni4")
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(*wanted()) == [f"create process/{BIRTH}", f"create tunnel/{BIRTH}"]
        there = link("wg0", "ni4")
        assert there["ifalias"] == "netnsmgr:ni4.wg0"
        assert "UP" not in there["flags"]
        assert stat.S_IMODE(SOCKET.parent.stat().st_mode) == 0o700
        sh(f"wg genkey | wg set {BIRTH} private-key /dev/stdin listen-port 51820; ip -n ni4 link set wg0 up")
        assert ":51820" in sh("ss -Hlun")
        assert ":51820" not in sh("ip netns exec ni4 ss -Hlun")
        assert await agent.bring(NI) == [f"delete process/{BIRTH}"]
        assert "wg0" not in sh("ip -n ni4 link")
        assert not SOCKET.exists()
