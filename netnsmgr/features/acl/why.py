"""What the lists of an instance say of one flow, with the reason: the reference model asked on behalf of a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from netnsmgr.config.acl import AclRule
from netnsmgr.config.acl_words import rule_words
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import Action
from netnsmgr.core.ip import IPAddress
from netnsmgr.features import vif
from netnsmgr.features.acl.lists import eids, holders
from netnsmgr.features.acl.verdict import Address, Direction, Flow, decide
from netnsmgr.features.names import covers, static_addresses
from netnsmgr.features.scope import InstanceScope

Member = tuple[App, AppInterface]


@dataclass(frozen=True)
class Known:
    """What is known beside the configuration.

    ``hosts`` are the addresses of the host rules' domains as the kernel has them; None where nobody could look, and
    names are compared instead.  ``name`` is what was asked for, if that was a name; ``placeholder`` says that its address
    is unknown, so that no rule about addresses can be decided.
    """

    hosts: Mapping[str, Collection[Address]] | None = None
    name: str = ""
    placeholder: bool = False


@dataclass(frozen=True)
class Said:
    """What one list says: by the rule at ``position`` (0: none matched), whose own number is ``rule``."""

    member: Member
    direction: Direction
    position: int
    rule: int | None
    action: Action
    words: str
    doubtful: tuple[int, ...] = field(default=())
    """Numbers of rules that come earlier and could not be decided."""

    @property
    def passes(self) -> bool:
        """Whether the flow passes, be it with a limit."""
        return self.action in {Action.ALLOW, Action.LIMIT}

    def record(self, *, asked: bool = True) -> dict[str, Any]:
        """Return it as plain data; not ``asked``: another list has denied before."""
        app, interface = self.member
        return {
            "app": app.name,
            "interface": interface.name,
            "network": interface.network,
            "direction": self.direction,
            "hasList": interface.acl is not None,
            "rule": self.rule,
            "action": self.action.name.lower(),
            "words": self.words,
            "asked": asked,
            **({"undecided": list(self.doubtful)} if self.doubtful else {}),
        }


def owners(scope: InstanceScope) -> dict[IPAddress, Member]:
    """Return which interface holds which address of the instance, as far as it is known."""
    members = {vif.group(*member): member for member in scope.interfaces}
    return {address: members[group] for address, group in holders(scope).items()}


def ask(
    scope: InstanceScope,
    member: Member,
    direction: Direction,
    flow: Flow,
    known: Known,
    *,
    beside: Collection[Address] = (),
) -> Said:
    """Ask the list of one interface about a flow; ``beside`` are addresses that `eidset` stands for, too."""
    rules = member[1].acl
    if rules is None:
        return Said(member, direction, 1, None, Action.ALLOW, "no list: everything is allowed")
    position, action = decide(
        rules, direction, flow, _names(scope, rules, flow, direction, known), {*eids(scope), *beside}
    )
    doubtful = _doubtful(rules[: position - 1] if position else rules, direction, known)
    if position == 0:
        words = "no rule matches: the list denies what it does not name"
        return Said(member, direction, 0, 0, action, words, doubtful)
    rule = rules[position - 1]
    return Said(member, direction, position, rule.id, action, rule_words(rule), doubtful)


def _names(
    scope: InstanceScope, rules: Collection[AclRule], flow: Flow, direction: Direction, known: Known
) -> dict[str, set[Address]]:
    names: dict[str, set[Address]] = {}
    for domain in {rule.match.host for rule in rules if rule.match.host is not None}:
        found: set[Address] = set(static_addresses(scope, domain))
        if known.hosts is not None:
            found.update(known.hosts.get(domain, ()))
        elif known.name and direction == "out" and covers(domain, known.name):
            found.add(flow.responder)
        names[domain] = found
    return names


def _doubtful(rules: Collection[AclRule], direction: Direction, known: Known) -> tuple[int, ...]:
    def unknown(rule: AclRule) -> bool:
        if rule.direction not in {None, direction}:
            return False
        by_name = rule.match.host is not None and known.hosts is None and not known.name
        return by_name or (known.placeholder and bool(rule.match.ip or rule.match.eidset))

    return tuple(rule.id for rule in rules if unknown(rule))
