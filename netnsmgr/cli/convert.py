"""``netnsmgr convert``: another program's configuration as YAML of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.private import DIRECTORY, write_new
from netnsmgr.config.load import MAX_BYTES
from netnsmgr.errors import ConfigError, Problem

FORMATS = {"wireguard": "netnsmgr.config.from_wgquick", "eve": "netnsmgr.config.from_eve"}
"""Name of a format → the module that ``recognises`` and ``convert``s it, and says what it ``LOOKS`` like."""


@click.command("convert")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(allow_dash=True))
@click.option(
    "--name",
    help="Name of the network instance (default: that of the file); from EVE that of the Device (default: deviceName).",
)
@click.option(
    "--subnet",
    "subnets",
    multiple=True,
    metavar="NETWORK",
    help="From WireGuard: subnet of the instance (may be repeated).",
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    help="From WireGuard: port of the device, by name or label (may be repeated).",
)
@click.option(
    "--attach",
    type=click.Choice(("container", "netns")),
    help="From EVE: attach each application in a container to the container, or namespace, of its name, and virtual "
    "machines by TAP. Default: left to be filled in.",
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
    files: tuple[str, ...],
    name: str | None,
    subnets: tuple[str, ...],
    ports: tuple[str, ...],
    attach: str | None,
    secrets: str,
) -> None:
    """Write other programs' configuration FILEs on standard output, in YAML: of WireGuard (wg, wg-quick) as network
    instances, an EdgeDevConfig of EVE (JSON) as Device, network instances and applications.

    \b
    netnsmgr convert /etc/wireguard/wg0.conf --port eth0 --subnet 10.10.1.0/24 > wg0.yaml
    netnsmgr convert edge-config.json --attach container > edge.yaml
    netnsmgr apply edge.yaml

    Keys do not come into the YAML, but into files. What is not carried over, or is different here, is said on standard
    error; what no file says is left to be filled in. Nothing is applied.
    """
    from netnsmgr.config.converted import STDIN, Converted, Wishes

    if name is not None and len(files) > 1:
        raise click.UsageError(
            "--name is for one file; without it what becomes of each is named after its file"
        )
    _valid(name, subnets)
    wishes = Wishes(name or "", os.path.abspath(secrets), subnets, ports, attach or "")
    found: list[Converted] = []
    heeded: set[str] = set()
    problems: list[Problem] = []
    for file in files:
        shown = STDIN if file == "-" else file
        try:
            text = _text(file, shown)
            module = _format(text, shown)
            heeded.update(module.WISHES)
            found.append(module.convert(text, shown, wishes))
        except ConfigError as error:
            problems += error.problems
    problems += _twice(found)
    if problems:
        raise ConfigError(problems)
    for wish, option in (("subnets", "--subnet"), ("ports", "--port"), ("attach", "--attach")):
        if getattr(wishes, wish) and wish not in heeded:
            raise click.UsageError(f"{option} means nothing for files of this kind; leave it out")
    made = write_new({path: content for each in found for path, content in each.secrets.items()})
    documents = [
        each for converted in found for each in zip(converted.documents, converted.lacking, strict=True)
    ]
    for number, (document, lacking) in enumerate(documents):
        click.echo(("---\n" if number else "") + _yaml(document, lacking), nl=False, color=False)
    for each in found:
        for note in each.notes:
            output.say(f"{click.style('note: ', fg='yellow')}{note}", err=True)
    for path in made:
        output.say(f"{click.style('written: ', fg='green')}{path}", err=True)
    wanted: dict[str, list[str]] = {}
    for document, lacking in documents:
        for one in lacking:
            if one.needed:
                wanted.setdefault(f"spec.{one.field}", []).append(document["metadata"]["name"])
    if wanted:
        what = ", ".join(f"{field} (of {', '.join(names)})" if len(documents) > 1 else field
                         for field, names in wanted.items())  # fmt: skip
        output.say(f"to be filled in before it is applied: {what}", err=True)


def _valid(name: str | None, subnets: Sequence[str]) -> None:
    from netnsmgr.config import addresses, values

    try:
        if name is not None:
            values.dns_label(name)
        for subnet in subnets:
            addresses.subnet(subnet)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _text(file: str, shown: str) -> str:
    """Return a file's text."""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(file, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError([Problem("is too large for a configuration", file=shown, line=1, column=1)])
        return data.decode("utf-8-sig")
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
    known = ", or ".join(module.LOOKS for module in modules)
    what = f"is of no format that can be converted: it must be {known}"
    raise ConfigError([Problem(what, file=shown, line=1, column=1)])


def _twice(found: Sequence[Any]) -> list[Problem]:
    names = [
        (document["kind"], document["metadata"]["name"]) for each in found for document in each.documents
    ]
    kinds = {"NetworkInstance": "network instance", "App": "application", "Device": "device"}
    return [
        Problem(f"two of the files would be the {kinds[kind]} '{name}'; convert them one by one, with --name")
        for kind, name in dict.fromkeys(names)
        if names.count((kind, name)) > 1
    ]


def _yaml(document: dict[str, Any], lacking: Sequence[Any]) -> str:
    """Return the document with a commented line for each field that only the user knows."""
    lines = output.yaml_text(document).splitlines(keepends=True)
    at = lines.index("spec:\n") + 1
    wanted = [f"  # {each.field}: {each.example}  # {each.what}\n" for each in lacking]
    return "".join([*lines[:at], *wanted, *lines[at:]])
