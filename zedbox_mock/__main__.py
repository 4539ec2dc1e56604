"""``python -m zedbox_mock``: the command line; exit codes are netnsmgr's own: 0 done, 1 not ready, 2 wrong input, 3 no daemon."""

from __future__ import annotations

import argparse
import os
import sys

from netnsmgr.client import RUN_DIR, ConfigError, NetnsmgrError, Unreachable
from zedbox_mock import TimelineError

NOT_READY, INPUT_ERROR, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    top = argparse.ArgumentParser(prog="zedbox_mock", description="Play an edge device's supervisor.")
    top.add_argument("--run-dir", default=os.environ.get("NETNSMGR_RUN_DIR", RUN_DIR))
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    publish = commands.add_parser("publish", help="publish exactly these documents, once")
    _paths(publish)
    publish.add_argument("--wait", type=float, metavar="SECONDS", help="wait so long until all of it is true")
    run = commands.add_parser("run", help="publish, follow the files, print what is told, until a signal")
    _paths(run)
    run.add_argument("--for", type=float, metavar="SECONDS", dest="seconds", help="end after this time")
    run.add_argument("--json", action="store_true", help="print objects of JSON, one a line")
    replay = commands.add_parser(
        "replay", help="play a timeline of changes, and report what became true when"
    )
    replay.add_argument("timeline", metavar="TIMELINE", help="see zedbox_mock/timeline.py")
    replay.add_argument("--seed", type=int, help="draw the random events by this one")
    replay.add_argument("--json", action="store_true", help="print objects of JSON, one a line")
    return top


def _paths(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="YAML file, directory of them, EdgeDevConfig of EVE in JSON, or -",
    )
    command.add_argument(
        "--attach",
        choices=("container", "netns"),
        default="container",
        help="what EVE does not say (default: %(default)s)",
    )
    command.add_argument("--takeover", action="store_true", help="take objects over that another writer owns")


def main() -> int:
    """Run one command."""
    options = parser().parse_args()
    try:
        match options.command:
            case "publish":
                from zedbox_mock.publish import publish

                return publish(
                    options.paths,
                    options.run_dir,
                    wait=options.wait,
                    takeover=options.takeover,
                    attach=options.attach,
                )
            case "run":
                from zedbox_mock.run import run

                return run(
                    options.paths,
                    options.run_dir,
                    takeover=options.takeover,
                    attach=options.attach,
                    as_json=options.json,
                    seconds=options.seconds,
                )
            case "replay":
                from zedbox_mock.replay import replay
                from zedbox_mock.timeline import read_timeline

                return replay(
                    read_timeline(options.timeline, options.seed), options.run_dir, as_json=options.json
                )
    except (ConfigError, TimelineError) as error:
        print(error, file=sys.stderr)
        return INPUT_ERROR
    except Unreachable as error:
        print(error, file=sys.stderr)
        return UNREACHABLE
    except NetnsmgrError as error:
        print(error, file=sys.stderr)
        return NOT_READY
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _unread()
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is not None:
            raise
        return _unread()
    return 0


def _unread() -> int:
    """End as one whose reader has gone (`… | head`): there is nobody to tell, and Python shall not try once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
