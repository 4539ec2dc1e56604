"""What an instance's agent sees of its WireGuard tunnels between its passes.

WireGuard tells nothing by itself, so it is asked: right after a change, and then in pauses that grow while nothing
happens.  A look is one short run of ``wg`` for each tunnel (2 ms of processor time), a pass of the agent ten times that: it is
asked for when a tunnel's state changes, and for mere counters once a minute.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from netnsmgr.errors import NetnsmgrError
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import wireguard, wireguard_rows
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.handshakes import UP, PeerWatch
from netnsmgr.items.wireguard import Wireguard, WireguardSeen
from netnsmgr.kernel.secrets import place_of
from netnsmgr.kernel.wireguard import KernelWireguards

FIRST_PAUSE, LAST_PAUSE = 0.1, 30.0
"""Seconds between two looks at a tunnel: soon after a change, and at last; a handshake is good for 180."""
NEXT_PAUSE = 1.0
"""Seconds until the next look at a tunnel that is not as it was, though nobody has changed what is wanted."""
EAGER_PAUSE = 15.0
"""The longest while a peer is waited for."""
FILES_PAUSE = 5.0
"""Seconds between two looks at the files of keys."""
COUNTERS_PAUSE = 60.0
"""Seconds for which what is told of bytes and handshakes may be old, where nothing else has changed."""

log = structlog.get_logger()


class WireguardWatch:
    """See ``agent.vpn.Tunnels``."""

    def __init__(self) -> None:
        self.changed: Callable[[], object] = lambda: None
        self._wg = KernelWireguards()
        self._scope: InstanceScope | None = None
        self._followed: object = None
        self._links: dict[str, int] = {}
        self._seen: dict[str, WireguardSeen] = {}
        self._watches: dict[str, dict[str, PeerWatch]] = {}
        self._files: tuple[object, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._told: list[dict[str, Any]] = []
        self._news: object = None
        self._told_at = 0.0

    def add(self, facts: VpnFacts) -> VpnFacts:
        places = self._places()
        return replace(facts, places=places) if places else facts

    def _places(self) -> dict[tuple[str, str], str]:
        return {
            (tunnel, key): watch.place
            for tunnel, watches in self._watches.items()
            for key, watch in watches.items()
            if watch.place
        }

    def follow(self, scope: InstanceScope) -> None:
        self._scope = scope
        if not wireguard.tunnels(scope):
            self.close()
            self._seen, self._watches, self._followed = {}, {}, None
            return
        followed = (scope.instance.spec.vpn, scope.vpn, scope.link.state)
        if self._followed != followed:
            self._followed = followed
            self._again.set()
            before, self._links = self._links, dict(scope.vpn.links)
            for name in [name for name in self._watches if before.get(name) != self._links.get(name)]:
                # Another one by the same name, if any: nothing of what was seen is about it.
                self._seen.pop(name, None)
                del self._watches[name]
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._go_on(), name="wireguard")

    def rows(self) -> list[dict[str, Any]]:
        """Return what was seen last."""
        if self._scope is None:
            return []
        return [
            wireguard_rows.row(
                self._scope, tunnel, self._seen.get(tunnel.name), self._watches.get(tunnel.name, {})
            )
            for tunnel in wireguard.tunnels(self._scope)
        ]

    def reasons(self) -> list[str]:
        """Return what is the matter; with a tunnel that nobody has looked at yet, that it is not up."""
        return [
            reason
            for row in self.rows()
            for reason in row["reasons"]
            or ([f"tunnel {row['name']}: not up yet"] if row["state"] != UP else [])
        ]

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _go_on(self) -> None:
        """Look, for ever, at growing distances; from the beginning again when what is wanted has changed."""
        pause = FIRST_PAUSE
        while True:
            if await self._waited(pause):
                pause = FIRST_PAUSE
                continue
            try:
                changed = await self._look()
            except (NetnsmgrError, OSError) as error:
                log.warning("WireGuard cannot be asked", error=str(error))
                changed = False
            calm = all(row["state"] == UP for row in self._told)
            pause = NEXT_PAUSE if changed else min(pause * 2, LAST_PAUSE if calm else EAGER_PAUSE)

    async def _waited(self, pause: float) -> bool:
        """Wait, with an eye on the files; true if it was cut short."""
        while pause > 0:
            step = min(pause, FILES_PAUSE)
            try:
                # Not by wait_for: it may swallow that we are cancelled (python/cpython#86296), and an agent that ends waits for us.
                async with asyncio.timeout(step):
                    await self._again.wait()
            except TimeoutError:
                pause -= step
                self._look_at_files()
            else:
                self._again.clear()
                return True
        return False

    def _look_at_files(self) -> None:
        """Have the agent look again when a file of a key is another than before."""
        assert self._scope is not None
        files = tuple(_file(path) for item in self._wanted() for path in _paths(item))
        known, self._files = self._files, files
        if known and known != files:
            self.changed()

    def _wanted(self) -> list[Wireguard]:
        assert self._scope is not None
        return [wireguard.wanted(self._scope, tunnel) for tunnel in wireguard.tunnels(self._scope)]

    async def _look(self) -> bool:
        """Look once; true if a tunnel is not as it was."""
        scope, followed = self._scope, self._followed
        assert scope is not None
        there = dict(scope.vpn.links)
        now, wall = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
        seen: dict[str, WireguardSeen] = {}
        watches: dict[str, dict[str, PeerWatch]] = {}
        for want, tunnel in zip(self._wanted(), wireguard.tunnels(scope), strict=True):
            found = await self._wg.seen(want.door) if want.name in there else None
            if found is not None:
                seen[want.name] = found
            known = self._watches.get(want.name, {})
            peers = {peer.public_key: peer for peer in found.peers} if found is not None else {}
            called = {peer.public_key for peer in tunnel.peers if peer.endpoint}
            for peer in want.peers:
                watch = watches.setdefault(want.name, {})[peer.public_key] = (
                    known.get(peer.public_key) or PeerWatch()
                )
                at = peers.get(peer.public_key)
                watch.look(peer, at, called=peer.public_key in called, now=now, wall=wall)
                if watch.knock:
                    await self._wg.knock(want.door, peer.public_key, peer.keepalive)
        if followed is not self._followed:
            return True
        self._seen, self._watches = seen, watches
        return self._tell(now)

    def _tell(self, now: float) -> bool:
        """Say that something has changed, if so; true if it is more than counters."""
        rows, before = self.rows(), {row["name"]: row["state"] for row in self._told}
        news = (wireguard_rows.without_counters(rows), self._places())
        changed, self._news = news != self._news, news
        if changed or (rows != self._told and now - self._told_at >= COUNTERS_PAUSE):
            for row in rows:
                if before.get(row["name"]) != row["state"]:
                    log.info("tunnel", tunnel=row["name"], state=row["state"], reasons=row["reasons"])
            self._told, self._told_at = rows, now
            self.changed()
        return changed


def _paths(item: Wireguard) -> list[str]:
    return [item.private_key, *(peer.preshared for peer in item.peers if peer.preshared)]


def _file(path: str) -> tuple[int, ...]:
    """Return what tells whether a file is the one that it was."""
    try:
        about = os.stat(place_of(path))
    except OSError:
        return ()
    return (about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_mode, about.st_uid)
