"""``python -m tests.chaos --seed N --seconds S``: kill and change until the time is over; 1 if anything broke.  As root."""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

from tests.chaos.flows import PINGS
from tests.chaos.report import table
from tests.chaos.run import chaos
from tests.chaos.stage import Stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description="Kill netnsmgr's processes at random moments.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="repeats a run")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--strokes", type=int, default=None, metavar="N", help="at most so many")
    parser.add_argument(
        "--kind", action="append", default=[], help='only such processes ("agent", "dnsmasq")'
    )
    parser.add_argument(
        "--rate", type=int, default=PINGS, metavar="N", help="pings a second in each instance"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the lab's logs there")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("chaos needs root: it kills real helpers", file=sys.stderr)
        return 2
    with Stage() as stage:
        report = chaos(
            stage,
            options.seed,
            seconds=options.seconds,
            most=options.strokes,
            kinds=options.kind,
            rate=options.rate,
        )
        if options.log:
            options.log.write_text(stage.w.lab.logs(lines=1_000_000))
    print(table(report))
    for wrong in report.wrong:
        print(f"WRONG: {wrong}")
    print(f"seed {report.seed}: {len(report.wrong)} wrong")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
