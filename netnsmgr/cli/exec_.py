"""``netnsmgr exec NI -- CMD…``: a command inside an instance's namespace."""

from __future__ import annotations

import os
import shutil
import sys

import click

from netnsmgr.cli.output import fail
from netnsmgr.cli.place import NETNS_DIR, Place, pass_place
from netnsmgr.errors import KernelError


def namespaces() -> list[str]:
    """Return the names pinned under /run/netns: instances, and what others made with ``ip netns add``."""
    try:
        return sorted(os.listdir(NETNS_DIR))
    except OSError:
        return []


def instances(place: Place) -> list[str]:
    """Return the instances whose namespaces exist.

    The daemon keeps a directory for each instance; without one (no permission, another run directory)
    every pinned namespace counts.
    """
    pinned = namespaces()
    try:
        known = set(os.listdir(os.path.join(place.run_dir, "instances")))
    except OSError:
        return pinned
    return [name for name in pinned if name in known] or pinned


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in namespaces() if name.startswith(incomplete)]


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
    path = os.path.join(NETNS_DIR, instance)
    if os.sep in instance or not os.path.exists(path):
        there = ", ".join(instances(place)) or "none"
        raise click.UsageError(f"there is no network instance {instance!r} here; those that exist: {there}")
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
    exec_in(path, list(command_line), resolv_conf=resolver)
