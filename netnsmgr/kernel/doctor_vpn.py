"""What this machine has for tunnels: the backends, tried where nobody is disturbed, and which of them instances get.

All of it is optional: without tunnels nothing of it is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from netnsmgr.kernel import backends
from netnsmgr.kernel.scratch import Outcome, Probe

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 512
"""Of inotify instances: for hundreds of tunnels, and for what else root's processes have."""


class Line(NamedTuple):
    """One thing: whether it is there (None: not tried), what is to be said, what its absence costs, how to get it."""

    name: str
    ok: bool | None
    detail: str
    costs: str
    fix: str


def lines(outcomes: Mapping[Probe, Outcome], inotify: Path = INOTIFY) -> Iterator[Line]:
    """Yield a line for each backend, and for what limits the one that is used."""
    chosen = backends.chosen(outcomes)
    used = {
        backends.WIREGUARD: chosen["wireguard"] == "kernel",
        backends.WIREGUARD_GO: chosen["wireguard"] == "wireguard-go",
        backends.CHARON: bool(chosen["esp"]),
        backends.ESP: chosen["esp"] == "kernel",
        backends.CHARONS_ESP: chosen["esp"] == "libipsec",
    }
    for probe, (ok, fault) in outcomes.items():
        detail = f"works, {'used' if used[probe] else 'not used'}" if ok else fault
        fix = probe.fix if ok is False else "" if ok else "not tried: see the lines above"
        yield Line(probe.name, ok, detail, probe.costs, fix)
    if used[backends.WIREGUARD_GO]:
        yield _inotify(inotify)


def _inotify(path: Path) -> Line:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):
        return Line("inotify instances", None, "not known", "", "")
    return Line(
        "inotify instances",
        limit >= ENOUGH,
        f"fs.inotify.max_user_instances = {limit}",
        f"wireguard-go takes one for each tunnel: fewer than {limit} WireGuard tunnels at once",
        "" if limit >= ENOUGH else "sysctl -w fs.inotify.max_user_instances=1024",
    )
