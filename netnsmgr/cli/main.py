"""The command line's entry: global options, commands imported on use, errors turned into exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from netnsmgr import __version__
from netnsmgr.cli.output import fail
from netnsmgr.cli.place import RUN_DIR, STATE_DIR, Place
from netnsmgr.errors import ConfigError, NetnsmgrError, Unreachable

COMMANDS = {
    "apply": "Bring network instances and applications to the state that files describe.",
    "confirm": "Let a change stay that was applied with --confirm.",
    "bugreport": "Write an archive with all that is needed to find a fault, without secrets.",
    "convert": "Write another program's configuration (a WireGuard file) as YAML.",
    "daemon": "Run the daemon in the foreground.",
    "delete": "Delete devices, network instances or applications.",
    "describe": "Show everything about one object: configuration, status, items, reasons.",
    "diff": "Show what applying files, or a rollback, would change and disturb.",
    "doctor": "Check kernel, tools and privileges; say what each missing piece costs.",
    "events": "Show what happened: what broke, what was repaired, what changed by itself.",
    "exec": "Run a command inside a network instance's namespace.",
    "explain": "Document a field of the YAML kinds, or print their JSON Schema.",
    "flows": "Show applications' flows, what was dropped, and what names they asked for.",
    "get": "List devices, network instances, applications or agents.",
    "graph": "Draw the device and its networks, or the items of one and what stands on what.",
    "history": "List the revisions of the configuration: when, by whom, what changed.",
    "log-level": "Show or set how much the running daemon and its agents log.",
    "rollback": "Make the configuration what it was in an earlier revision.",
    "wait": "Wait until objects are ready or deleted.",
    "why": "Say whether an application's flow passes, by which rule, and where it goes.",
    "wireguard": "Make keys, and add, list or remove the peers of a WireGuard server.",
}
"""Every command with its line in the overview: the list is read without importing one of them."""

MODULES = {"exec": "exec_", "log-level": "log_level"}
"""Where a command's module is not named as the command is."""

DONE, NOT_READY, INPUT_ERROR, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130


class Commands(click.Group):
    """A group that imports a command's module, ``netnsmgr.cli.<name>``, when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names for help and completion."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"netnsmgr.cli.{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones come near."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; 'netnsmgr --help' lists the commands"
            raise click.UsageError(f"there is no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the list, so that help imports no command either."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit; every error that is the user's or the system's becomes a text and a code."""
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
            sys.exit(result if isinstance(result, int) else DONE)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except ConfigError as error:
            for problem in error.problems:
                fail(str(problem))
            sys.exit(INPUT_ERROR)
        except Unreachable as error:
            fail(str(error))
            sys.exit(UNREACHABLE)
        except NetnsmgrError as error:
            fail(str(error))
            sys.exit(NOT_READY)
        except BrokenPipeError:
            # The reader (`| head`) has gone.  Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(NOT_READY)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 applied but not ready, 2 input error, 3 daemon not reachable.",
)
@click.option(
    "--run-dir",
    default=RUN_DIR,
    show_default=True,
    envvar="NETNSMGR_RUN_DIR",
    show_envvar=True,
    type=click.Path(),
    help="Sockets and the instances' generated files.",
)
@click.option(
    "--state-dir",
    default=STATE_DIR,
    show_default=True,
    envvar="NETNSMGR_STATE_DIR",
    show_envvar=True,
    type=click.Path(),
    help="Persistent configuration and leases.",
)
@click.version_option(__version__, "-V", "--version", message="netnsmgr %(version)s")
@click.pass_context
def cli(ctx: click.Context, run_dir: str, state_dir: str) -> None:
    """Give every network instance of an edge device a network namespace and a process of its own."""
    ctx.obj = Place(run_dir, state_dir)


def main() -> NoReturn:
    """Run the console script."""
    try:
        cli.main(prog_name="netnsmgr")
    except SystemExit as end:
        if "netnsmgr.supervisor" in sys.modules or not isinstance(end.code, int):
            raise
        # Taking the interpreter apart costs 15 ms and does nothing for anybody; the daemon has children to think of.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)
