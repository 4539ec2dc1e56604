"""From the configuration to agents: which there shall be, what each is told, what is left when one has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from netnsmgr.config.check import check
from netnsmgr.config.whole import Config, parse
from netnsmgr.errors import Problem
from netnsmgr.kernel.backends import probe
from netnsmgr.kernel.confine import USERS
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Change
from netnsmgr.pubsub.tables import (
    AGENT_STATUS,
    APP_STATUS,
    DEVICE_CONFIG,
    FLOW_LOG,
    INSTANCE_CONFIG,
    INSTANCE_STATUS,
    PERSISTENT,
    agent_config,
    agent_event,
    link_status,
)
from netnsmgr.pubsub.trial import Trial
from netnsmgr.supervisor.agents import AgentProcess, Settings
from netnsmgr.supervisor.attach import Attachments
from netnsmgr.supervisor.homes import Homes
from netnsmgr.supervisor.lending import Lending
from netnsmgr.supervisor.numbers import NumbersFile
from netnsmgr.supervisor.pins import Pins
from netnsmgr.supervisor.secrets import secret_problems, stamps
from netnsmgr.supervisor.slices import Slicer, allocate

log = structlog.get_logger()


class Supervisor:
    """Keeps one agent for each instance and one for the device's root namespace.

    Owns the number of every instance that exists or is being deleted, and their record (``NumbersFile``).
    """

    def __init__(self, hub: Hub, settings: Settings, engine: str = "", users: int = USERS) -> None:
        self._hub = hub
        self.settings = settings
        self._slicer = Slicer()
        self._homes = Homes(hub, settings, users, lambda: self._numbers)
        self._lending = Lending(self._homes.given)
        self._pins = Pins(settings.run_dir)
        self._agents: dict[str, AgentProcess] = {}
        self._attachments = Attachments(settings.run_dir, engine, self._tell_containers)
        self._joined: dict[str, set[str]] = {}  # the containers in each instance
        self._numbers_file = NumbersFile(settings.run_dir, settings.state_dir)
        self._numbers = self._numbers_file.read()
        self._seen: set[str] = set()  # instances that were in the configuration since our start
        self._given = False  # a Device was: with it one applies a configuration as a whole
        self.slices: dict[str, dict[str, Any]] = {}
        self._backends: dict[str, str] = {}

    def agent_of(self, user: int) -> str | None:
        """Return which agent's a user is; None of users that are no agent's."""
        return self._homes.agent(user)

    @property
    def numbers(self) -> dict[str, int]:
        """Number of each instance."""
        return self._numbers

    def backends(self, config: Config) -> dict[str, str]:
        """Return what encrypts on this machine, found out once; nothing while no instance has tunnels."""
        if not self._backends and any(each.spec.vpn is not None for each in config.instances.values()):
            self._backends = probe()
        return self._backends

    def apply(self, revision: int) -> None:
        """Take in the whole configuration: tell each agent its part, start the ones that are missing."""
        rows = {table: dict(self._hub.rows(table)) for table in PERSISTENT}
        config = parse(document for table in rows.values() for document in table.values())
        names = set(config.instances)
        if (
            not self._hub.complete
            and self._given
            and config.device is not None
            and self._numbers.keys() <= names | self._seen
        ):
            self._hub.complete = True  # somebody has applied the file again
        self._seen |= names
        complete = self._hub.complete
        if not complete:
            # The stored configuration was damaged: what is absent from it is not to be deleted for that.
            names = names | self._numbers.keys()
        numbers = allocate(self._numbers, names)
        if numbers != self._numbers:
            self._numbers = numbers
            self._numbers_file.write(self._numbers)
        known = {name: n for name, n in numbers.items() if complete or name in self._seen}
        going = [name for name, part in self.slices.items() if part.get("switch") and name in self._agents]
        self.slices = self._slicer.cut(
            config,
            rows,
            known,
            revision,
            keep=not complete,
            going=going,
            backends=self.backends(config),
            files=stamps(config),
        )
        self._lending.want(config, self.slices)
        self._attachments.want(_pids(config))
        self._join(config, complete=complete)
        for name, part in list(self.slices.items()):  # a slice goes when its instance is gone already
            self._tell(name, part)

    def _join(self, config: Config, *, complete: bool) -> None:
        """Follow the containers of all applications."""
        before, self._joined = self._joined, _containers(config)
        self._attachments.want_containers(set().union(*self._joined.values()), keep=not complete)
        for name in before.keys() | self._joined.keys():
            self._tell_of(name)

    def _tell_containers(self, container: str) -> None:
        for name, containers in self._joined.items():
            if container in containers:
                self._tell_of(name)

    def _tell_of(self, name: str) -> None:
        """Tell an instance's agent why it finds no namespaces of its applications' containers."""
        if name in self.slices:
            reasons = self._attachments.reasons
            why = {each: reasons[each] for each in sorted(self._joined.get(name, ())) if each in reasons}
            self._hub.put(agent_config(name), "containers", why or None)

    def _tell(self, name: str, part: dict[str, Any]) -> None:
        if part["deleting"] and name not in self._agents and not self._pins.ours(name):
            self._remove(name)
            return
        self._hub.put(agent_config(name), "config", part)
        if name not in self._agents:
            agent = AgentProcess(
                name,
                self.settings,
                lambda: self._homes.furnish(name),
                lambda: self._heard(name),
                lambda: self._finished(name),
            )
            self._agents[name] = agent
            agent.start()
        else:
            self._heard(name)

    def _heard(self, name: str) -> None:
        agent, part = self._agents.get(name), self.slices.get(name)
        if agent and part and part["deleting"] and agent.state == "backing-off" and self._pins.foreign(name):
            # It could never begin, so that there is nothing to take down, and would go on failing to.
            agent.stop()
            self._agents.pop(name)
            self._remove(name)
        else:
            self._status(name)

    def _status(self, name: str) -> None:
        agent, part = self._agents.get(name), self.slices.get(name)
        if agent is None or part is None:
            return
        self._hub.put(
            AGENT_STATUS,
            name,
            {
                "agent": name,
                "state": "deleting" if part["deleting"] else agent.state,
                "pid": agent.pid,
                "restarts": agent.restarts,
                "cause": agent.cause,
                "since": int(agent.since),
                "revision": part["revision"],
            },
        )

    def _finished(self, name: str) -> None:
        """Clean up after an agent that has removed everything of its instance and ended."""
        self._agents.pop(name)
        if name in self.slices and not self.slices[name]["deleting"]:
            # Wanted again while it was going: start over, in a new namespace.
            self._pins.remove(name)
            self._tell(name, self.slices[name])
            return
        self._remove(name)

    def _remove(self, name: str) -> None:
        self._pins.remove(name)
        self._homes.remove(name, keep=self._hub.transactions.returns(INSTANCE_CONFIG, name))
        self._numbers.pop(name, None)
        self._numbers_file.write(self._numbers)
        self.slices.pop(name, None)
        self._hub.drop_table(agent_config(name))
        self._hub.drop_table(link_status(name))
        self._hub.drop_table(agent_event(name))
        self._hub.put(AGENT_STATUS, name, None)
        self._hub.put(INSTANCE_STATUS, name, None)
        for table in (APP_STATUS, FLOW_LOG):
            for key in [key for key in self._hub.rows(table) if key.startswith(f"{name}/")]:
                self._hub.put(table, key, None)
        log.info("instance deleted", name=name)
        if waiting := self._hub.rows(INSTANCE_CONFIG).keys() - self.slices.keys():
            for other in waiting:
                self._numbers.pop(other, None)  # too high for the link pool: the one that is free now will do
            asyncio.get_running_loop().call_soon(self.apply, self._hub.revision)

    def settled(self, trial: Trial) -> None:
        """A change was confirmed: of instances that it deleted nothing has to be kept any more."""
        for table, name, _ in trial.undo:
            if table == INSTANCE_CONFIG and name not in self.slices:
                self._homes.forget(name)

    def repin(self) -> list[str]:
        """Give their names back to namespaces that lost them; to be called when a mount has changed.  Returns which."""
        found = []
        for name, agent in self._agents.items():
            if agent.pid is not None and name in self.slices and not self.slices[name]["deleting"]:
                found += [name] * self._pins.renew(name, agent.pid)
        return found

    def on_row(self, table: str, key: str, value: object) -> None:
        """Take back what an agent said last of an instance that has gone: its end may be heard before its words."""
        if value is None or table not in (INSTANCE_STATUS, APP_STATUS, FLOW_LOG):
            return
        if key.partition("/")[0] not in self.slices:
            asyncio.get_running_loop().call_soon(self._hub.put, table, key, None)

    async def revisions(self, _value: object) -> dict[str, int]:
        """Answer which revision each agent's status has to speak of to be about what is configured now."""
        return {name: part["revision"] for name, part in self.slices.items()}

    def check(self) -> None:
        """Look whether all agents live; see ``AgentProcess.check``."""
        for agent in self._agents.values():
            agent.check()

    def counters(self) -> dict[str, dict[str, int]]:
        """Return what each agent has done, as it said last."""
        return {name: agent.counters for name, agent in self._agents.items()}

    def stop(self) -> None:
        """End all agents; the network goes on."""
        for agent in self._agents.values():
            agent.stop()

    async def validate(self, changes: Sequence[Change]) -> list[Problem]:
        """Check a transaction against everything that is configured; see ``Hub``."""
        documents = [change.value for change in changes if change.value is not None]
        existing = {table: dict(self._hub.rows(table)) for table in PERSISTENT}
        for change in changes:
            existing[change.table].pop(change.key, None)
        gone = [change.key for change in changes if change.table == DEVICE_CONFIG and change.value is None]
        gone = [name for name in gone if name in self._hub.rows(DEVICE_CONFIG)]
        config, problems = await asyncio.to_thread(check, documents, existing, gone=gone)
        problems += await asyncio.to_thread(secret_problems, documents, config)
        if not problems and any(
            files and self.slices.get(name, {}).get("files", files) != files
            for name, files in stamps(config).items()
        ):
            # The same documents again would be no news; somebody has exchanged a key.
            asyncio.get_running_loop().call_soon(self.apply, self._hub.revision)
        self._given |= not problems and any(
            change.table == DEVICE_CONFIG and change.value is not None for change in changes
        )
        places = [place for place, change in enumerate(changes) if change.value is not None]
        return [
            # -1 is a document that was applied before; its name stands in the text.
            replace(problem, document=places[problem.document]) if problem.document >= 0 else problem
            for problem in problems
        ]


def _containers(config: Config) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for app in config.apps.values():
        if app.spec.attach.container is not None:
            for interface in app.spec.interfaces:
                found.setdefault(interface.network, set()).add(app.spec.attach.container)
    return found


def _pids(config: Config) -> list[int]:
    return [app.spec.attach.pid for app in config.apps.values() if app.spec.attach.pid is not None]
