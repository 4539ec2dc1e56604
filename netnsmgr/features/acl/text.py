"""An access list as text of nft: a part of the table ``inet netnsmgr_acl``.

Chain ``out`` is asked about flows that the application begins and leaves its verdict in the flow's mark; chain ``in`` about
those to the application, its verdict in the packet's mark.  Either goes to ``decided_out`` or ``decided_in`` then; the
last rule of a chain matches always, so that nothing comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from netnsmgr.config.acl import AclRule, Limit
from netnsmgr.core.agreed import ACTION_SHIFT, INDEX_MASK, Action
from netnsmgr.core.protocols import FAMILY_OF
from netnsmgr.features.acl.elements import Element, Shape, Span, Static, elements
from netnsmgr.features.acl.levels import Level, levels
from netnsmgr.features.acl.verdict import Direction, action_of
from netnsmgr.features.names import host_sets

OUT, IN = "@@_out", "@@_in"
"""The chains of a part."""

EIDS, BOTH_ENDS = "eids", "ends"
"""What `eidset` is: that the other side's address is in a set, or that both ends of the packet are applications."""

_OWN = "@@@"

_KEYS: dict[Direction, tuple[str, str, str, str]] = {
    "out": (
        "ct original ip daddr",
        "ct original ip6 daddr",
        "ct original proto-dst",
        "ct original proto-src",
    ),
    "in": ("ct original ip saddr", "ct original ip6 saddr", "ct original proto-src", "ct reply proto-src"),
}
"""The other side's address, its port, and the application's port (of a flow to it, behind any port map)."""
_AGAINST: dict[Direction, tuple[str, str, str, str]] = {
    "out": (
        "ct original ip saddr",
        "ct original ip6 saddr",
        "ct original proto-src",
        "ct original proto-dst",
    ),
    "in": ("ct original ip daddr", "ct original ip6 daddr", "ct original proto-dst", "ct original proto-src"),
}
"""The same of a packet that goes against its flow, by what the packet itself says; where nothing is translated."""
_MARKS: dict[Direction, str] = {"out": "ct mark", "in": "meta mark"}

Links = tuple[tuple[str, str, str], ...]


def part(
    vif_id: int,
    base: int,
    rules: Sequence[AclRule] | None,
    static: Static | None = None,
    *,
    members: str = EIDS,
    services: Sequence[str] = (),
    against: bool = False,
) -> tuple[str, Links]:
    """Return body and links of the part for an interface.

    ``base`` is where the indices of its rules begin; ``rules`` is None for an interface without a list, where everything
    is allowed; ``static`` is what needs no lookup, see `elements.Static`.  ``members`` is the condition that `eidset` is
    (``BOTH_ENDS`` where a packet's mark tells who its ends are); ``services`` are conditions of nft under which the
    application may begin a flow that no rule speaks of.  With ``against`` there are the chains ``out_against`` and
    ``in_against``, too, which ask about what a packet says that goes against its flow's direction.
    """
    links = [("out_lists", str(vif_id), f"goto {OUT}"), ("in_lists", str(vif_id << 16), f"goto {IN}")]
    if rules is None:
        ways: list[tuple[Direction, bool]] = [("out", False), ("in", False)]
        ways += [("out", True), ("in", True)] if against else []
        return "".join(_chain(direction, [], base + 1, way) for direction, way in ways), tuple(links)
    body = ""
    for position, rule in enumerate(rules, 1):
        if isinstance(rule.action, Limit):
            body += _limiter(position, rule.action)
            links.append(("limiters", str(base + position), f"jump @@_limit_{position}"))
    values = [value(Action.DROP, base), *(value(action_of(r), base + n) for n, r in enumerate(rules, 1))]
    outward, inward = (_members(elements(rules, d, static or {}), members) for d in ("out", "in"))
    # What says the same of both directions has its maps once.
    shared = outward == inward
    there = levels(outward)
    back = there if shared else levels(inward)
    body += _directed("out", there, "out", values, declare=True, services=services)
    body += _directed("in", back, "out" if shared else "in", values, declare=not shared)
    if against:
        turned = [each.replace("proto-dst", "proto-src").replace("daddr", "saddr") for each in services]
        body += _directed("out", there, "out", values, declare=False, services=turned, against=True)
        body += _directed("in", back, "out" if shared else "in", values, declare=False, against=True)
    return body, tuple(links)


def value(action: Action, index: int) -> int:
    """Return a verdict as marks have it."""
    return action << ACTION_SHIFT | index


def _members(found: list[Element], condition: str) -> list[Element]:
    if condition == EIDS:
        return found
    return [
        each._replace(shape=each.shape._replace(known=condition)) if each.shape.known == EIDS else each
        for each in found
    ]


def _directed(
    direction: Direction,
    found: Sequence[Level],
    prefix: str,
    values: Sequence[int],
    *,
    declare: bool,
    services: Sequence[str] = (),
    against: bool = False,
) -> str:
    """Return the chain of a direction, and the maps that it asks if they are to be declared."""
    body, lines = "", []
    for number, level in enumerate(found):
        name = f"{prefix}_{number}"
        if declare and len(level.elements) > 1:
            body += _declaration(level, name, values)
        lines += _lookup(level, direction, name, values, (_AGAINST if against else _KEYS)[direction])
    lines += [
        f"{each} {_MARKS[direction]} set {value(Action.ALLOW, values[0] & INDEX_MASK):#010x}"
        for each in services
    ]
    return body + _chain(direction, lines, values[0], against)


def _chain(direction: Direction, lines: list[str], last: int, against: bool = False) -> str:
    name = f"{direction}_against" if against else direction
    lines = [*lines, f"{_MARKS[direction]} set {last:#010x}"]
    return "".join(
        [f"chain @@_{name} {{\n", *(f"    {line} goto decided_{direction}\n" for line in lines), "}\n"]
    )


def _lookup(
    level: Level, direction: Direction, name: str, values: Sequence[int], where: tuple[str, str, str, str]
) -> list[str]:
    """Return the rules for one level; several for a condition that can hold in several ways."""
    shape, first = level.shape, level.elements[0]
    mark, keys = f"{_MARKS[direction]} set", _keys(shape, where)
    if len(level.elements) == 1:
        test = " ".join(f"{key} {text}" for key, text in zip(keys, _texts(first), strict=True))
    elif shape.known:
        test = f"{' . '.join(keys)} {_OWN}_{name}"
    else:
        return [" ".join([*_guard(shape), mark, " . ".join(keys), f"map {_OWN}_{name}"])]
    tail = [test] if test else []
    verdict = f"{mark} {values[first.position]:#010x}"
    return [" ".join([*_guard(shape), *way, *tail, verdict]) for way in _conditions(shape, where)]


def _declaration(level: Level, name: str, values: Sequence[int]) -> str:
    """Return the map of a level with the verdict of each element, or the set if they are all of one rule."""
    shape = level.shape
    address = ["ipv4_addr" if shape.family == 4 else "ipv6_addr"] if shape.net else []
    kind = " . ".join(address + ["inet_service"] * (shape.fport + shape.lport))
    interval = "" if all(map(_exact, level.elements)) else " flags interval;"
    keys = [" . ".join(_texts(element)) for element in level.elements]
    if shape.known:
        return f"set @@_{name} {{ type {kind};{interval} elements = {{\n{_listed(keys)}\n}}; }}\n"
    pairs = [f"{key} : {values[e.position]:#010x}" for key, e in zip(keys, level.elements, strict=True)]
    return f"map @@_{name} {{ type {kind} : mark;{interval} elements = {{\n{_listed(pairs)}\n}}; }}\n"


def _listed(elements: Sequence[str]) -> str:
    return ",\n".join(elements)


def _guard(shape: Shape) -> list[str]:
    found = [f"meta nfproto ipv{shape.family}"] if shape.family is not None else []
    return found if shape.protocol is None else [*found, f"meta l4proto {shape.protocol}"]


def _conditions(shape: Shape, where: tuple[str, str, str, str]) -> list[list[str]]:
    """Return the ways in which the shape's condition can hold."""
    kind, _, what = shape.known.partition(" ")
    remote = where[0 if shape.family == 4 else 1]
    match kind:
        case "host":
            host, past = host_sets(what, shape.family or 4)
            # What the name meant when the flow began is as good, where the flow is asked about once more.
            return [[f"{remote} @{host}"], ["ct state != new", f"{remote} @{past}"]]
        case "eids":
            return [[f"{remote} @eids{shape.family}"]]
        case "ends":
            return [
                ["meta mark and 0x0000ffff != 0", "meta mark and 0xffff0000 != 0"],
                [f"{remote} @eids{shape.family}"],
            ]
        case "mapped":
            return [[f"ct status dnat ct original proto-dst {what}"]]
        case _:
            return [[]]


def _keys(shape: Shape, where: tuple[str, str, str, str]) -> list[str]:
    ip4, ip6, far, near = where
    if shape.protocol in FAMILY_OF:
        far = "ct original proto-dst"
    wanted = ((ip4 if shape.family == 4 else ip6, shape.net), (far, shape.fport), (near, shape.lport))
    return [key for key, is_wanted in wanted if is_wanted]


def _texts(element: Element) -> list[str]:
    shape, (address, length) = element.shape, element.net
    found = []
    if shape.net:
        kind, bits = (IPv4Address, 32) if shape.family == 4 else (IPv6Address, 128)
        found.append(f"{kind(address)}" if length == bits else f"{kind(address)}/{length}")
    if shape.fport:
        found.append(_span(element.fport))
    if shape.lport:
        found.append(_span(element.lport))
    return found


def _span(span: Span) -> str:
    first, last = span
    return str(first) if first == last else f"{first}-{last}"


def _exact(element: Element) -> bool:
    shape, length = element.shape, element.net[1]
    whole = not shape.net or length == (32 if shape.family == 4 else 128)
    spans = (element.fport, shape.fport), (element.lport, shape.lport)
    return whole and all(first == last for (first, last), wanted in spans if wanted)


def _limiter(position: int, limit: Limit) -> str:
    """Return the chain that a rule's packets pass, of either direction: they share what it allows."""
    rate = limit.rate
    unit = "bytes" if rate.unit == "bytes" else ""
    amount = f"{rate.amount} {unit}".rstrip() + f"/{rate.per}"
    # Of bytes, the kernel adds what the rate allows in one unit of its time (nft_limit_init).
    burst = max(0, limit.burst - rate.amount) if unit else limit.burst
    within = f"{amount} burst {burst} {unit or 'packets'}"
    if limit.per == "rule":
        return f"chain @@_limit_{position} {{\n    limit rate over {within} goto limited\n}}\n"
    flows = "typeof ct id; size 65536; flags dynamic,timeout; timeout 10m;"
    # A connection that finds no room in the set has used up what it is allowed.
    return f"""set @@_conn_{position} {{ {flows} }}
chain @@_limit_{position} {{
    update {_OWN}_conn_{position} {{ ct id limit rate {within} }} return
    goto limited
}}
"""
