"""``python -m poc``: the scenario's rows, in plain namespaces made for it or in the docker lab that is up.

Exit codes: 0 all rows that were asked for were run and passed; 1 not so; 2 wrong usage; 3 there is no lab to run in.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from poc.checks import Check, run_all
from poc.evidence import Evidence
from poc.report import Report, RowResult
from poc.rows import NUMBERS, ROWS
from poc.rows.applied import applied
from poc.scene import CONFIGURATION, ROOT, Scene
from tests.lab.process import LabError

RESULTS = ROOT / "build" / "poc" / "results"
#: Deletes all instances one by one: nothing may be inside of them.
DELETES = "25"


def main() -> int:
    options = arguments()
    folder: Path = options.results
    report = Report(options.where, options.rows, options.json or folder / "results.json")
    with ExitStack() as stack:
        try:
            where = stack.enter_context(scene(options.where))
        except (LabError, OSError) as error:
            print(f"error: no lab to run in: {error}", file=sys.stderr)
            return 3
        report.up()
        try:
            evidence = stack.enter_context(closing(Evidence(where, folder)))
            for result in run(where, options.rows, evidence, report):
                report.add(result)
                if not result.passed:
                    evidence.keep(result)
        except LabError as error:
            report.broken(str(error))
        except KeyboardInterrupt:
            report.broken("interrupted")
    return report.end()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m poc", description="Run the scenario's rows and say what was seen."
    )
    parser.add_argument(
        "--in",
        dest="where",
        choices=("namespaces", "docker"),
        default="namespaces",
        help="plain namespaces, made for it, or the docker lab (make poc-up); default: %(default)s",
    )
    parser.add_argument(
        "--rows", type=rows, default=list(NUMBERS), help="some of them: 1,2,14 (default: all)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="default: results.json in DIR")
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="for what failing rows leave behind: captures, logs (default: build/poc/results)",
    )
    return parser.parse_args()


def rows(text: str) -> list[str]:
    """Numbers of rows, in the scenario's order."""
    asked = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in asked if one not in NUMBERS]
    if unknown or not asked:
        raise argparse.ArgumentTypeError(
            f"no row {', '.join(unknown) or repr(text)}: rows are {NUMBERS[0]} to {NUMBERS[-1]}, as in --rows 1,2,14"
        )
    return [number for number in NUMBERS if number in asked]


def scene(where: str) -> Scene:
    # Imported here: each needs what the other does without.
    if where == "docker":
        from poc.containers import Containers

        return Containers()
    from poc.namespaces import Namespaces

    return Namespaces()


def run(where: Scene, numbers: Sequence[str], evidence: Evidence, report: Report) -> Iterator[RowResult]:
    """The configuration, then the rows; without the configuration none."""
    text = CONFIGURATION.read_text()
    first = RowResult("apply", applied.__doc__ or "")
    yield from finished(first, applied(where, text), report)
    if not first.passed:
        return
    evidence.enter_instances(text)
    for number in numbers:
        if number not in ROWS:
            continue
        if number == DELETES:
            evidence.leave_instances()
        row = ROWS[number]
        yield from finished(RowResult(number, (row.__doc__ or "").partition("\n")[0]), row(where), report)


def finished(result: RowResult, checks: Iterator[Check], report: Report) -> Iterator[RowResult]:
    report.headline(result)
    for outcome in run_all(checks):
        result.outcomes.append(outcome)
        report.line(outcome)
    result.ended = time.time()
    yield result


if __name__ == "__main__":
    sys.exit(main())
