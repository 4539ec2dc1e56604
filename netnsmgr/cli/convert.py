"""``netnsmgr convert``: another program's configuration as YAML of ours."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.private import DIRECTORY, write_new
from netnsmgr.config.load import MAX_BYTES
from netnsmgr.errors import ConfigError, Problem

FORMATS = {"wireguard": "netnsmgr.config.from_wgquick"}
"""Name of a format → the module that ``recognises`` and ``convert``s it."""
TO_FILL_IN = {
    "ports": ("[eth0]", "the device's ports by which the encrypted packets leave"),
    "subnets": ("[10.10.1.0/24]", "the network of the applications"),
    "dhcp": ("{}", "so that applications get their addresses by DHCP"),
}
"""Fields of an instance that no foreign file knows: an example, and what they are."""


@click.command("convert")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(allow_dash=True))
@click.option("--name", help="Name of the network instance. Default: that of the file.")
@click.option(
    "--subnet", "subnets", multiple=True, metavar="NETWORK", help="Subnet of the instance (may be repeated)."
)
@click.option(
    "--port", "ports", multiple=True, help="Port of the device, by name or label (may be repeated)."
)
@click.option(
    "--secrets",
    default=DIRECTORY,
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Where keys go, each into a file of its own that only its owner can read.",
)
def command(
    files: tuple[str, ...], name: str | None, subnets: tuple[str, ...], ports: tuple[str, ...], secrets: str
) -> None:
    """Write WireGuard configuration FILEs (of wg or wg-quick) as network instances, in YAML, on standard output.

    \b
    netnsmgr convert /etc/wireguard/wg0.conf --port eth0 --subnet 10.10.1.0/24 > wg0.yaml
    netnsmgr apply wg0.yaml

    Keys do not come into the YAML, but into files. What is not carried over, or is different here, is said on standard
    error; what no file says is left to be filled in. Nothing is applied.
    """
    from netnsmgr.config.converted import Converted, Wishes

    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one file; without it each instance is named after its file")
    _valid(name, subnets)
    found: list[Converted] = []
    problems: list[Problem] = []
    for file in files:
        called = name or _name_of(file)
        wishes = Wishes(called, os.path.abspath(secrets), subnets, ports)
        try:
            text, shown = _text(file)
            found.append(_format(text, shown).convert(text, shown, _link(file, called), wishes))
        except ConfigError as error:
            problems += error.problems
    problems += _twice(found)
    if problems:
        raise ConfigError(problems)
    made = write_new({path: content for each in found for path, content in each.secrets.items()})
    for number, each in enumerate(found):
        click.echo(("---\n" if number else "") + _yaml(each.document), nl=False, color=False)
    for each in found:
        for note in each.notes:
            output.say(f"{click.style('note: ', fg='yellow')}{note}", err=True)
    for path in made:
        output.say(f"{click.style('written: ', fg='green')}{path}", err=True)
    lacking = dict.fromkeys(field for each in found for field in _lacking(each.document) if field != "dhcp")
    if lacking:
        output.say(
            f"to be filled in before it is applied: {', '.join(f'spec.{field}' for field in lacking)}",
            err=True,
        )


def _valid(name: str | None, subnets: Sequence[str]) -> None:
    from netnsmgr.config import addresses, values

    try:
        if name is not None:
            values.dns_label(name)
        for subnet in subnets:
            addresses.subnet(subnet)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _text(file: str) -> tuple[str, str]:
    """Return a file's text, and how it is called in messages."""
    shown = "<stdin>" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(file, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError([Problem("is too large for a configuration", file=shown, line=1, column=1)])
        return data.decode("utf-8-sig"), shown
    except OSError as error:
        raise ConfigError(
            [Problem(f"cannot be read: {error.strerror}", file=shown, line=1, column=1)]
        ) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("is no text in UTF-8", file=shown, line=1, column=1)]) from None


def _format(text: str, shown: str) -> Any:
    modules = [import_module(path) for path in FORMATS.values()]
    for module in modules:
        if module.recognises(text):
            return module
    what = f"is of no format that can be converted; there are: {', '.join(FORMATS)} (with [Interface] and [Peer])"
    raise ConfigError([Problem(what, file=shown, line=1, column=1)])


def _name_of(file: str) -> str:
    """Return the name of the instance that a file becomes, as its own allows it."""
    if file == "-":
        raise click.UsageError("say how the network instance is to be called: --name NAME")
    stem = os.path.basename(file).partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63].strip("-")
    if not name:
        raise click.UsageError(f"{file!r} gives no name for a network instance; say --name NAME")
    return name


def _link(file: str, name: str) -> str:
    """Return the name of the tunnel's interface: as wg-quick has it, that of the file."""
    from netnsmgr.config.values import link_name

    stem = name if file == "-" else os.path.basename(file).removesuffix(".conf")
    for each in (stem, name):
        try:
            return link_name(each)
        except ValueError:
            pass
    return "wg0"


def _twice(found: Sequence[Any]) -> list[Problem]:
    names = [each.document["metadata"]["name"] for each in found]
    return [
        Problem(
            f"two of the files would be the network instance '{name}'; convert them one by one, with --name"
        )
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def _lacking(document: dict[str, Any]) -> list[str]:
    return [field for field in TO_FILL_IN if field not in document["spec"]]


def _yaml(document: dict[str, Any]) -> str:
    """Return the document with a commented line for each field that only the user knows."""
    lines = output.yaml_text(document).splitlines(keepends=True)
    at = lines.index("spec:\n") + 1
    wanted = [
        f"  # {field}: {TO_FILL_IN[field][0]}  # {TO_FILL_IN[field][1]}\n" for field in _lacking(document)
    ]
    return "".join([*lines[:at], *wanted, *lines[at:]])
