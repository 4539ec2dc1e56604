"""``netnsmgr graph``: the items of an agent, and what stands on what."""

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
@click.argument("instance", required=False, metavar="[NI]")
@click.option(
    "--of",
    "which",
    type=click.Choice(["intended", "actual"]),
    default="intended",
    show_default=True,
    help="What shall be, with what is missing in other colours; or only what is there.",
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
def command(place: Place, instance: str | None, which: str, fmt: str | None, path: str) -> None:
    """Draw the items of the network instance NI, or of the device when none is named.

    \b
    netnsmgr graph ni1 -o ni1.svg
    """
    fmt = fmt or ("dot" if path == "-" else _by_ending(path))
    with Daemon(place) as daemon:
        rows = daemon.rows(DEVICE.status, INSTANCE.status)
    if instance is None:
        found = dict(rows[DEVICE.status])
        if not found:
            raise click.UsageError("there is no device; name a network instance: netnsmgr graph NI")
    else:
        if instance not in rows[INSTANCE.status]:
            there = ", ".join(names(INSTANCE, rows)) or "none"
            raise click.UsageError(f"there is no network instance {instance!r}; those that exist: {there}")
        found = {instance: rows[INSTANCE.status][instance]}
    title = ", ".join(found)
    text = dot(
        f"{title} ({which})",
        [node for row in found.values() for node in both_sides(row, which)],
    )
    if fmt == "dot":
        data = text.encode()
    else:
        from netnsmgr.kernel.graphviz import render

        data = render(text, fmt)
    if path == "-":
        if fmt != "dot" and sys.stdout.isatty():
            raise click.UsageError("a drawing does not go to a terminal: name a file with -o")
        sys.stdout.buffer.write(data)
        return
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise click.UsageError(f"cannot write {os.fspath(path)}: {error.strerror}") from None


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
