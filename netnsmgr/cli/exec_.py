"""``netnsmgr exec NI -- CMD…``: a command inside an instance's namespace."""

from __future__ import annotations

import os
import shutil
import sys

import click

from netnsmgr.cli.output import fail
from netnsmgr.cli.place import NETNS_DIR, Place, pass_place
from netnsmgr.errors import KernelError


def instances(run_dir: str) -> list[str]:
    """Return the instances of the daemon with this run directory: each has left the mark of its namespace there."""
    try:
        return sorted(os.listdir(os.path.join(run_dir, "netns")))
    except OSError:
        return []


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    # While completing, click parses the options and runs nothing, so nobody has made a Place yet.
    run_dir = ctx.find_root().params["run_dir"]
    return [name for name in instances(run_dir) if name.startswith(incomplete)]


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("instance", metavar="NI", shell_complete=_complete)
@click.argument("command_line", metavar="-- COMMAND [ARG]…", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_place
def command(place: Place, instance: str, command_line: tuple[str, ...]) -> None:
    """Run COMMAND inside the namespace of the network instance NI, and exit with its exit code.

    Names are resolved as the instance's applications resolve them: by its own DNS server.

    \b
    netnsmgr exec ni1 -- ip address
    netnsmgr exec ni1 -- curl http://10.10.1.50/
    """
    there = instances(place.run_dir)
    if instance not in there:
        raise click.UsageError(
            f"there is no network instance {instance!r} here; those that exist: {', '.join(there) or 'none'}"
        )
    if os.geteuid() != 0:
        raise KernelError("entering a namespace needs root: run it with sudo")
    if command_line[0] == "--":
        command_line = command_line[1:]
    from netnsmgr.kernel.namespace import exec_in

    if shutil.which(command_line[0]) is None:
        fail(f"{command_line[0]}: there is no such program")
        sys.exit(127)  # as a shell has it
    sys.stdout.flush()
    resolver = os.path.join(place.run_dir, "instances", instance, "etc", "resolv.conf")
    exec_in(os.path.join(NETNS_DIR, instance), list(command_line), resolv_conf=resolver)
