"""What a configuration would change, item by item, computed without asking any agent: planning is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from netnsmgr.config.check import check
from netnsmgr.config.device import Port
from netnsmgr.config.whole import Config, parse
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import Plan, Verb, plan
from netnsmgr.errors import ConfigError
from netnsmgr.features import instance as instance_features
from netnsmgr.features import uplink as uplink_features
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import device_of, instance_scope, linked_instance, port_facts, uplink_scope
from netnsmgr.features.scope import Intent, PortFacts
from netnsmgr.kernel import reach
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.tables import (
    DEVICE_CONFIG,
    DEVICE_STATUS,
    INSTANCE_STATUS,
    KIND_TABLE,
    PERSISTENT,
    link_status,
)
from netnsmgr.supervisor.disturbance import disturbed
from netnsmgr.supervisor.secrets import secret_problems
from netnsmgr.supervisor.slices import UPLINK, Slicer, Slices, allocate
from netnsmgr.supervisor.supervisor import Supervisor

Rows = dict[str, dict[str, dict[str, Any]]]


class Preview:
    """Answers the call ``plan``: the operations of each agent if these documents were applied now."""

    def __init__(self, hub: Hub, supervisor: Supervisor) -> None:
        self._hub = hub
        self._supervisor = supervisor

    async def plan(self, asked: Any) -> dict[str, Any]:
        """Return ``{"agents": {name: {"operations": […], "disturbs": […]}}}``; raises ConfigError."""
        documents: Sequence[dict[str, Any]] = asked["documents"]
        deleted: Sequence[tuple[str, str]] = asked.get("deleted", ())
        before: Rows = {table: dict(self._hub.rows(table)) for table in PERSISTENT}
        after: Rows = {table: {} if asked.get("prune") else dict(rows) for table, rows in before.items()}
        devices = [key for table, key in deleted if table == DEVICE_CONFIG]
        gone = before[DEVICE_CONFIG] if asked.get("prune") else devices
        for table, key in deleted:
            after[table].pop(key, None)
        config, problems = check(documents, after, gone=gone)
        if problems := problems + secret_problems(documents, config):
            raise ConfigError(problems)
        for document in documents:
            after[KIND_TABLE[document["kind"]]][document["metadata"]["name"]] = document
        configs = _config(before), _config(after)
        old, new = (self._slices(each, rows) for each, rows in zip(configs, (before, after), strict=True))
        in_words = disturbed(*configs)
        agents = {}
        for name in sorted(old.keys() | new.keys()):
            current, intended = self._items(name, old), self._items(name, new)
            todo = plan(
                _made(current), intended, frozenset(r for r, item in intended.items() if item.external)
            )
            if todo:
                disturbs = in_words.get(name, []) + _disturbs(todo)
                agents[name] = {"operations": list(map(str, todo.order())), "disturbs": disturbs}
        return {"agents": agents}

    def _slices(self, config: Config, rows: Rows) -> Slices:
        numbers = {n: number for n, number in self._supervisor.numbers.items() if n in config.instances}
        backends = self._supervisor.backends(config)
        return Slicer().cut(config, rows, allocate(numbers, config.instances), 0, backends=backends)

    def _items(self, name: str, slices: Slices) -> dict[Ref, Item]:
        row = slices.get(name)
        if row is None or row["deleting"]:
            return {}
        settings = self._supervisor.settings
        groups: Intent
        if name == UPLINK:
            device = device_of(row)
            facts = [self._port(port) for port in device.spec.ports] if device else []
            if device:
                # What the new configuration says of a port counts, not what was found by the old one.
                facts = [
                    replace(
                        known,
                        addresses=_written(port.addresses, known.addresses),
                        gateways=_written(port.gateways, known.gateways),
                        dns=port.dns or known.dns,
                        mtu=port.mtu or known.mtu,
                    )
                    for port, known in zip(device.spec.ports, facts, strict=True)
                ]
            linked = map(linked_instance, row["instances"])
            backend = row.get("backends", {}).get("wireguard", "")
            groups = uplink_features.intent(
                uplink_scope(device, facts, linked, settings.run_dir, 0, wireguard=backend)
            )
        else:
            link = LinkFacts.of(self._hub.rows(link_status(name)).get("link"))
            scope = instance_scope(
                row,
                link,
                run_dir=settings.run_dir,
                state_dir=settings.state_dir,
                netns_inode=self._hub.rows(INSTANCE_STATUS).get(name, {}).get("netns", {}).get("inode", 0),
                python=reach.python(),
            )
            groups = instance_features.intent(scope)
        return state(item for group in groups.values() for item in group)

    def _port(self, port: Port) -> PortFacts:
        for device in self._hub.rows(DEVICE_STATUS).values():
            for row in device["ports"]:
                # A shared port is known by its bridge, before and after the change or only once.
                if row["name"] == port.name and row["interface"] in _links(port):
                    known = replace(port_facts(row), interface=port.l3)
                    # Wherever it is now, the agents bring it to where it is wanted.
                    return replace(known, present=True, lent="") if known.lent else known
        return PortFacts(port.name, port.l3, present=True)


def _links(port: Port) -> set[str]:
    return {port.l3, port.ifname, port.model_copy(update={"shared": True}).l3}


def _config(rows: Rows) -> Config:
    return parse(document for table in rows.values() for document in table.values())


def _written(told: Sequence[Any], known: Sequence[Any]) -> tuple[Any, ...]:
    """Return what is written, and of a version of IP of which nothing is, what is known."""
    versions = {each.version for each in told}
    return (*told, *(each for each in known if each.version not in versions))


def _made(items: Mapping[Ref, Item]) -> dict[Ref, Item]:
    return {ref: item for ref, item in items.items() if not item.external}


def _disturbs(todo: Plan) -> list[str]:
    """Say in words what is interrupted: whatever is taken down and made again, or is stopped for good."""
    lines = [f"{ref}: replaced, and interrupted meanwhile" for ref in todo.replaced()]
    made = {op.ref for op in todo.after if op.verb is not Verb.DELETE}
    removed = [op.ref for op in todo.order() if op.verb is Verb.DELETE and op.ref not in made]
    return lines + [f"{ref}: removed" for ref in removed if ref.kind in ("link", "process")]
