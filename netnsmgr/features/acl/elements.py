"""Rules taken apart into boxes: an element is one prefix, one protocol, and one range of ports on either side.

What a rule says of a direction is the union of its elements; a rule with several prefixes or ports has several.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import NamedTuple

from netnsmgr.config.acl import AclRule, Portmap
from netnsmgr.core.protocols import FAMILY_OF
from netnsmgr.features.acl.verdict import (
    Address,
    Direction,
    device_port,
    swaps,
)

Span = tuple[int, int]
"""Ports from first to last; of ICMP, which has them in place of the far port, type << 8 | code."""

ALL: Span = (0, 0xFFFF)

Net = tuple[int, int]
"""A prefix: its first address as a number, and its length."""

ANY: Net = (0, 0)

Prefix = IPv4Network | IPv6Network

Static = Mapping[str, Collection[Address]]
"""Domains of `host` rules with the addresses that are theirs, or of names below them, without anybody's asking."""


class Shape(NamedTuple):
    """What elements have in common that one lookup finds; None and False: of no matter."""

    family: int | None
    protocol: int | None
    net: bool
    fport: bool
    lport: bool
    known: str = ""
    """What else has to hold, which no box can tell: ``host NAME``, ``eids``, ``mapped PORT``."""
    rule: int = 0
    """The rule's position if it has such a condition: no two rules share a lookup then."""


class Element(NamedTuple):
    """A box."""

    position: int
    """The rule's place in its list, from 1."""
    shape: Shape
    net: Net
    fport: Span
    lport: Span


def elements(rules: Sequence[AclRule], direction: Direction, static: Static) -> list[Element]:
    """Return what a list says of a direction, in the rules' order."""
    found: list[Element] = []
    for position, rule in enumerate(rules, 1):
        if rule.direction is None or rule.direction == direction:
            found += _of_rule(position, rule, direction, static)
    return found


def _of_rule(position: int, rule: AclRule, direction: Direction, static: Static) -> Iterator[Element]:
    match = rule.match
    far, near = _merged(match.fport), _merged(match.lport)
    if isinstance(rule.action, Portmap):
        if direction == "out":
            return
        near = ((rule.action.portmap, rule.action.portmap),)
    elif match.icmp:
        far = _merged((number << 8, number << 8 | 0xFF) for number in match.icmp)
    elif swaps(rule, direction):
        far, near = near, far
    for family, net, known in _remotes(rule, static):
        condition = position if known else 0
        for one in far:
            for other in near:
                shape = Shape(family, match.protocol, net != ANY, one != ALL, other != ALL, known, condition)
                yield Element(position, shape, net, one, other)


def _remotes(rule: AclRule, static: Static) -> Iterator[tuple[int | None, Net, str]]:
    """Yield family, prefix and condition of who is on the other side."""
    match, only = rule.match, FAMILY_OF.get(rule.match.protocol or 0)
    known = ""
    if isinstance(rule.action, Portmap):
        known = f"mapped {device_port(rule)}"
    elif match.host is not None:
        known = f"host {match.host}"
    elif match.eidset:
        known = "eids"
    fixed = static.get(match.host, ()) if match.host is not None else ()
    for address in sorted(fixed, key=lambda address: (address.version, address)):
        inside = not match.ip or any(address in prefix for prefix in match.ip)
        if inside and only in {None, address.version}:
            yield address.version, (int(address), address.max_prefixlen), ""
    # Sets of addresses are of one family each.
    split = match.eidset or match.host is not None
    for family, net in _nets(match.ip, split=split):
        if family is None or only in {None, family}:
            yield family or only, net, known


def _nets(prefixes: Sequence[Prefix], *, split: bool) -> Iterator[tuple[int | None, Net]]:
    if not prefixes:
        yield from ((4, ANY), (6, ANY)) if split else ((None, ANY),)
    elif len(prefixes) == 1:
        yield _net(prefixes[0])
    else:
        yield from map(_net, collapse_addresses(p for p in prefixes if isinstance(p, IPv4Network)))
        yield from map(_net, collapse_addresses(p for p in prefixes if isinstance(p, IPv6Network)))


def _net(prefix: Prefix) -> tuple[int, Net]:
    return prefix.version, (int(prefix.network_address), prefix.prefixlen)


def _merged(ranges: Iterable[Span]) -> tuple[Span, ...]:
    """Join ranges that overlap or touch; no range at all means every port."""
    found: list[Span] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found) or (ALL,)
