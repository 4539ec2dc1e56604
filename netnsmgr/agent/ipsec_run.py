"""IPsec connections while they run: told to charon, begun, begun again, and what has become of them.

charon carries on by itself while no agent looks: it repeats what nobody answers, and begins anew what the other end has
ended.  What the other end refuses is begun again here, with growing pauses.  One task waits for charon's events and for
what is wanted; it is no part of the agent's passes, and they never wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from netnsmgr.agent.ipsec_course import Course, end_relics
from netnsmgr.agent.ipsec_load import Loadable, addresses_in, load, loadable, name_of, terminate
from netnsmgr.config.ipsec import IpsecConnection
from netnsmgr.errors import KernelError
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import ipsec_errors
from netnsmgr.features.vpn.connections import on_traffic, remotes
from netnsmgr.features.vpn.ipsec import dns_file, vici_socket
from netnsmgr.features.vpn.ipsec_errors import Trouble
from netnsmgr.features.vpn.ipsec_state import IkeSa, missing, read, row
from netnsmgr.kernel.vici import Said, Vici, ViciError, ViciLost

EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "log")
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds before a connection is begun again that the other end refused."""
STABLE_SECONDS = 10.0
"""After which a connection that was up is begun again without a pause."""
KNOCK_FIRST, KNOCK_LAST = 0.05, 1.0
"""Seconds between attempts to reach charon, which says nothing when it begins to listen."""
ODD_SECONDS = 10.0
"""The same, after charon has said what nobody expects."""
BYTES_SECONDS = 30.0
"""How old the counters may be that are shown: nothing else is asked for without an event."""
BUSY_SECONDS = 5.0
"""How long nothing is believed to have happened to an attempt of which no event tells."""
_NEVER = float("inf")

log = structlog.get_logger()


class IpsecRun:
    """``scope`` is what is wanted; ``known`` is whether charon was asked what it has."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self.scope: InstanceScope | None = None
        self.known = False
        self.dns: dict[str, tuple[str, ...]] = {}
        self._changed = changed
        self._wake = asyncio.Event()
        self._courses: dict[str, Course] = {}
        self._ready: dict[str, Loadable] = {}
        self._sas: tuple[IkeSa, ...] = ()
        self._loads = self._dirty = True
        self._leaves = False
        self._looked = 0.0

    @property
    def wanted(self) -> tuple[IpsecConnection, ...]:
        """The connections of the document."""
        vpn = self.scope.instance.spec.vpn if self.scope is not None else None
        return vpn.connections if vpn is not None else ()

    def of(self, name: str) -> list[IkeSa]:
        """Return the associations of a connection."""
        return [sa for sa in self._sas if name_of(sa.key) == name]

    def begun(self, connection: IpsecConnection) -> list[str]:
        """Return the children that are up whether or not there is anything to carry."""
        assert self.scope is not None
        return [child.name for child in connection.children if not on_traffic(self.scope, child)]

    def loaded(self, name: str) -> bool:
        """Say whether charon knows a connection, and so begins what begins with traffic."""
        ready = self._ready.get(name)
        return self.known and ready is not None and not ready.trouble

    def words(self, name: str) -> str:
        """Say why a connection is not up."""
        course = self._courses.get(name)
        return course.trouble.words if course is not None and course.trouble else "is not established yet"

    def load(self) -> None:
        """Have charon know what is wanted now, and try at once what is not up."""
        self._loads = True
        for course in self._courses.values():
            course.hurry()
        self._wake.set()

    def way_changed(self) -> None:
        """Begin attempts anew that still wait for answers by an old way."""
        self._leaves = True
        self.load()

    def forget(self) -> None:
        """Forget what a charon knew that has ended."""
        before, self.known, self._sas, self.dns = self.known, False, (), {}
        for course in self._courses.values():
            course.hurry()
            course.up = None
        if before:
            self._changed()

    def rows(self) -> list[dict[str, Any]]:
        """Return the state of each connection."""
        return [self._row(each) for each in self.wanted]

    def _row(self, connection: IpsecConnection) -> dict[str, Any]:
        assert self.scope is not None
        name = connection.name
        waiting = {child.name for child in connection.children} - set(self.begun(connection))
        course, ready = self._courses.get(name), self._ready.get(name)
        return row(
            connection,
            self.of(name),
            backend=self.scope.vpn.esp,
            waiting=frozenset(waiting if self.loaded(name) else ()),
            trouble=course.trouble.words if course is not None and course.trouble else "",
            address=ready.remote if ready is not None else "",
            dns=self.dns.get(name, ()),
        )

    async def run(self) -> None:
        """Serve one charon after another; ends only when it is cancelled."""
        pause = KNOCK_FIRST
        while True:
            assert self.scope is not None
            vici = Vici(self._heard, self._lost)
            try:
                await vici.open(vici_socket(self.scope))
                await vici.register(*EVENTS)
                self._loads = self._dirty = relics = True
                while True:
                    self._wake.clear()
                    moment = await self._step(vici)
                    if relics and all(course.up is not None for course in self._courses.values()):
                        end_relics(self.scope, self._sas)
                        relics = False
                    pause = KNOCK_FIRST
                    await self._sleep(moment)
            except (OSError, ViciLost):
                self.forget()
            except Exception as error:
                # What another version of charon says is not ours to choose, and the instance goes on.
                log.warning("IPsec", error=str(error), exc_info=not isinstance(error, KernelError))
                pause = ODD_SECONDS
            finally:
                await vici.close()
            self._wake.clear()
            await self._sleep(asyncio.get_running_loop().time() + pause)
            pause = min(pause * 2, KNOCK_LAST)

    async def _sleep(self, moment: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await self._wake.wait()

    def _lost(self) -> None:
        self._dirty = True
        self._wake.set()

    def _heard(self, event: str, said: Said) -> None:
        if event != "log":
            self._dirty = True
            self._wake.set()
            return
        line, key = said.get("msg", ""), said.get("ikesa-name", "")
        if ipsec_errors.begins(line):
            self._dirty = True
            self._wake.set()
        found = ipsec_errors.read(line)
        for name, course in self._courses.items() if found is not None else ():
            ready = self._ready.get(name)
            # The socket's errors are told without saying whose packet it was.
            if found and course.up is None and ready is not None and key in ("", ready.key):
                self._note(course, found, said.get("ikesa-uniqueid", ""))
                if key and ipsec_errors.silent(line):
                    course.attempt, course.turn = "", course.turn + 1
                    self._loads = True
                    self._wake.set()

    def _note(self, course: Course, found: Trouble, attempt: str) -> None:
        before = course.trouble
        if before is not None and attempt in ("", course.attempt) and found.rank < before.rank:
            return
        course.attempt = attempt or course.attempt
        if before != found:
            course.trouble = found
            self._changed()

    async def _step(self, vici: Vici) -> float | None:
        """Do what is to be done now; return when to look again if nothing happens until then."""
        now = asyncio.get_running_loop().time
        if self._loads:
            await self._load(vici)
        if self._dirty or now() >= self._look_at():
            await self._look(vici)
        moments = [self._look_at()]
        for each in self.wanted:
            ready = self._ready.get(each.name)
            if ready is not None and not ready.trouble:
                moments.append(await self._tend(vici, each, ready, now()))
        self._leaves = False
        return min(moments) if min(moments) < _NEVER else None

    def _look_at(self) -> float:
        """Say when to look without an event: what is begun is looked at first, and long attempts now and then."""
        moments = [each.due for each in self._courses.values() if each.up is None and each.due > self._looked]
        if self._sas:
            busy = any(sa.busy for sa in self._sas)
            moments.append(self._looked + (BUSY_SECONDS if busy else BYTES_SECONDS))
        return min(moments, default=_NEVER)

    async def _load(self, vici: Vici) -> None:
        scope, wanted = self.scope, self.wanted
        assert scope is not None
        self._loads = False
        self._courses = {each.name: self._courses.get(each.name, Course()) for each in wanted}
        found = []
        for each in wanted:
            known = remotes(scope, each)
            turn = self._courses[each.name].turn % len(known) if known else 0
            found.append(loadable(scope, each, (*known[turn:], *known[:turn])))
        troubles = await load(vici, found)
        self._ready = {each.name: replace(each, trouble=troubles.get(each.name, "")) for each in found}
        for name, course in self._courses.items():
            if name in troubles:
                course.trouble = Trouble(troubles[name], ipsec_errors.HIGHEST)
            elif course.trouble and course.trouble.rank == ipsec_errors.HIGHEST:
                course.trouble = None
        self._dirty = True
        self._changed()

    async def _look(self, vici: Vici) -> None:
        """Ask charon for its associations; what is different is told."""
        before = self.known, self.rows()
        self._dirty = False
        said = await vici.listed("list-sas", "list-sa")
        self._sas, self.known = read(said, time.time(), self._sas), True
        self._looked = asyncio.get_running_loop().time()
        self.dns = {each.name: self._told(each.name) for each in self.wanted if each.virtual_ip}
        if (self.known, self.rows()) != before:
            self._changed()

    def _told(self, name: str) -> tuple[str, ...]:
        """Return the DNS servers that the other end has told; a file that is left of an earlier time says nothing."""
        assert self.scope is not None
        up = any(sa.alive and sa.virtual and any(each.up for each in sa.children) for sa in self.of(name))
        return addresses_in(dns_file(self.scope, name)) if up else ()

    async def _tend(self, vici: Vici, each: IpsecConnection, ready: Loadable, now: float) -> float:
        """Begin what is not up and shall be; return when to look at it again."""
        course, sas = self._courses[each.name], [sa for sa in self._sas if sa.key == ready.key]
        gone = missing(self.begun(each), sas)
        if not gone:
            course.trouble, course.up = None, course.up or now
            return _NEVER
        if course.up is not None:
            if now - course.up > STABLE_SECONDS:
                course.hurry()
            course.up = None
        waits = [sa for sa in sas if sa.busy]
        stale = [sa for sa in waits if not sa.alive and (self._leaves or sa.address != ready.remote)]
        if stale:
            course.hurry()
        elif waits:
            return _NEVER  # looked at after BUSY_SECONDS at the latest
        elif now < course.due:
            return course.due
        course.pause = min(max(course.pause * 2, FIRST_PAUSE), LAST_PAUSE)
        course.due = now + course.pause
        if sas and not any(child.up for sa in sas for child in sa.children):
            # Without any child it lacks what is negotiated with the first one, an address of ours among it.
            await terminate(vici, ready.key)
        for name in gone:
            with suppress(ViciError):
                await vici.request("initiate", {"child": name, "ike": ready.key, "timeout": "-1"})
        self._dirty = True
        return course.due
