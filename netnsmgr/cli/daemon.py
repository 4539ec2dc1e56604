"""``netnsmgr daemon``: the supervisor in the foreground."""

from __future__ import annotations

import click

from netnsmgr.cli import options
from netnsmgr.cli.place import Place, pass_place


@click.command("daemon")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    envvar="NETNSMGR_LOG_LEVEL",
    show_envvar=True,
    help="Least severity that is logged.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    default="auto",
    show_default=True,
    envvar="NETNSMGR_LOG_FORMAT",
    show_envvar=True,
    help="auto: lines for people on a terminal, JSON otherwise.",
)
@options.engine
@pass_place
def command(place: Place, log_level: str, log_format: str, engine: str) -> int:
    """Run the daemon in the foreground, until SIGTERM or SIGINT.

    Stopping it, however it ends, leaves every network instance working; the next start carries on.
    """
    from netnsmgr.supervisor import main

    return main(place.run_dir, place.state_dir, log_level=log_level, log_format=log_format, engine=engine)
