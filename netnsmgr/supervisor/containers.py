"""Namespaces of containers to which applications are attached: found by asking the engine, pinned for the agents.

The engine's events only say "look again"; what counts is what it then says of the container.  What is pinned stays as long
as the engine does not say otherwise: neither its restart nor ours disturbs a container that runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from netnsmgr.errors import KernelError
from netnsmgr.kernel import namespace
from netnsmgr.kernel.engine import Container, Engine, EngineLost, EngineRefused, socket_path

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
"""Seconds until an engine that has gone is looked for again."""
RETRY_SECONDS = 2.0
"""Until an engine that lives is asked again what it could not answer."""
LONGEST = 500
"""Letters at most of a reason: it goes into statuses, and parts of it are the engine's own words."""
JOINED = "container:"
"""How the network of a container begins that shares another one's."""

log = structlog.get_logger()


class Unattached(KernelError):
    """The engine has answered, and the container has no namespace to go to."""


class Containers:
    """Owns ``container-<name>`` in a directory: one pin for each container that is wanted and runs.

    ``engine`` is the path of its socket, empty: where one usually is.  ``changed`` hears of each container whose entry in
    ``reasons`` has changed, which says in words why it is not pinned; called after the pin has come or gone.
    """

    def __init__(self, directory: Path, engine: str, changed: Callable[[str], object]) -> None:
        self.reasons: dict[str, str] = {}
        self._directory = directory
        self._given = engine
        self._changed = changed
        self._wanted: frozenset[str] = frozenset()
        self._engine: Engine | None = None
        """Whose events are heard now."""
        self._lost = ""
        self._following: asyncio.Task[None] | None = None
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._due: set[str] = set()

    def want(self, names: Iterable[str]) -> None:
        """Pin the namespaces of these containers whenever they run, and of no others."""
        before, self._wanted = self._wanted, frozenset(names)
        for name in {*before, *self.pinned()} - self._wanted:
            namespace.unpin(self._pin(name))
            self._say(name, "")
        for name in self._wanted - before:
            if self._engine is not None:
                self._look(name)
            elif self._lost:
                self._unknown(name, self._lost)
        if self._wanted and self._following is None:
            self._following = asyncio.create_task(self._follow())
        elif not self._wanted and self._following is not None:
            self._following.cancel()
            self._following, self._engine, self._lost = None, None, ""

    def pinned(self) -> set[str]:
        """Return the containers that have a pin, be it one that an earlier daemon left."""
        return {pin.name.removeprefix("container-") for pin in self._directory.glob("container-*")}

    async def _follow(self) -> None:
        """Hear the engine's events; look for it again when it has gone."""
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                engine = Engine(socket_path(self._given))
                async with engine.events() as events:
                    log.info("containers are followed", engine=engine.path)
                    self._engine, self._lost = engine, ""
                    for name in self._wanted:
                        self._look(name)  # what happened before we listened
                    async for event in events:
                        for name in filter(event.concerns, self._wanted):
                            self._look(name)
                lost = f"the container engine at {engine.path} does not answer: it has ended"
            except EngineLost as error:
                lost = str(error)
            except Exception as error:
                log.exception("following containers failed")
                lost = f"containers cannot be followed: {error}"
            if lost != self._lost:
                log.warning("containers are not followed", reason=lost)
            self._engine, self._lost = None, lost
            for name in self._wanted:
                self._unknown(name, lost)
            if clock() - began > LAST_PAUSE:  # and not one that hangs up each time that it is called
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)

    def _look(self, name: str) -> None:
        """Ask about one container, and once more if something happens to it meanwhile."""
        if name in self._looking:
            self._again.add(name)
        elif name in self._wanted:
            task = self._looking[name] = asyncio.create_task(self._ask(name))
            task.add_done_callback(lambda _: self._looked(name))

    def _looked(self, name: str) -> None:
        del self._looking[name]
        if name in self._again:
            self._again.discard(name)
            self._look(name)

    async def _ask(self, name: str) -> None:
        if (engine := self._engine) is None:
            return  # as soon as it is back, all are looked at
        try:
            path = await _namespace(engine, name)
            if name in self._wanted:
                self._bind(name, path)
                self._say(name, "")
        except Unattached as error:
            namespace.unpin(self._pin(name))
            self._say(name, str(error) if name in self._wanted else "")
        except (
            KernelError,
            OSError,
            ValueError,
        ) as error:  # ValueError: an engine may say what can be no path
            # It may have been a container in passing: asked again, if nothing else says so before.
            self._unknown(name, str(error))
            if name not in self._due:  # once, however much happens to it meanwhile
                self._due.add(name)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, name)

    def _retry(self, name: str) -> None:
        self._due.discard(name)
        self._look(name)

    def _bind(self, name: str, path: str) -> None:
        """Pin what is at ``path``, unless it is pinned; raises KernelError and OSError."""
        pin = self._pin(name)
        found = namespace.inode(path)
        if found == namespace.inode():
            # Its interface would be one of the device, beside all the rules for instances.
            raise Unattached(_own(name))
        if found is not None and found == namespace.inode(pin):
            return
        namespace.unpin(pin)
        Path(pin).touch(mode=0o444)
        namespace.bind(path, pin)
        if namespace.inode(pin) == namespace.inode():  # it has become another one this moment
            raise Unattached(_own(name))
        log.info("container attached", name=name, netns=namespace.inode(pin))

    def _pin(self, name: str) -> str:
        return str(self._directory / f"container-{name}")

    def _unknown(self, name: str, reason: str) -> None:
        """Say why nothing is known of a container, unless it has its pin, which stays."""
        if name in self._wanted and namespace.inode(self._pin(name)) is None:
            self._say(name, reason)

    def _say(self, name: str, reason: str) -> None:
        reason = "".join(each if each.isprintable() else "?" for each in reason[:LONGEST])
        if self.reasons.get(name, "") != reason:
            if reason:
                self.reasons[name] = reason
                log.info("container not attached", name=name, reason=reason)
            else:
                del self.reasons[name]
            self._changed(name)


async def _namespace(engine: Engine, name: str) -> str:
    """Return a file of the network namespace that a container is in; Unattached if it has none to go to."""
    found = await engine.container(name)
    if found is None:
        raise Unattached(f"there is no container {name}")
    if not found.running:
        raise Unattached(f"container {name} is not running")
    owner = await _owner(engine, found)
    if owner.mode == "host":
        raise Unattached(_own(name))
    # The file of the engine's first: it is also where processes have other ids, as in a container.  Who shares another's
    # has no file, and that of its owner is a new one when the owner has been restarted meanwhile.
    own_process = f"/proc/{found.pid}/ns/net" if found.pid else ""
    for path in (found.sandbox, own_process, owner.sandbox):
        if path and namespace.inode(path) is not None:
            return path
    where = os.path.dirname(owner.sandbox) or "where the engine keeps it"
    raise Unattached(
        f"the network namespace of container {name} cannot be reached from here: let netnsmgr see the mounts in {where} "
        "(in a container: as a volume, rslave)"
    )


async def _owner(engine: Engine, container: Container) -> Container:
    """Return the container whose network it is: mostly its own."""
    seen = {container.id}
    while container.mode.startswith(JOINED):
        try:
            owner = await engine.container(container.mode.removeprefix(JOINED))
        except EngineRefused:
            break
        if owner is None or owner.id in seen:
            break
        container = owner
        seen.add(owner.id)
    return container


def _own(name: str) -> str:
    return f"container {name} has the host's own network; run it with a network namespace of its own (--network none)"
