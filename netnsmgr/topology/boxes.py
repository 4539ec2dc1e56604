"""What stands in each box of a drawing, from the topology; where the boxes go is ``drawing``'s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from netnsmgr.topology.collisions import numbers
from netnsmgr.topology.label import LINE, MUTED, STATES, WIDTH, Line, box
from netnsmgr.topology.model import App, End, Health, Instance, Port, PortMap, Spot, Tunnel

APP, LOCAL, SWITCH, PORT, OUTSIDE, LINK = "#e5e7eb", "#d7e6fb", "#e9e0fb", "#d3efe9", "#f3f4f6", "#eef2f7"
TUNNEL = "#0e7490"
WIDTHS = (138, 148, 96, 92, 104)
"""Of the columns' boxes, at least, in points."""
RULES = 6
"""How many rules of a list are shown."""
NAMES = 2
"""How many of several names are written out."""
REASON = 90
"""How many characters of a reason; it is whole in the tooltip."""

Marks = Mapping[tuple[Spot, str], int]


def app_box(app: App, *, live: bool) -> str:
    """Return an application's box, with a place ``i<n>`` for each interface."""
    lines = []
    for number, each in enumerate(app.interfaces):
        lines.append(Line(f"{each.name} in {each.network}", port=f"i{number}", bold=True))
        lines += [Line(address) for address in each.addresses]
        if live and not each.addresses:
            lines.append(Line(f"{each.mac}, no address", colour=MUTED))
        rules = list(each.rules[:RULES])
        if len(each.rules) > RULES:
            rules.append(f"and {len(each.rules) - RULES} more rules")
        lines += [Line(f"· {rule}", colour=MUTED) for rule in [*each.notes, *rules]]
        lines += _troubles(each.health)
    border = _border(each.health for each in app.interfaces)
    return box(app.name, app.attach, lines, fill=APP, width=WIDTHS[0], border=border)


def instance_box(ni: Instance, marks: Marks) -> str:
    """Return an instance's box, with a place ``t<n>`` for each tunnel."""
    lines = []
    for network, gateway in ni.subnets:
        lines += _subnet(str(network), gateway, numbers(marks, Spot("subnet", (ni.name,)), [network]))
    lines += [Line(service, colour=MUTED) for service in ni.services]
    for number, tunnel in enumerate(ni.tunnels):
        lines += _tunnel(ni, number, tunnel, marks)
    if not ni.ports and not ni.lacks:
        lines.append(Line("air-gapped: nothing leaves" if ni.link is not None else "no port: apps alone"))
    for name in ni.lacks:
        missing = Line(f"the device has no port {name}", colour=STATES["failed"])
        lines.append(missing if ni.described else Line(f"leaves by {name}"))
    lines += _troubles(ni.health)
    fill = LOCAL if ni.link is not None else SWITCH
    return box(ni.name, ni.type, lines, fill=fill, width=WIDTHS[1], border=_border([ni.health]))


def _subnet(network: str, gateway: str, found: tuple[int, ...]) -> list[Line]:
    """Return a subnet and the instance's address in it, of which only what is needed, if that is short."""
    short = f"gateway .{gateway.rpartition('.')[2]}"
    if "." in gateway and len(network) + len(short) < WIDTH:
        return [Line(network, found, bold=True, more=short)]
    return [Line(network, found, bold=True), Line(f"gateway {gateway}", colour=MUTED)]


def _tunnel(ni: Instance, number: int, tunnel: Tunnel, marks: Marks) -> Iterator[Line]:
    state = f": {tunnel.health.state}" if tunnel.health.state else ""
    found = numbers(marks, Spot("tunnel", (ni.name, tunnel.name)), tunnel.networks)
    colour = STATES.get(tunnel.health.state, TUNNEL)
    yield Line(f"{tunnel.kind} {tunnel.name}{state}", found, f"t{number}", bold=True, colour=colour)
    yield from (Line(note, colour=MUTED) for note in tunnel.notes)
    for end in tunnel.ends:
        for child, selectors in end.selectors:
            mark = marks.get((Spot("selectors", (ni.name, tunnel.name, child)), selectors))
            yield Line(selectors, (mark,) if mark else ())
    yield from _troubles(tunnel.health)


def link_box(ni: Instance, maps: Iterable[PortMap]) -> str:
    """Return the box of the device's end of a link, with a place ``m<n>`` for each port map."""
    assert ni.link is not None
    lines = [Line(address, colour=MUTED) for address in ni.link.addresses]
    for number, each in enumerate(maps):
        lines.append(Line(f"{each.what} → {each.target}", port=f"m{number}"))
        if set(each.ports) - set(ni.ports):
            where = "every port" if len(each.ports) > NAMES else ", ".join(each.ports)
            lines.append(Line(f"at {where}", colour=MUTED))
    return box(ni.link.name, "", lines, fill=LINK, width=WIDTHS[2])


def port_box(port: Port) -> str:
    """Return the box of a port of the device."""
    lines = [Line(address, bold=True) for address in port.addresses]
    lines += [Line(note, colour=MUTED) for note in port.notes]
    if port.switch:
        lines.append(Line(f"moved into {port.switch}", colour=MUTED))
    lines += _troubles(port.health)
    return box(port.name, "port", lines, fill=PORT, width=WIDTHS[3], border=_border([port.health]))


def site_box(port: Port, marks: Marks) -> str:
    """Return the box of what is on the other side of a port."""
    spot = Spot("port", (port.name,))
    lines = [Line(str(net), numbers(marks, spot, [net]), bold=True) for net in port.networks]
    if port.gateways:
        lines.append(Line("gateway " + some(port.gateways, NAMES)))
    if port.dns:
        lines.append(Line("DNS " + some(port.dns, NAMES), colour=MUTED))
    return box(f"site at {port.name}", "", lines, fill=OUTSIDE, width=WIDTHS[4], dashed=True)


def end_box(ni: Instance, tunnel: Tunnel, end: End, marks: Marks) -> str:
    """Return the box of a tunnel's other end."""
    spot = Spot("end", (ni.name, tunnel.name, end.name))
    lines = [Line(end.where)]
    if ni.ports:
        lines.append(Line(f"{tunnel.kind} over {some(ni.ports, NAMES)}", colour=MUTED))
    lines += [
        Line(str(net), numbers(marks, spot, [net]), bold=True, more="" if net.prefixlen else "all")
        for net in end.networks
    ]
    if tunnel.kind == "WireGuard":
        lines += _troubles(end.health)
    border = _border([end.health])
    return box(end.name, f"of {ni.name}", lines, fill=OUTSIDE, width=WIDTHS[4], dashed=True, border=border)


def _border(healths: Iterable[Health]) -> str:
    states = {health.state for health in healths}
    worst = next((state for state in ("failed", "down", "pending") if state in states), "")
    return STATES.get(worst, LINE)


def _troubles(health: Health) -> list[Line]:
    """Return why something is not as it shall be."""
    if health.state in ("", "ok", "up", "idle"):
        return []
    reasons = health.reasons[:2] or (health.state,)
    return [Line(short(reason), colour=STATES[health.state]) for reason in reasons]


def short(text: str) -> str:
    """Return a reason, or its beginning."""
    return text if len(text) <= REASON else text[: REASON - 1] + "…"


def some(values: Iterable[str], shown: int) -> str:
    """Return the first of several, and how many more there are."""
    found = list(values)
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return ", ".join(found[:shown]) + more
