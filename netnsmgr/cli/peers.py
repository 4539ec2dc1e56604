"""The peers of a tunnel that runs: found in what the daemon has, changed, and waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import known
from netnsmgr.client.kinds import INSTANCE
from netnsmgr.client.readiness import Rows
from netnsmgr.pubsub.row import Change

if TYPE_CHECKING:
    from netnsmgr.cli.clients import Server

UNSETTLED = ("pending", "reconciling")
"""States of an instance that is still at work."""


def servers_of(rows: Rows, instance: str) -> list[Server]:
    """Return the WireGuard tunnels of an instance, at least one; raises UsageError."""
    from netnsmgr.cli.clients import tunnels

    known(INSTANCE, instance, rows)
    document = rows[INSTANCE.config].get(instance)
    found = tunnels(instance, document, rows[INSTANCE.status].get(instance, {}))
    if not found:
        raise click.UsageError(f"{instance} has no WireGuard tunnel: nothing stands below spec.vpn.wireguard")
    return found


def server_of(rows: Rows, instance: str, tunnel: str) -> Server:
    """Return one of them by its name; raises UsageError."""
    servers = servers_of(rows, instance)
    for each in servers:
        if each.tunnel["name"] == tunnel:
            return each
    there = ", ".join(each.tunnel["name"] for each in servers)
    raise click.UsageError(f"{instance} has no tunnel {tunnel!r}; those that exist: {there}")


def put(daemon: Daemon, server: Server, peers: Sequence[Any], *, takeover: bool) -> int:
    """Replace the peers of a tunnel in the running configuration; return the revision."""
    change = Change(INSTANCE.config, server.instance, server.changed(peers))
    return daemon.put([change], takeover=takeover)


def wait(
    daemon: Daemon, server: Server, revision: int, name: str, timeout: float, *, there: bool = True
) -> int:
    """Wait until the agent has taken a change in, and the peer ``name`` is there, or is not any more.

    Whether the tunnel is up then is another question: a client that was never switched on has not called.
    """
    status: Any = {}
    for rows, _ in daemon.watch(INSTANCE.status, timeout=timeout):
        status = rows[INSTANCE.status].get(server.instance, {})
        tunnels = (status.get("vpn") or {}).get("wireguard") or ()
        mine = [each for each in tunnels if each.get("name") == server.tunnel["name"]]
        known = name in {peer.get("name") for each in mine for peer in each.get("peers") or ()}
        if status.get("revision", 0) >= revision and status.get("state") not in UNSETTLED and known == there:
            return 0
    why = "; ".join(status.get("reasons") or ()) or "its agent does not answer"
    output.say(f"{server.label} has not taken the change in after {timeout:g} s: {why}", err=True)
    return 1
