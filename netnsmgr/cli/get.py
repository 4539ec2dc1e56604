"""``netnsmgr get``: lists for people, documents with their status for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.kinds import KindType
from netnsmgr.cli.objects import TABLES, complete_names, known, names, ports_of_switches, record, status_rows
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.cli.tunnels import brief
from netnsmgr.client.kinds import AGENT, APP, DEVICE, INSTANCE, KINDS, Kind
from netnsmgr.client.readiness import Rows, interfaces

Row = Mapping[str, Any]
Line = list[str]
FEW = 2
"""Addresses of an interface that the narrow list shows."""


@click.command("get")
@click.argument("kind", type=KindType(agents=True, everything=True), default="all")
@click.argument("name", required=False, shell_complete=complete_names)
@output.formats("table", "wide", "json", "yaml")
@pass_place
def command(place: Place, kind: Kind | str, name: str | None, fmt: str) -> None:
    """List devices, network instances (ni), apps or agents; everything without a KIND.

    As json or yaml, each object is its document with the status beneath 'status'; with a NAME it stands alone,
    otherwise in a list beneath 'items'.
    """
    with Daemon(place) as daemon:
        rows = daemon.rows(*TABLES)
    kinds = [kind] if isinstance(kind, Kind) else [*KINDS, AGENT]
    if name is not None:
        if not isinstance(kind, Kind):
            raise click.UsageError(f"say of which kind {name!r} is: netnsmgr get KIND {name}")
        known(kind, name, rows)
    listed = {k: [name] if name is not None else names(k, rows) for k in kinds}
    if fmt in ("json", "yaml"):
        records = [record(k, one, rows) for k, found in listed.items() for one in found]
        output.data(records[0] if name is not None else {"kind": "List", "items": records}, fmt)
        return
    first = True
    for k, found in listed.items():
        if not found:
            if len(kinds) == 1:
                output.say(f"there are no {k.noun}s", err=True)
            continue
        if not first:
            output.say()
        first = False
        headings, wide, lines = DRAWN[k]
        cells = [line for one in found for line in drawn(lines, one, rows, fmt == "wide")]
        output.table((wide if fmt == "wide" else headings).split(), cells)
    if first and len(kinds) > 1:
        output.say("nothing is configured yet: netnsmgr apply FILE", err=True)


def drawn(
    lines: Callable[[str, Rows, bool], list[Line]], name: str, rows: Rows, wide: bool = False
) -> list[Line]:
    """Return an object's lines; of one whose agent says what makes no sense, that, and the others are shown."""
    try:
        return lines(name, rows, wide)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        return [[name, f"its status is malformed: {error}"]]


def _devices(name: str, rows: Rows, wide: bool) -> list[Line]:
    row = status_rows(DEVICE, name, rows).get(name, {})
    ports = row.get("ports") or []
    switches = ports_of_switches(name, rows) | {p["name"]: p["instance"] for p in ports if p.get("instance")}
    if not wide:
        told = (f"{p['name']}:{_port_state(p, switches)}" for p in ports)
        return [[name, _state(row), _join(told), _reasons(row)]]
    if not ports:
        return [[name, _state(row), *["-"] * 9, _reasons(row)]]
    return [
        [
            name,
            _state(row),
            port["name"],
            str(port.get("state", "?")),
            switches.get(port["name"], "-"),
            str(port.get("interface", "-")),
            _join(port.get("addresses")),
            _join(port.get("gateways")),
            _join(port.get("delegated")),
            _join(port.get("dns")),
            str(port.get("mtu") or "-"),
            _reasons(row),
        ]
        for port in ports
    ]


def _port_state(port: Row, switches: Mapping[str, str]) -> str:
    """Return the state of a port, and of one that is in a switch, or shared with it, which that is."""
    state = str(port.get("state", "?"))
    return f"{state}({switches[port['name']]})" if port["name"] in switches else state


def _instances(name: str, rows: Rows, wide: bool) -> list[Line]:
    row = status_rows(INSTANCE, name, rows).get(name, {})
    spec = (rows.get(INSTANCE.config, {}).get(name) or {}).get("spec", {})
    apps = sum(
        any(interface.get("network") == name for interface in interfaces(app))
        for app in rows.get(APP.config, {}).values()
    )
    line = [
        name,
        _state(row),
        str(row.get("type") or spec.get("type", "-")),
        _join(row.get("subnets") or spec.get("subnets")),
        _join(spec.get("ports")) if spec.get("ports") else "(air-gapped)",
        str(apps),
    ]
    if wide:
        line[4] = _bridged(row) or line[4]
        agent = rows.get(AGENT.status, {}).get(name, {})
        line += [
            _join(row.get("gateways")),
            _join(row.get("dns")),
            str(row.get("mtu") or "-"),
            _link(row.get("link") or {}),
            brief(row) or "-",
            str(agent.get("pid") or "-"),
            str(agent.get("restarts", "-")),
            str(row.get("revision", "-")),
        ]
    return [[*line, _reasons(row)]]


def _bridged(row: Row) -> str:
    """Return a switch's ports with what its spanning tree, or else the link, lets them do; empty for others."""
    ports = [port for port in row.get("ports") or () if isinstance(port, Mapping)]
    return ",".join(
        f"{port['name']}:{port['state'] if port.get('stp', 'off') == 'off' else port['stp']}"
        for port in ports
    )


def _apps(name: str, rows: Rows, wide: bool) -> list[Line]:
    statuses = status_rows(APP, name, rows)
    document = rows.get(APP.config, {}).get(name)
    wanted = {f"{i['network']}/{name}/{i['name']}": i for i in interfaces(document)} if document else {}
    lines = []
    for key in dict.fromkeys([*wanted, *statuses]):
        row = statuses.get(key, {})
        network, _, interface = key.split("/", 2)
        addresses = row.get("addresses") or []
        line = [
            name,
            interface,
            network,
            _state(row),
            _join(a["address"] for a in addresses) if wide else _few(addresses),
            str(row.get("mac") or "-"),
        ]
        if wide:
            line += [
                str(row.get("vif") or "-"),
                str(row.get("hostname") or "-"),
                _join(a.get("source", "?") for a in addresses),
                _join(_until(a.get("expires")) for a in addresses),
            ]
        lines.append([*line, _reasons(row)])
    return lines or [[name, "-", "-", "-", "-", "-", *(["-"] * 4 if wide else []), "no interfaces"]]


def _agents(name: str, rows: Rows, wide: bool) -> list[Line]:
    row = status_rows(AGENT, name, rows).get(name, {})
    line = [
        name,
        _state(row),
        str(row.get("pid") or "-"),
        str(row.get("restarts", "-")),
        _age(row.get("since")),
    ]
    return [[*line, str(row.get("cause") or "")]]


DRAWN: dict[Kind, tuple[str, str, Callable[[str, Rows, bool], list[Line]]]] = {
    DEVICE: (
        "DEVICE STATE PORTS REASON",
        "DEVICE STATE PORT LINK SWITCH INTERFACE ADDRESSES GATEWAYS DELEGATED DNS MTU REASON",
        _devices,
    ),
    INSTANCE: (
        "INSTANCE STATE TYPE SUBNETS PORTS APPS REASON",
        "INSTANCE STATE TYPE SUBNETS PORTS APPS GATEWAYS DNS MTU LINK VPN PID RESTARTS REVISION REASON",
        _instances,
    ),
    APP: (
        "APP INTERFACE NETWORK STATE ADDRESSES MAC REASON",
        "APP INTERFACE NETWORK STATE ADDRESSES MAC VIF HOSTNAME SOURCE EXPIRES REASON",
        _apps,
    ),
    AGENT: ("AGENT STATE PID RESTARTS AGE CAUSE", "AGENT STATE PID RESTARTS AGE CAUSE", _agents),
}
"""Headings, those of ``wide``, and how one object becomes lines."""


def _state(row: Row) -> str:
    return str(row.get("state") or "pending")


def _join(values: Any) -> str:
    return ",".join(map(str, values or ())) or "-"


def _few(addresses: Any) -> str:
    """Return two of the addresses that others can use, and how many more there are: one of IPv6 may have 39 characters."""
    found = [a["address"] for a in addresses if a.get("source") != "link-local"]
    return _join(found[:FEW]) + (f",+{len(found) - FEW}" if len(found) > FEW else "")


def _link(link: Mapping[str, Any]) -> str:
    """Return the ends of an instance's link, outer and inner, by version of IP."""
    return _join(
        f"{link[f'outer{version}']} {link[f'inner{version}']}"
        for version in ("", "6")
        if f"outer{version}" in link and f"inner{version}" in link
    )


def _reasons(row: Row) -> str:
    return "; ".join(map(str, row.get("reasons") or ()))


def _age(since: Any) -> str:
    return output.span(time.time() - since) if isinstance(since, (int, float)) else "-"


def _until(expires: Any) -> str:
    return output.span(expires - time.time()) if isinstance(expires, (int, float)) else "never"
