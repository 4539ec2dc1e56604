"""What an access list says of a flow: the meaning of the rules, told as plainly as possible.

`netnsmgr why` answers with it, and the compiled lists (`levels`, `text`) are tested against it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from netnsmgr.config.acl import AclRule, Limit, Portmap, PortRange
from netnsmgr.core.agreed import Action
from netnsmgr.core.protocols import FAMILY_OF

Address = IPv4Address | IPv6Address
Direction = Literal["in", "out"]


@dataclass(frozen=True)
class Flow:
    """A flow as its first packet asks for it."""

    initiator: Address
    responder: Address
    """Who is addressed, before any port map."""
    protocol: int
    sport: int = 0
    dport: int = 0
    """The port that is addressed, before any port map; of ICMP type << 8 | code."""
    mapped: tuple[Address, int] | None = None
    """The application's own address and port, where a port map brought the flow there."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.initiator.version

    @property
    def own_port(self) -> int:
        """The responder's port, after any port map."""
        return self.dport if self.mapped is None else self.mapped[1]


def decide(
    rules: Sequence[AclRule] | None,
    direction: Direction,
    flow: Flow,
    names: Mapping[str, Collection[Address]],
    eids: Collection[Address],
) -> tuple[int, Action]:
    """Return the position of the rule that decides, from 1, and what it does; 0 and DROP where none matches.

    ``rules`` is None for an interface without a list.  ``names`` are the addresses of each rule's `host` domain and of the
    names below it; ``eids`` those of the instance's applications and static names.
    """
    if rules is None:
        return 1, Action.ALLOW
    for position, rule in enumerate(rules, 1):
        if matches(rule, direction, flow, names, eids):
            return position, action_of(rule)
    return 0, Action.DROP


def matches(
    rule: AclRule,
    direction: Direction,
    flow: Flow,
    names: Mapping[str, Collection[Address]],
    eids: Collection[Address],
) -> bool:
    """Tell whether a rule speaks of a flow."""
    match = rule.match
    if rule.direction not in {None, direction}:
        return False
    remote = flow.responder if direction == "out" else flow.initiator
    if match.ip and not any(remote in prefix for prefix in match.ip):
        return False
    if match.host is not None and remote not in names.get(match.host, ()):
        return False
    if match.eidset and remote not in eids:
        return False
    if match.protocol is not None:
        family = FAMILY_OF.get(match.protocol, flow.family)
        if (flow.protocol, flow.family) != (match.protocol, family):
            return False
    if match.icmp and flow.dport >> 8 not in match.icmp:
        return False
    if isinstance(rule.action, Portmap):
        there = flow.mapped is not None and flow.own_port == rule.action.portmap
        return direction == "in" and there and flow.dport == device_port(rule)
    far, near = (flow.dport, flow.sport) if direction == "out" else (flow.sport, flow.own_port)
    if swaps(rule, direction):
        far, near = near, far
    return _within(far, match.fport) and _within(near, match.lport)


def device_port(rule: AclRule) -> int:
    """Return the device's port of a rule that maps it."""
    return rule.match.lport[0].first


def swaps(rule: AclRule, direction: Direction) -> bool:
    """Tell whether the ports change places: a rule for all applications means the same port from either side, the one
    that is asked for.
    """
    return rule.match.eidset and rule.direction is None and direction == "in"


def action_of(rule: AclRule) -> Action:
    """Return what a rule does."""
    if isinstance(rule.action, Limit):
        return Action.LIMIT
    if isinstance(rule.action, Portmap):
        return Action.ALLOW
    return {"allow": Action.ALLOW, "drop": Action.DROP, "reject": Action.REJECT}[rule.action]


def _within(port: int, ranges: Sequence[PortRange]) -> bool:
    return not ranges or any(first <= port <= last for first, last in ranges)
