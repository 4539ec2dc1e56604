"""``netnsmgr describe``: everything about one object, for somebody who wants to know why."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from netnsmgr.cli import events, output
from netnsmgr.cli.changes import veiled
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.objects import TABLES, complete_names, known, status_rows
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import AGENT, APP, DEVICE, INSTANCE, Kind
from netnsmgr.client.readiness import Rows, interfaces
from netnsmgr.pubsub.tables import EVENT

LATER = ("name", "state", "reasons", "items", "uplinkItems", "since", "portMaps", "vpn")
"""Fields of a status that have a place of their own in the text."""

EVENTS = 10
"""Of an object that are shown, the newest."""

FINE = ("created", "external")
"""States of items that are there; of others' items, too."""


@click.command("describe")
@click.argument("kind", type=KindType(agents=True))
@click.argument("name", shell_complete=complete_names)
@click.option("--all", "every", is_flag=True, help="List the items that are in place, too.")
@pass_place
def command(place: Place, kind: Kind, name: str, every: bool) -> None:
    """Show everything about one object: configuration, status, items that are not in place and what they lack, reasons."""
    with Daemon(place) as daemon:
        rows = daemon.rows(*TABLES, EVENT)
    known(kind, name, rows)
    output.say(click.style(kind.label(name), bold=True))
    document = rows.get(kind.config, {}).get(name)
    if document:
        labels = document["metadata"].get("labels")
        if labels:
            _section("Labels", labels)
        _section("Configuration", veiled("spec", document["spec"]))
    elif kind is not AGENT:
        output.say("\nNot in the configuration any more: it is being deleted.")
    statuses = status_rows(kind, name, rows)
    if not statuses:
        output.say("\nNo status yet: no agent has taken it up.")
    for key, row in statuses.items():
        _status(key if kind is APP else "", row, every=every)
    if kind is APP and document:
        from netnsmgr.cli.lists import show

        show(place, name, rows)
    if kind is INSTANCE:
        _used_by(name, rows)
    if kind in (DEVICE, INSTANCE):
        _agent("uplink" if kind is DEVICE else name, rows)
    _events(kind, name, rows)


def _status(key: str, row: Mapping[str, Any], *, every: bool) -> None:
    since = row.get("since")
    age = f", since {output.time_of(since)}" if isinstance(since, (int, float)) else ""
    title = f"Status of {key}" if key else "Status"
    output.say(
        f"\n{click.style(title, bold=True)}: {output.state_word(str(row.get('state', 'unknown')))}{age}"
    )
    for reason in row.get("reasons") or ():
        output.say(f"  because {reason}")
    rest = _said({field: value for field, value in row.items() if field not in LATER})
    if rest.get("addresses"):
        rest["addresses"] = [_lease(address) for address in rest["addresses"]]
    if rest:
        _indented(rest)
    if row.get("vpn"):
        from netnsmgr.cli.tunnels import described

        output.say(f"\n{click.style('Tunnels', bold=True)}:")
        for line in described(row):
            output.say(f"  {line}")
    if row.get("portMaps"):
        from netnsmgr.cli.lists import port_maps

        port_maps(row["portMaps"])
    if row.get("items"):
        _items("Items", row["items"], every=every)
    if row.get("uplinkItems"):
        _items("In the device's root namespace", row["uplinkItems"], every=every)


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something, also within the rows of ports."""
    found = {field: value for field, value in row.items() if value not in (None, [], {}, "")}
    if found.get("ports"):
        found["ports"] = [_said(each) if isinstance(each, Mapping) else each for each in found["ports"]]
    return found


def _lease(address: Any) -> Any:
    """Return an address with the end of its lease as people tell the time."""
    expires = address.get("expires") if isinstance(address, dict) else None
    return address | {"expires": output.time_of(expires)} if isinstance(expires, (int, float)) else address


def _items(title: str, items: list[Mapping[str, Any]], *, every: bool) -> None:
    """List the items that are not in place, as an instance has dozens that are; with ``every`` those after them."""
    fine = [item for item in items if item.get("state") in FINE]
    wrong = [item for item in items if item.get("state") not in FINE]
    hint = " (--all lists them)" if fine and not every else ""
    output.say(f"\n{click.style(title, bold=True)}: {len(fine)} of {len(items)} in place{hint}")
    for part in (wrong, fine if every else []):
        for item in sorted(part, key=lambda item: str(item.get("ref"))):
            _item(item)


def _item(item: Mapping[str, Any]) -> None:
    state = str(item.get("state", "unknown"))
    lacks = ", ".join(map(str, item.get("lacks") or ()))
    notes = [f"lacks {lacks}" if lacks else "", str(item.get("error") or "")]
    note = "; ".join(filter(None, notes))
    output.say(
        f"  {output.state_word(state)}{' ' * (10 - len(state))} {item.get('ref')}"
        + (f"   {note}" if note else "")
    )


def _used_by(name: str, rows: Rows) -> None:
    lines = []
    for app, document in sorted(rows.get(APP.config, {}).items()):
        for interface in interfaces(document):
            if interface.get("network") == name:
                row = rows.get(APP.status, {}).get(f"{name}/{app}/{interface['name']}", {})
                usable = [a for a in row.get("addresses") or () if a.get("source") != "link-local"]
                held = ", ".join(a["address"] for a in usable) or "no address"
                lines.append(
                    f"  {app}/{interface['name']}: {output.state_word(str(row.get('state', 'pending')))}, {held}"
                )
    output.say(f"\n{click.style('Used by', bold=True)}:{'' if lines else ' no application'}")
    for line in lines:
        output.say(line)


def _agent(name: str, rows: Rows) -> None:
    row = rows.get(AGENT.status, {}).get(name)
    if row is None:
        output.say(f"\n{click.style('Agent', bold=True)}: none")
        return
    words = [
        output.state_word(str(row.get("state"))),
        f"pid {row.get('pid')}",
        f"{row.get('restarts', 0)} restarts",
    ]
    output.say(f"\n{click.style('Agent', bold=True)}: {', '.join(words)}")
    if row.get("cause"):
        output.say(f"  last ended by {row['cause']}")


def _events(kind: Kind, name: str, rows: Rows) -> None:
    """Show an object's last events; of a device or instance also those of its agent."""
    if found := events.listed(rows[EVENT], events.of(kind, name))[-EVENTS:]:
        output.say(f"\n{click.style('Events', bold=True)}:")
        output.table(events.HEADINGS, [events.line(row, time.time()) for row in found])


def _section(title: str, value: Any) -> None:
    output.say(f"\n{click.style(title, bold=True)}:")
    _indented(value)


def _indented(value: Any) -> None:
    for line in output.yaml_text(value).splitlines():
        output.say(f"  {line}")
