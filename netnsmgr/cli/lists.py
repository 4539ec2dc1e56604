"""What ``netnsmgr describe app`` says of access lists and port maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.inside import Inside
from netnsmgr.cli.place import Place
from netnsmgr.client.readiness import Rows
from netnsmgr.core.ip import endpoint
from netnsmgr.errors import KernelError

HITS = (
    "Hits are packets that the list was asked about; the packets of an established flow follow without asking again, "
    "until a list changes."
)
HEADINGS = ("RULE", "MATCH", "ACTION", "DIRECTION", "HITS", "BYTES")


def show(place: Place, name: str, rows: Rows) -> None:
    """Print the lists of an application's interfaces with what the kernel has counted, as far as it can be read."""
    from netnsmgr.supervisor.lists import access_list
    from netnsmgr.supervisor.site import Site

    site = Site(rows, place.run_dir)
    app = site.config.apps[name]
    counted = False
    with Inside(place) as inside:
        for interface in site.interfaces(app):
            hits, why_not = None, ""
            try:
                said = inside.ask(interface.network, {"sets": ["hits"]})["sets"]["hits"]
                hits = {mark: (packets, size) for mark, (packets, size) in said.items()}
            except KernelError as error:
                why_not = str(error)
            listed = access_list(site, app, interface, inside.numbers(interface.network), hits)
            title = f"Access list of {name}/{interface.name} in {interface.network}"
            if interface.acl is None:
                title = f"{name}/{interface.name} in {interface.network} has no access list"
            output.say(f"\n{click.style(title, bold=True)}:")
            _table(listed)
            if listed[0]["packets"] is None:
                output.say(f"  no hits are shown: {why_not or 'the instance has not numbered this list yet'}")
            else:
                counted = True
    if counted:
        output.say(f"  ({HITS})")


def port_maps(maps: Sequence[Mapping[str, Any]]) -> None:
    """Print the port maps of a status row."""
    output.say("  port maps:")
    for row in maps:
        where = (
            ", ".join(endpoint(address, row["port"]) for address in row.get("on") or ())
            or f"port {row.get('port')}"
        )
        reason = f" ({row['reason']})" if row.get("reason") else ""
        state = output.state_word(str(row.get("state", "unknown")))
        output.say(f"    {row.get('protocol')} {where} → own port {row.get('appPort')}: {state}{reason}")


def _table(listed: Sequence[Mapping[str, Any]]) -> None:
    lines = [list(HEADINGS), *map(_line, listed)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line, row in zip(lines, [{}, *listed], strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        output.say(f"  {cells.rstrip()}{_note(row)}")


def _line(row: Mapping[str, Any]) -> list[str]:
    number = "-" if row["rule"] is None else "default" if row["rule"] == 0 else str(row["rule"])
    counts = ["-" if row[name] is None else str(row[name]) for name in ("packets", "bytes")]
    return [number, row["match"], row["action"], row["direction"], *counts]


def _note(row: Mapping[str, Any]) -> str:
    if "covered" not in row:
        return ""
    if not row["covered"]:
        return f"  matches nothing: {row['nothing']}" if "nothing" in row else "  never reached"
    plural = "s" if len(row["covered"]) > 1 else ""
    return f"  never reached: covered by rule{plural} {', '.join(map(str, row['covered']))}"
