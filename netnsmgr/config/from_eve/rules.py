"""Access lists: EVE's ACEs into rules.

What EVE does with them was read in its code (pkg/pillar/nireconciler/linux_acl.go as of commit 2c6b4154): in their order,
the first that matches decides, what none matches is dropped; the direction is stored and ignored.
"""

from __future__ import annotations

import re
from typing import Any

from netnsmgr.config import acl_values, rate
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.instances import Instance
from netnsmgr.config.from_eve.message import Message
from netnsmgr.config.from_eve.ports import Ports
from netnsmgr.config.from_eve.text import shown

NOBODY = [{"id": 1, "action": "drop"}]
"""An empty list, which here would be ambiguous: in EVE nothing is allowed."""
MOST = 2**24 - 1
UNITS: tuple[rate.Per, ...] = ("second", "minute", "hour")
"""Of iptables' --limit, which takes any beginning of these words, and of "day"."""


class _Inexpressible(Exception):
    """A rule has no equal here; the text says why."""


class Rules:
    """Reads access lists; port maps need the device's ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def read(self, interface: Message, instance: Instance) -> list[dict[str, Any]]:
        """Return an interface's list."""
        found: list[dict[str, Any]] = []
        aces = interface.messages("acls", fields.RULE)
        numbers = _numbers(aces)
        for ace, number in zip(aces, numbers, strict=True):
            actions = ace.messages("actions", fields.ACTION)
            try:
                found.append({"id": number} | self._rule(ace, actions, instance))
            except _Inexpressible as why:
                if any(each.flag("drop") for each in actions):
                    # Left out, it would let pass what it forbids.
                    ace.wrong("", f"cannot be converted: {why}")
                else:
                    ace.note(
                        "", f"rule {number} is not carried over, so that less is allowed than in EVE: {why}"
                    )
        return found or NOBODY

    def _rule(self, ace: Message, actions: list[Message], instance: Instance) -> dict[str, Any]:
        chosen = [
            (action, name) for action in actions for name in ("drop", "limit", "portmap") if action.flag(name)
        ]
        if len(actions) > 1 or len(chosen) > 1:
            ace.wrong("actions", "several actions in one rule (EVE refuses them, too)")
        match = _Match(ace)
        rule: dict[str, Any] = {}
        direction = ace.choice("dir", fields.DIRECTIONS)
        if direction not in fields.DIRECTIONS.values():
            ace.wrong("dir", "is none of this enumeration: BOTH (0), INGRESS (1), EGRESS (2)")
        if chosen and chosen[0][1] == "portmap":
            return self._portmap(ace, chosen[0][0], match, instance)
        if match.adapter:
            raise _Inexpressible("only a port map has an adapter (EVE refuses it, too)")
        if fits := match.plain():
            rule["match"] = fits
        if chosen:
            rule["action"] = "drop" if chosen[0][1] == "drop" else {"limit": _limit(chosen[0][0])}
        if direction != fields.BOTH:
            rule["direction"] = "in" if direction == fields.INGRESS else "out"
            ace.note("dir", "EVE takes no notice of a rule's direction; here it counts")
        return rule

    def _portmap(self, ace: Message, action: Message, match: _Match, instance: Instance) -> dict[str, Any]:
        if instance.is_switch or not instance.ports:
            kind = "switch" if instance.is_switch else "air-gapped network"
            raise _Inexpressible(f"a port map in a {kind} (EVE refuses it, too)")
        port = action.number("appPort")
        if not 1 <= port <= 65535:
            action.wrong("appPort", "must be from 1 to 65535")
        fits = match.plain()
        if "fport" in fits or "host" in fits or "eidset" in fits:
            raise _Inexpressible("the senders to a port map are restricted by ip only")
        if "lport" not in fits:
            ace.wrong("matches", "a port map needs an lport, the device's port (EVE refuses it, too)")
        open_at = [each for each in instance.ports if not match.adapter or match.adapter in each.labels]
        if not open_at:
            raise _Inexpressible(
                f"no port of its network has the label {shown(match.adapter)}; EVE opens none, either"
            )
        # EVE opens a port map at the ports of the network, netnsmgr at all of the device.
        word = "" if self._ports.covers(open_at) else self._ports.word(open_at)
        if word is None:
            raise _Inexpressible("no one name or label is that of just these ports")
        return {"match": fits | ({"adapter": word} if word else {}), "action": {"portmap": port}}


class _Match:
    """What the matches of an ACE say together."""

    def __init__(self, ace: Message) -> None:
        self._ace = ace
        self._values: dict[str, tuple[Message, str]] = {}
        for each in ace.messages("matches", fields.MATCH):
            kind = each.text("type")
            if kind not in {"ip", "host", "eidset", "protocol", "fport", "lport", "adapter"}:
                each.wrong(
                    "type",
                    f"{shown(kind)} is no match of EVE's: ip, host, eidset, protocol, fport, lport, adapter",
                )
            elif kind == "host" and _is_address(each.text("value")):
                kind = "ip"
            if kind in self._values:
                each.note("type", f"a second {kind} in one rule: as in EVE, only the last one counts")
            self._values[kind] = each, each.text("value")

    @property
    def adapter(self) -> str:
        """The label of the device's ports."""
        return self._values["adapter"][1] if "adapter" in self._values else ""

    def plain(self) -> dict[str, Any]:
        """Return the match as it is written here; raises _Inexpressible."""
        found: dict[str, Any] = {}
        for kind, (each, value) in self._values.items():
            if kind == "eidset":
                found[kind] = True
            elif kind == "adapter":
                continue
            elif not value:
                each.wrong("value", "is missing")
            else:
                self._read(found, kind, each, value)
        if "eidset" in found and "host" in found:
            self._ace.wrong("matches", "host and eidset in one rule (EVE refuses them, too)")
        if "eidset" in found and "ip" in found:
            if not found["ip"].endswith("/0"):
                raise _Inexpressible("eidset and ip exclude each other here")
            del found["ip"]
        for kind in ("fport", "lport"):
            if kind in found and "protocol" not in found:
                if "protocol" in self._values and self._values["protocol"][1] == "all":
                    raise _Inexpressible(f"{kind} with protocol all")
                self._ace.wrong("matches", f"{kind} needs a protocol (EVE refuses it, too)")
        return {
            name: found[name]
            for name in ("eidset", "ip", "host", "protocol", "lport", "fport")
            if name in found
        }

    @staticmethod
    def _read(found: dict[str, Any], kind: str, each: Message, value: str) -> None:
        match kind:
            case "ip":
                if (prefix := each.reading("value", value, _prefix)) is not None:
                    found[kind] = prefix
            case "host":
                if (name := each.reading("value", value, acl_values.domain)) is not None:
                    found[kind] = name
            case "protocol":
                # iptables' own words for what is no protocol.
                if value.lower() not in {"all", "0"} and (
                    each.reading("value", value, acl_values.protocol) is not None
                ):
                    found[kind] = int(value) if value.isdecimal() else value.lower()
            case _:
                # iptables writes ranges with a colon.
                if (
                    ports := each.reading("value", value.replace(":", "-", 1), acl_values.port_range)
                ) is not None:
                    found[kind] = ports.first if ports.first == ports.last else str(ports)


def _is_address(value: str) -> bool:
    try:
        _prefix(value)
    except ValueError:
        return False
    return True


def _prefix(value: str) -> str:
    """Read an address or a network as EVE does: bits behind the prefix do not count."""
    host, slash, length = value.partition("/")
    address = acl_values.prefix(host)
    if slash and re.fullmatch(r"[0-9]{1,3}", length) and int(length) <= address.max_prefixlen:
        return str(address.supernet(new_prefix=int(length)))
    return str(acl_values.prefix(value)) if slash else host


def _limit(action: Message) -> dict[str, Any]:
    """Return a limit; without a rate iptables has 3/hour, without a burst 5."""
    amount, unit = action.number("limitrate"), action.text("limitunit").lower()
    burst = action.number("limitburst")
    per = next((word for word in UNITS if unit and word.startswith(unit)), None)
    if amount and unit and "day".startswith(unit):
        if amount % 24:
            raise _Inexpressible("a limit counts seconds, minutes or hours here, not days")
        amount, per = amount // 24, "hour"
    if not amount:
        amount, per = 3, "hour"
    if per is None:
        action.wrong("limitunit", "must be s, m, h or d")
        per = "second"
    found: dict[str, Any] = {"rate": f"{amount}/{per}"}
    if amount < 0 or burst < 0:
        action.wrong("limitrate", "must not be negative")
    elif fault := rate.beyond_kernel(rate.Rate(amount, "packets", per), burst or 5):
        action.wrong("limitrate", fault)
    if burst:
        found["burst"] = burst
    action.note("limit", "a limit counts both directions together here, and each by itself in EVE")
    return found


def _numbers(aces: list[Message]) -> list[int]:
    """Return the rules' numbers: EVE's own, or the next free ones where it has none, or one twice."""
    given = [ace.number("id") for ace in aces]
    taken = {number for number in given if 1 <= number <= MOST}
    free = max(taken, default=0)
    found: list[int] = []
    for ace, own in zip(aces, given, strict=True):
        number = own
        if not 1 <= own <= MOST or own in found:
            free = free + 1 if free < MOST else next(n for n in range(1, MOST) if n not in taken)
            taken.add(free)
            ace.note(
                "id" if ace.has("id") else "",
                f"the rule is number {free} here: numbers are from 1 to {MOST}, each once",
            )
            number = free
        found.append(number)
    return found
