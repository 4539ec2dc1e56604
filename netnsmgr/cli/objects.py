"""Objects as programs read them, and as commands name them: a document with its status beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.place import Place
from netnsmgr.client.kinds import AGENT, APP, CONFIG_TABLES, DEVICE, INSTANCE, STATE_TABLES, Kind
from netnsmgr.client.readiness import Rows, agent_trouble

TABLES = (*CONFIG_TABLES, *STATE_TABLES)


def status_rows(kind: Kind, name: str, rows: Rows) -> dict[str, Mapping[str, Any]]:
    """Return the status rows of an object by key; an application has one for each interface.

    Among the reasons is, first, that nobody keeps a row true, because its agent cannot live.
    """
    table = rows.get(kind.status, {})
    if kind is APP:
        found = {key: row for key, row in sorted(table.items()) if key.split("/")[1:2] == [name]}
    else:
        found = {name: table[name]} if name in table else {}
    if kind is AGENT:
        return found
    return {
        key: {**row, "reasons": [*trouble, *(row.get("reasons") or ())]} if trouble else row
        for key, row in found.items()
        for trouble in [agent_trouble(kind, key, rows)]
    }


def names(kind: Kind, rows: Rows) -> list[str]:
    """Return all objects of a kind: configured ones, and those that are still being deleted."""
    found = set(rows.get(kind.config, {}))
    for key in rows.get(kind.status, {}):
        found.add(key.split("/")[1] if kind is APP and key.count("/") >= 2 else key)
    return sorted(found)


def ports_of_switches(device: str, rows: Rows) -> dict[str, str]:
    """Return which switch each port of a device is configured to be in, moved or shared."""
    document = rows.get(DEVICE.config, {}).get(device) or {"spec": {}}
    named: dict[str, str] = {}
    for name, other in sorted(rows.get(INSTANCE.config, {}).items()):
        if other["spec"].get("type") == "switch":
            named |= dict.fromkeys(other["spec"].get("ports") or (), name)
    return {
        port["name"]: named[word]
        for port in document["spec"].get("ports") or ()
        for word in (*(port.get("labels") or ()), port["name"])
        if word in named
    }


def record(kind: Kind, name: str, rows: Rows) -> dict[str, Any]:
    """Return one object as data: its document, and its status beneath ``status``."""
    status = status_rows(kind, name, rows)
    if kind is AGENT:
        return {"kind": AGENT.name, "metadata": {"name": name}, "status": dict(status.get(name, {}))}
    document = dict(rows.get(kind.config, {}).get(name) or {"kind": kind.name, "metadata": {"name": name}})
    if kind is APP:
        document["status"] = {"interfaces": [dict(row) for row in status.values()]}
    else:
        document["status"] = dict(status.get(name, {}))
    return document


def known(kind: Kind, name: str, rows: Rows) -> str:
    """Return the name if there is such an object; else an error that lists those that there are."""
    there = names(kind, rows)
    if name not in there:
        raise click.UsageError(
            f"there is no {kind.noun} {name!r}; those that exist: {', '.join(there) or 'none'}"
        )
    return name


def parse(label: str, kinds: KindType) -> tuple[Kind, str]:
    """Return what ``kind/name`` names."""
    word, slash, name = label.partition("/")
    if not slash or not name:
        raise click.UsageError(f"{label!r}: write KIND/NAME, such as ni/ni1 or app/app1")
    return kinds.convert(word, None, None), name


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an object of the kind given before; without a daemon there is nothing to offer."""
    kind = ctx.params.get("kind")
    return _complete(kind, ctx, incomplete) if isinstance(kind, Kind) else []


def complete_apps(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an application."""
    return _complete(APP, ctx, incomplete)


def complete_instances(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a network instance."""
    return _complete(INSTANCE, ctx, incomplete)


def _complete(kind: Kind, ctx: click.Context, incomplete: str) -> list[str]:
    # While completing, click parses the options and runs nothing, so nobody has made a Place yet.
    options = ctx.find_root().params
    try:
        place = Place(options["run_dir"], options["state_dir"])
        with Daemon(place, timeout=0.5) as daemon:
            tables = [table for table in (kind.config, kind.status) if table]
            return [name for name in names(kind, daemon.rows(*tables)) if name.startswith(incomplete)]
    except Exception:
        # Whatever goes wrong, a traceback between the user's keystrokes helps nobody.
        return []
