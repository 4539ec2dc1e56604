"""A topology as Graphviz DOT text: applications, instances, the device's root namespace and the outside, from left to right.

Graphviz does it well if it is told the columns (``rank=same``) and the order of the first two (edges that nobody sees):
every way out then goes to the right, and only the rest is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import fill

from netnsmgr.topology.boxes import (
    NAMES,
    TUNNEL,
    app_box,
    end_box,
    instance_box,
    link_box,
    port_box,
    short,
    site_box,
    some,
)
from netnsmgr.topology.label import FONT, INK, LINE, MUTED, PAPER, STATES, TEXT_SIZE, html, legend, printable
from netnsmgr.topology.model import App, Health, Instance, Port, PortMap, Topology

NOTE = (
    "From left to right: applications with their access lists; network instances, each a network namespace; the device's own "
    "namespace with links and ports; what is outside."
)
APPS, INSTANCES, LINKS, PORTS, OUTSIDE = range(5)
DEVICE_WIDTH = 44
"""Characters in a line of what is the matter with the device."""
MEMBERS = 8
"""How many members of a collision the legend names."""


def draw(topology: Topology) -> str:
    """Return the DOT text; equal topologies give equal texts."""
    return "\n".join([*_Drawing(topology).lines(), ""])


class _Drawing:
    def __init__(self, topology: Topology) -> None:
        self._all = topology
        self._columns: tuple[list[str], ...] = ([], [], [], [], [])
        ports = {port.name: number for number, port in enumerate(topology.ports)}

        moved = {port.switch for port in topology.ports}

        def way(ni: Instance) -> tuple[bool, int, str]:
            # Those with a cluster last: Graphviz keeps no order through one.
            first = min((ports.get(name, len(ports)) for name in ni.ports), default=len(ports))
            return ni.name in moved, first, ni.name

        self._instances = sorted(topology.instances, key=way)
        places = {ni.name: number for number, ni in enumerate(self._instances)}

        def ordered(app: App) -> App:
            return replace(
                app, interfaces=tuple(sorted(app.interfaces, key=lambda i: places.get(i.network, 0)))
            )

        def home(app: App) -> tuple[int, str]:
            return min((places.get(each.network, 0) for each in app.interfaces), default=0), app.name

        self._apps = sorted(map(ordered, topology.apps), key=home)
        self._maps: dict[str, list[PortMap]] = {}
        for each in topology.port_maps:
            self._maps.setdefault(each.instance, []).append(each)

    def lines(self) -> Iterator[str]:
        """Yield the text's lines."""
        yield f"digraph {_quote(self._all.device or 'netnsmgr')} {{"
        font = f'fontname="{FONT}"'
        yield f'  graph [rankdir=LR, newrank=true, bgcolor="{PAPER}", {font}, nodesep=0.16, ranksep=0.42, pad=0.15];'
        yield f"  graph [labelloc=b, labeljust=l, label={self._legend()}];"
        yield f"  node [shape=plain, {font}, fontsize={TEXT_SIZE}];"
        yield f'  edge [dir=none, color="{LINE}"];'
        yield from (f"  {line}" for line in self._nodes())
        yield from (f"  {line}" for line in self._in_columns())
        yield from (f"  {line}" for line in self._edges())
        yield "}"

    def _legend(self) -> str:
        rows = [(each.number, f"{each.what}: {some(each.whose, MEMBERS)}") for each in self._all.collisions]
        heading = "Networks that collide, and never meet:" if rows else "No networks collide."
        note = NOTE
        if self._maps:
            note += " Dashed arrow: port map."
        if any(ni.tunnels for ni in self._instances):
            note += " Dashed line: tunnel."
        return legend(rows, heading, note)

    def _nodes(self) -> Iterator[str]:
        marks = self._all.marks
        for app in self._apps:
            reasons = [_tooltip(f"{each.name}: {each.mac}", each.health) for each in app.interfaces]
            label = app_box(app, live=self._all.live)
            yield self._node(APPS, f"app {app.name}", label, "\n".join([f"application {app.name}", *reasons]))
        for ni in self._instances:
            yield from self._instance(ni)
        yield from self._device()
        for port in self._all.ports:
            tip = f"what is behind port {port.name}"
            yield self._node(OUTSIDE, f"site {port.name}", site_box(port, marks), tip)
        for ni in self._instances:
            for tunnel in ni.tunnels:
                for end in tunnel.ends:
                    tip = _tooltip(f"other end of {tunnel.name} in {ni.name}", end.health)
                    name = f"end {ni.name}/{tunnel.name}/{end.name}"
                    yield self._node(OUTSIDE, name, end_box(ni, tunnel, end, marks), tip)

    def _node(self, column: int, name: str, label: str, tooltip: str) -> str:
        self._columns[column].append(name)
        return f'{_quote(name)} [label={label}, tooltip="{html(printable(tooltip))}"];'

    def _instance(self, ni: Instance) -> Iterator[str]:
        tip = _tooltip(f"network namespace {ni.name}", ni.health)
        node = self._node(INSTANCES, f"ni {ni.name}", instance_box(ni, self._all.marks), tip)
        moved = [port for port in self._all.ports if port.switch == ni.name]
        if not moved:
            yield node
            return
        yield f"subgraph {_quote(f'cluster {ni.name}')} {{"
        yield f'  style="rounded,filled"; fillcolor="#f8f5ff"; color="{LINE}"; label="";'
        yield f"  {node}"
        yield from (f"  {self._port(port)}" for port in moved)
        yield "}"

    def _device(self) -> Iterator[str]:
        ports = [port for port in self._all.ports if not port.switch]
        linked = [ni for ni in self._instances if ni.link is not None]
        if not ports and not linked:
            return
        name = f"{self._all.device}: the device's root namespace" if self._all.device else "root namespace"
        trouble, colour = self._all.health, INK
        if trouble.state not in ("", "ok"):
            reasons = trouble.reasons[:NAMES] or (trouble.state,)
            name = "\n".join([name, *(fill(short(each), DEVICE_WIDTH) for each in reasons)])
            colour = STATES[trouble.state]
        # Its name cannot be that of an instance's cluster, which has no dot.
        yield 'subgraph "cluster .device" {'
        yield f'  style="rounded,filled"; fillcolor="#f5faf8"; color="{LINE}"; labeljust=l; labelloc=t;'
        yield f'  label="{html(printable(name))}"; fontsize=11; fontcolor="{colour}";'
        for ni in linked:
            label = link_box(ni, self._maps.get(ni.name, ()))
            yield "  " + self._node(
                LINKS, f"link {ni.name}", label, f"the device's end of the link to {ni.name}"
            )
        yield from (f"  {self._port(port)}" for port in ports)
        yield "}"

    def _port(self, port: Port) -> str:
        tip = _tooltip(f"port {port.name}, interface {port.interface}", port.health)
        return self._node(PORTS, f"port {port.name}", port_box(port), tip)

    def _in_columns(self) -> Iterator[str]:
        anchors = [f"column {number}" for number in range(len(self._columns))]
        for anchor, nodes in zip(anchors, self._columns, strict=True):
            yield f'{_quote(anchor)} [style=invis, shape=point, width=0, height=0, label=""];'
            yield f"{{ rank=same; {'; '.join(map(_quote, [anchor, *nodes]))}; }}"
        yield f"{' -> '.join(map(_quote, anchors))} [style=invis];"
        for column in (APPS, INSTANCES):
            if len(self._columns[column]) > 1:
                yield f"{' -> '.join(map(_quote, self._columns[column]))} [style=invis];"

    def _edges(self) -> Iterator[str]:
        instances = {ni.name for ni in self._instances}
        strong = "penwidth=1.3"
        for app in self._apps:
            for number, each in enumerate(app.interfaces):
                if each.network in instances:
                    yield _edge(f"app {app.name}", f"i{number}:e", f"ni {each.network}", "head:w", strong)
        for ni in self._instances:
            end = f"ni {ni.name}"
            if ni.link is not None:
                yield _edge(end, "head:e", f"link {ni.name}", "head:w", strong)
                end = f"link {ni.name}"
            for name in ni.ports:
                yield _edge(end, "head:e", f"port {name}", "head:w", "" if ni.link is not None else strong)
            yield from self._special(ni)
        for port in self._all.ports:
            yield _edge(f"port {port.name}", "head:e", f"site {port.name}", "head:w")

    def _special(self, ni: Instance) -> Iterator[str]:
        """Yield an instance's tunnels, and the port maps that lead to it."""
        for number, tunnel in enumerate(ni.tunnels):
            for end in tunnel.ends:
                colour = STATES.get(end.health.state, TUNNEL)
                style = f'color="{colour}", style=dashed, penwidth=1.8'
                name = f"end {ni.name}/{tunnel.name}/{end.name}"
                yield _edge(f"ni {ni.name}", f"t{number}:e", name, "head:w", style)
        style = f'style=dashed, dir=back, arrowsize=0.6, constraint=false, color="{MUTED}"'
        for number, each in enumerate(self._maps.get(ni.name, ()) if ni.link is not None else ()):
            # From the ports that the instance uses, or all would be a knot; the box names the others.
            for name in [name for name in each.ports if name in ni.ports] or each.ports[:1]:
                yield _edge(f"link {ni.name}", f"m{number}:e", f"port {name}", "head:w", style)


def _edge(tail: str, tail_port: str, head: str, head_port: str, style: str = "") -> str:
    return f"{_quote(tail)}:{tail_port} -> {_quote(head)}:{head_port}{f' [{style}]' if style else ''};"


def _tooltip(what: str, health: Health) -> str:
    return "\n".join([f"{what}: {health.state}" if health.state else what, *health.reasons])


def _quote(text: str) -> str:
    """Return a name as a quoted string of DOT."""
    return '"' + printable(text).replace('"', '\\"').replace("\n", " ") + '"'
