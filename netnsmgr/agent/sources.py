"""wireguard-go is told when an instance's ports have changed: it stays with the port that it was answered by last.

The kernel's WireGuard looks at the route of each packet (drivers/net/wireguard/socket.c, send4).  wireguard-go keeps source
and port until sending fails in one certain way, or a handshake has failed for 15 s; and never returns to a cheaper port.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

from netnsmgr.core.linkname import birth_name
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.items.tunnel import GO
from netnsmgr.kernel.wireguard_go import forget_sources


class Sources:
    """Follows the ports of instances with tunnels."""

    def __init__(self) -> None:
        self._ports: dict[str, tuple[object, ...]] = {}
        self._stale: dict[str, frozenset[str]] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, scope: UplinkScope) -> None:
        """Take in which ports there are."""
        here = {
            each.instance.name: each for each in scope.instances if scope.wireguard == GO and _called(each)
        }
        ports: dict[str, tuple[object, ...]] = {
            name: tuple(
                (f.interface, f.usable, f.addresses, f.gateways) for _, f in scope.ports_of(each.instance)
            )
            for name, each in here.items()
        }
        for name, now in ports.items():
            if self._ports.get(name) != now:
                self._stale |= _called(here[name])
        self._ports = ports

    def settled(self) -> None:
        """Have the changes count, as the routes have followed them; never waits."""
        if self._stale and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._forget())

    async def _forget(self) -> None:
        while self._stale:
            name, peers = self._stale.popitem()
            with suppress(OSError, ValueError, EOFError):  # one that begins or ends has nothing to forget
                await forget_sources(name, peers)


def _called(linked: LinkedInstance) -> dict[str, frozenset[str]]:
    """Return an instance's interfaces, by their names of birth, with the peers that we call: others choose the port."""
    vpn = linked.instance.spec.vpn
    found = {
        birth_name(linked.instance.name, tunnel.name): frozenset(
            base64.b64decode(peer.public_key).hex() for peer in tunnel.peers if peer.endpoint
        )
        for tunnel in (vpn.tunnels if vpn is not None else ())
    }
    return {name: peers for name, peers in found.items() if peers}
