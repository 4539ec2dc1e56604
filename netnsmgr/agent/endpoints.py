"""Where the other ends of tunnels are: their names, resolved in the device's root namespace, and again in time.

What was known stays known while nobody answers, or says that it is gone: a tunnel that works needs no name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from netnsmgr.agent.memory import put
from netnsmgr.core.ip import VERSIONS, Version
from netnsmgr.errors import KernelError
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.kernel.resolver import Resolved, Server, machine_servers, resolve

SOONEST, LATEST = 10.0, 60.0
"""Seconds between two questions for a name that has addresses, whatever its TTL says."""
FIRST_RETRY, LAST_RETRY = 1.0, 10.0
"""Seconds after which a name that nobody could tell is asked for again; each time twice as many, up to the last."""


class Question(NamedTuple):
    """A name, whom to ask for it, and for addresses of which versions; instances that ask the same are told the same."""

    host: str
    servers: tuple[Server, ...]
    versions: tuple[Version, ...]


@dataclass
class Name:
    """What is known of a question; ``error`` says in words why not more."""

    addresses: tuple[str, ...] = ()
    error: str = ""
    retry: float = FIRST_RETRY
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
        if self.timer is not None:
            self.timer.cancel()


class Endpoints:
    """Keeps names resolved; ``changed`` is called when one has other addresses, or another trouble.

    Owns the file ``endpoints.json`` in the agent's run directory: what instances were told last, for the next agent.
    """

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/endpoints.json"
        self._told: dict[str, dict[str, list[str]]] | None = None
        self._wanted: dict[str, dict[str, Question | None]] = {}
        self._names: dict[Question, Name] = {}
        self.changed: Callable[[], object] = lambda: None

    def follow(self, scope: UplinkScope) -> None:
        """Take in whose tunnels lead where; addresses are their own answer.  Never waits."""
        here = [(each, vpn) for each in scope.instances if (vpn := each.instance.spec.vpn) is not None]
        if not here and not self._wanted:
            return
        self._wanted = {
            each.instance.name: {host: _question(scope, each, host) for host in vpn.hosts}
            for each, vpn in here
        }
        asked = {question for each in self._wanted.values() for question in each.values() if question}
        for gone in self._names.keys() - asked:
            self._names.pop(gone).stop()
        for question in asked - self._names.keys():
            self._names[question] = Name(self._before(question))
            self._ask(question)

    def rows(self, instance: str) -> dict[str, list[str]] | None:
        """Return the addresses of an instance's other ends by host as written, as ``LinkStatus`` tells them; None for an
        instance without tunnels.
        """
        if instance not in self._wanted:
            return None
        found = {
            host: [host] if question is None else list(self._names[question].addresses)
            for host, question in self._wanted[instance].items()
        }
        self._keep(instance, found)
        return found

    def reasons(self, instance: str) -> list[str]:
        """Say which names of an instance nobody could tell, and why."""
        return [
            f"pending: {self._names[question].error}"
            for question in self._wanted.get(instance, {}).values()
            if question is not None and self._names[question].error
        ]

    def _ask(self, question: Question) -> None:
        self._names[question].task = asyncio.get_running_loop().create_task(self._answer(question))

    async def _answer(self, question: Question) -> None:
        name = self._names[question]
        before = name.addresses, name.error
        try:
            found = await resolve(*question)
        except KernelError as error:
            pause, name.retry = name.retry, min(2 * name.retry, LAST_RETRY)
            name.error = str(error)
        else:
            pause, name.retry, name.error = min(max(found.seconds, SOONEST), LATEST), FIRST_RETRY, ""
            name.addresses = _in_order(found, name.addresses)
        name.timer = asyncio.get_running_loop().call_later(pause, self._ask, question)
        if before != (name.addresses, name.error):
            self.changed()

    def _remembered(self) -> dict[str, dict[str, list[str]]]:
        if self._told is None:
            self._told = {}
            with suppress(OSError, ValueError, TypeError), open(self._path, encoding="utf-8") as file:
                self._told = dict(json.load(file))
        return self._told

    def _before(self, question: Question) -> tuple[str, ...]:
        """Return what was told of a host by those who ask now, when they asked others, or another agent."""
        known = self._remembered()
        return next(
            (
                tuple(known[instance][question.host])
                for instance, each in self._wanted.items()
                if question in each.values() and known.get(instance, {}).get(question.host)
            ),
            (),
        )

    def _keep(self, instance: str, found: dict[str, list[str]]) -> None:
        told = self._remembered()
        if told.get(instance) != found:
            self._told = {name: told[name] for name in self._wanted if name in told} | {instance: found}
            put(self._path, self._told)


def _question(scope: UplinkScope, linked: LinkedInstance, host: str) -> Question | None:
    with suppress(ValueError):
        ip_address(host)
        return None
    ports = scope.ports_of(linked.instance)
    servers = [Server(server, facts.interface) for _, facts in ports if facts.usable for server in facts.dns]
    versions = tuple(v for v in VERSIONS if any(facts.addresses_of(v) for _, facts in ports))
    return Question(host, tuple(dict.fromkeys(servers)) or machine_servers(), versions or VERSIONS)


def _in_order(found: Resolved, before: Iterable[str]) -> tuple[str, ...]:
    """Return addresses in the order that they had: servers turn them round with each answer."""
    new = [str(address) for address in sorted(found.addresses, key=lambda each: (each.version, int(each)))]
    kept = [address for address in before if address in new]
    return (*kept, *(address for address in new if address not in kept))
