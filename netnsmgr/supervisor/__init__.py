"""The process that starts, watches and ends the agents, and holds what they are told; it touches no network."""

from __future__ import annotations


def main(
    run_dir: str,
    state_dir: str,
    *,
    log_level: str = "info",
    log_format: str = "auto",
    engine: str = "",
    agent_timeout: float = 60.0,
    users: int = 1_900_000_000,
    metrics: str = "",
) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT; returns the exit code.  See ``daemon.run``."""
    from netnsmgr.supervisor.daemon import run

    return run(
        run_dir,
        state_dir,
        log_level=log_level,
        log_format=log_format,
        engine=engine,
        agent_timeout=agent_timeout,
        users=users,
        metrics=metrics,
    )
