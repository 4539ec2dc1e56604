"""``netnsmgr graph``: the device and its networks, or the items of an agent and what stands on what."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import names
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import DEVICE, INSTANCE
from netnsmgr.core.dot import Node, dot

UPLINK = "uplink: "
"""Before the refs of items in the device's root namespace."""

EXISTING = ("created", "modifying", "deleting", "external")
"""States of items that are in the kernel."""


ENDINGS = {".dot": "dot", ".gv": "dot", ".txt": "dot", ".svg": "svg", ".png": "png", ".pdf": "pdf"}
"""What a file is by the ending of its name."""


@click.command("graph")
@click.argument("named", nargs=-1, metavar="[NI | FILE…]")
@click.option(
    "--topology",
    is_flag=True,
    help="Draw namespaces, links, addresses, tunnels and colliding networks: of FILEs, or of the running device.",
)
@click.option(
    "--of",
    "which",
    type=click.Choice(["intended", "actual"]),
    help="Of items: what shall be, with what is missing in other colours (default); or only what is there.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["dot", "svg", "png", "pdf"]),
    help="Default: by the ending of the file's name; dot on standard output.",
)
@click.option(
    "-o",
    "--output",
    "path",
    default="-",
    type=click.Path(allow_dash=True),
    help="Where to write; -: standard output.",
)
@pass_place
def command(
    place: Place, named: tuple[str, ...], topology: bool, which: str | None, fmt: str | None, path: str
) -> None:
    """Draw the device and its networks, or the items of one of them and what each stands on.

    \b
    netnsmgr graph --topology site.yaml -o site.svg   what these files describe; needs no daemon
    netnsmgr graph --topology -o now.svg              the running device, with addresses and states
    netnsmgr graph ni1 -o ni1.svg                     the items of the network instance ni1
    netnsmgr graph -o device.svg                      the items of the device

    FILEs are as for 'netnsmgr apply'.  Drawings other than dot are made by Graphviz.
    """
    fmt = fmt or ("dot" if path == "-" else _by_ending(path))
    if fmt != "dot" and path == "-" and sys.stdout.isatty():
        raise click.UsageError("a drawing does not go to a terminal: name a file with -o")
    if topology:
        if which is not None:
            raise click.UsageError("--of is about items; a topology has none: leave out --of, or --topology")
        from netnsmgr.cli.graph_topology import described, running

        text = described(named) if named else running(place)
    else:
        text = _items(place, named, which or "intended")
    if fmt == "dot":
        data = text.encode()
    else:
        from netnsmgr.kernel.graphviz import render

        data = render(text, fmt)
    if path == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise click.UsageError(f"cannot write {os.fspath(path)}: {error.strerror}") from None


def _items(place: Place, named: tuple[str, ...], which: str) -> str:
    if len(named) > 1:
        raise click.UsageError(
            f"name one network instance, or draw files: netnsmgr graph --topology {' '.join(named)}"
        )
    instance = named[0] if named else None
    with Daemon(place) as daemon:
        rows = daemon.rows(DEVICE.status, INSTANCE.status)
    if instance is None:
        found = dict(rows[DEVICE.status])
        if not found:
            raise click.UsageError("there is no device; name a network instance: netnsmgr graph NI")
    else:
        if instance not in rows[INSTANCE.status]:
            there = ", ".join(names(INSTANCE, rows)) or "none"
            hint = (
                f"; to draw a file: netnsmgr graph --topology {instance}" if os.path.exists(instance) else ""
            )
            raise click.UsageError(
                f"there is no network instance {instance!r}; those that exist: {there}{hint}"
            )
        found = {instance: rows[INSTANCE.status][instance]}
    return dot(
        f"{', '.join(found)} ({which})",
        [node for row in found.values() for node in both_sides(row, which)],
    )


def _by_ending(path: str) -> str:
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise click.UsageError(
            f"cannot tell the format of {os.fspath(path)!r} by its ending; "
            f"use one of {', '.join(ENDINGS)}, or say --format"
        )
    return ENDINGS[ending]


def both_sides(row: Mapping[str, Any], which: str) -> list[Node]:
    """Return a status's own items, and those that the uplink agent has for it in the device's root namespace."""
    far = nodes(row.get("uplinkItems") or (), which)
    return nodes(row.get("items") or (), which) + [
        node._replace(ref=UPLINK + node.ref, deps=tuple(UPLINK + dep for dep in node.deps)) for node in far
    ]


def nodes(items: Any, which: str) -> list[Node]:
    """Return an item list of a status as the nodes of a graph."""
    wanted: list[Mapping[str, Any]] = [
        item
        for item in items
        if (item.get("state") in EXISTING if which == "actual" else item.get("state") != "deleting")
    ]
    present = {item["ref"] for item in wanted}
    result = []
    for item in wanted:
        deps = tuple(item.get("deps") or ())
        if which == "actual":
            deps = tuple(dep for dep in deps if dep in present)
        note = str(item.get("error") or "")
        if item.get("lacks"):
            note = "lacks " + ", ".join(item["lacks"])
        result.append(Node(item["ref"], deps, str(item.get("state", "created")), note))
    return result
