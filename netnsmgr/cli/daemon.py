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
@click.option(
    "--agent-timeout",
    type=options.Duration(),
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="An agent without a sign of life for so long is started again; its network goes on meanwhile.",
)
@click.option(
    "--metrics",
    default="",
    metavar="ADDRESS:PORT",
    envvar="NETNSMGR_METRICS",
    show_envvar=True,
    help="Show metrics (OpenMetrics) here, too, to everybody; they are on metrics.sock in the run directory anyway.",
)
@click.option(
    "--users",
    type=click.IntRange(0, 4_000_000_000),
    default=1_900_000_000,
    show_default=True,
    metavar="NUMBER",
    help="First of the 65,536 users (and groups) that agents and their helpers run as; 0: all stay root.",
)
@options.engine
@pass_place
def command(
    place: Place, log_level: str, log_format: str, agent_timeout: float, metrics: str, users: int, engine: str
) -> int:
    """Run the daemon in the foreground, until SIGTERM or SIGINT.

    Stopping it, however it ends, leaves every network instance working; the next start carries on.
    """
    from netnsmgr.supervisor.daemon import run

    if agent_timeout < 1:
        raise click.UsageError("--agent-timeout: an agent needs a second at least to show that it lives")
    return run(
        place.run_dir,
        place.state_dir,
        log_level=log_level,
        log_format=log_format,
        engine=engine,
        agent_timeout=agent_timeout,
        metrics=metrics,
        users=users,
    )
