"""``netnsmgr graph --topology``: files, or the running device, as a drawing's DOT text."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.place import Place
from netnsmgr.client.kinds import AGENT, APP, CONFIG_TABLES, DEVICE, INSTANCE, STATE_TABLES
from netnsmgr.config.check import check
from netnsmgr.config.load import load
from netnsmgr.config.whole import parse
from netnsmgr.supervisor.slices import allocate
from netnsmgr.topology.drawing import draw
from netnsmgr.topology.read import Statuses, topology


def described(files: Sequence[str]) -> str:
    """Return what applying these files to a device that has nothing would make; raises ConfigError."""
    for name in files:
        if "." not in name and "/" not in name and name != "-" and not os.path.exists(name):
            raise click.UsageError(
                f"there is no file {name!r}; a topology is that of files, or without any that of the running device "
                f"(the items of a network instance: netnsmgr graph {name})"
            )
    loaded = load(files)
    if not loaded.complete:
        loaded.require()
    config, problems = check(loaded.documents, {})
    loaded.require(problems)
    return draw(topology(config, allocate({}, config.instances)))


def running(place: Place) -> str:
    """Return what the daemon has been told, and how it is; raises Unreachable."""
    with Daemon(place) as daemon:
        rows = daemon.rows(*CONFIG_TABLES, *STATE_TABLES)
    config = parse(dict(document) for table in CONFIG_TABLES for document in rows[table].values())
    if config == type(config)():
        raise click.UsageError(
            "nothing is configured here; a file that is not applied is drawn by: netnsmgr graph --topology FILE"
        )
    known = {name: row["number"] for name, row in rows[INSTANCE.status].items() if "number" in row}
    statuses = Statuses(rows[DEVICE.status], rows[INSTANCE.status], rows[APP.status], rows[AGENT.status])
    return draw(topology(config, allocate(known, config.instances), statuses))
