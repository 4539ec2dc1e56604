"""Figures of floods: ``python -m tests.floods [--seconds S] [FLOOD …]``.

How a neighbour in the same instance (alice) and an application of another one (bob) are served without and with each
flood, and what the processes of the daemon need in memory before and after.  Prints a table; milliseconds.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.floods.stage import FLOODS, Served, flood, flows, served, stage
from tests.scenarios.world import World

PROCESSES = (
    "dnsmasq --conf-file=/run/netnsmgr/instances/ni1",
    "services.metadata",
    "radvd",
    "netnsmgr daemon",
)
"""By a part of their command lines."""


def main() -> int:
    """Run the floods one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.floods", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each flood (5)")
    parser.add_argument("floods", nargs="*", choices=[*FLOODS, []], metavar="FLOOD")
    asked = parser.parse_args()
    with stage() as world:
        served(world, 1.0)  # the first request starts the metadata service
        before = memory(world)
        row("none", "-", served(world, asked.seconds))
        for name in asked.floods or FLOODS:
            sender = flood(world, FLOODS[name], asked.seconds + 2.0)
            time.sleep(1.0)
            found = served(world, asked.seconds)
            sender.wait(60)
            row(name, sender.output.strip(), found)
            time.sleep(3.0)
        print(f"flows: {flows(world)} in the root namespace, {flows(world, 'ni1')} in ni1")
        after = memory(world)
        print("memory (PSS, KiB):")
        for name in sorted({*before, *after}):
            print(f"  {name:24} {before.get(name, 0):7} -> {after.get(name, 0):7}")
    return 0


def row(name: str, sent: str, found: dict[str, Served]) -> None:
    """Print median / 95th percentile of each kind, with what was lost."""
    for who, kinds in found.items():
        cells = [
            f"{kind} {each['median']}/{each['p95']}"
            + (f" lost {each['lost']} of {each['asked']}" if each["lost"] else "")
            for kind, each in kinds.items()
        ]
        print(f"{name:12} {sent:>9} {who:6} {'   '.join(cells)}", flush=True)


def memory(world: World) -> dict[str, int]:
    """The proportional set size of each process of the daemon and its helpers, by what it is called."""
    # An agent is a fork, known by the name that it gave itself.
    script = r"""
for dir in /proc/[0-9]*; do
    pss=$(awk '/^Pss:/ {print $2}' "$dir/smaps_rollup" 2>/dev/null) || continue
    [ -n "$pss" ] && echo "$pss $(cat "$dir/comm") $(tr '\0\n' '  ' <"$dir/cmdline" | cut -c1-100)"
done"""
    found: dict[str, int] = {}
    for line in world.sh(script).splitlines():
        size, name, command = line.split(" ", 2)
        known = next((word for word in PROCESSES if word in command), "")
        name = name if name.startswith("netnsmgr:") else known.split(" --", maxsplit=1)[0]
        if name:
            found[name] = found.get(name, 0) + int(size)
    return found


if __name__ == "__main__":
    sys.exit(main())
