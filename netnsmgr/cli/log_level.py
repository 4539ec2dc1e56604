"""``netnsmgr log-level``: how much the running daemon and its agents log."""

from __future__ import annotations

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.place import Place, pass_place


@click.command("log-level")
@click.argument(
    "level", required=False, type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False)
)
@click.option("--agent", metavar="NAME", help="Only of this agent: an instance's name, uplink, or daemon.")
@output.formats("table", "json", "yaml")
@pass_place
def command(place: Place, level: str | None, agent: str | None, fmt: str) -> None:
    """Set the least severity that the daemon and all agents log, or show it without LEVEL.

    It lasts until the daemon ends; then that of `netnsmgr daemon --log-level` counts again.
    """
    with Daemon(place) as daemon:
        found = daemon.call("log-level", {"level": level, "agent": agent})
    if fmt == "table":
        output.table(["PROCESS", "LEVEL"], [list(each) for each in found.items()])
    else:
        output.data(found, fmt)
