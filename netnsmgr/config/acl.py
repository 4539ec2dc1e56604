"""Access rules of an application's interface: what may flow, how much of it, and which ports are mapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictInt,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from netnsmgr.config import acl_values as read
from netnsmgr.config.acl_action import Action, Limit, Portmap
from netnsmgr.config.acl_types import Domain, IcmpTypes, Ports, Prefixes, Protocol, refused
from netnsmgr.config.acl_values import PortRange, Prefix
from netnsmgr.config.common import Model, Shown, SimpleName
from netnsmgr.config.rate import Rate
from netnsmgr.core.protocols import ICMP, ICMPV6, PROTOCOLS, TCP, UDP, WITH_PORTS

__all__ = ["Acl", "AclMatch", "AclRule", "Limit", "PortRange", "Portmap", "Prefix", "Rate"]

MAX_RULES = 20_000
"""The longest list: what is longer belongs into prefixes."""


class _Sparse(Model):
    """A model that is written out without what was left out."""

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            name: value
            for name, value in handler(self).items()
            if value is not None and value is not False and value not in ((), [])
        }


class AclMatch(_Sparse):
    """What a flow has to be like for a rule to decide on it: all that is written has to fit.

    "Remote" is the other side, "local" the application, whoever of them began.
    """

    ip: Prefixes = Field(default=(), examples=["10.0.0.0/8", ["192.168.0.0/24", "2001:db8::1"]])
    """The remote address lies in one of these: prefixes or addresses, IPv4 or IPv6, one or a list."""

    host: Domain | None = Field(default=None, examples=["example.com"])
    """The remote address is one that the instance's DNS server gave as that of this domain or of any name below it."""

    eidset: StrictBool = Field(default=False, examples=[True])
    """The remote side is an application of the same network, or a static name of the instance's `dns.hosts`.
    Not together with `ip` or `host`. Coming in from one of them, `fport` is the application's own port, so that
    two applications with the same rule reach each other's port."""

    protocol: Protocol | None = Field(default=None, examples=["tcp", 47])
    """Protocol of the flow, by name (tcp, udp, icmp, icmpv6, sctp, gre …) or by number, 0 to 255."""

    lport: Ports = Field(default=(), examples=[80, "8000-8099", [80, 443]])
    """Port of the application: one, a range, or a list of them. Needs a `protocol` that has ports.
    With the action `portmap` it is the device's port, a single one."""

    fport: Ports = Field(default=(), examples=[443, "5000-5010", [80, 443]])
    """Port of the remote side: one, a range, or a list of them. Needs a `protocol` that has ports."""

    icmp: IcmpTypes = Field(default=(), examples=["echo-request", [8, "timestamp-request"]])
    """ICMP type that began the flow: one or a list, by name or number; protocol icmp is implied, for ICMPv6 write
    `protocol: icmpv6`. Answers and errors belong to the flow that they are about and need no rule."""

    adapter: SimpleName | None = Field(default=None, examples=["eth0"])
    """Port of the device, by name or label, at which the device's port is mapped; only with the action `portmap`.
    Default: all ports of the device."""

    @model_validator(mode="before")
    @classmethod
    def _icmp_implied(cls, data: Any) -> Any:
        if isinstance(data, dict) and "icmp" in data and "protocol" not in data:
            return {**data, "protocol": ICMP}
        return data

    @field_validator("eidset")
    @classmethod
    def _eidset_alone(cls, value: bool, info: ValidationInfo) -> bool:
        if value and (given := [name for name in ("ip", "host") if info.data.get(name)]):
            raise ValueError(
                f"eidset names the remote addresses already; leave out {' and '.join(given)}, or eidset"
            )
        return value

    @field_validator("lport", "fport")
    @classmethod
    def _has_ports(cls, value: tuple[PortRange, ...], info: ValidationInfo) -> tuple[PortRange, ...]:
        found = info.data.get("protocol", TCP)
        if value and found not in WITH_PORTS:
            what = "needs a protocol" if found is None else f"protocol {_name(found)} has no ports"
            raise ValueError(f"{what}; write protocol: {', '.join(WITH_PORTS.values())}")
        return value

    @field_validator("icmp", mode="wrap")
    @classmethod
    def _types(cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        protocol = info.data.get("protocol")
        if protocol not in {None, ICMP, ICMPV6}:
            raise ValueError(
                f"protocol {_name(protocol)} has no ICMP types; write protocol: icmp or icmpv6, or leave it out"
            )
        if type(value) not in {list, tuple}:
            return (read.icmp_type(value, protocol),)
        numbers: list[object] = []
        faults: list[tuple[Any, str]] = []
        for n, each in enumerate(cast("list[object]", value)):
            try:
                numbers.append(read.icmp_type(each, protocol))
            except ValueError as fault:
                faults.append(((n,), str(fault)))
        if faults:
            raise refused("icmp", faults)
        return handler(numbers)


def _name(protocol: int) -> str:
    return next((name for name, number in PROTOCOLS.items() if number == protocol), str(protocol))


class AclRule(_Sparse):
    """One rule: the first that matches a flow decides on it."""

    id: Annotated[StrictInt, Field(ge=1, le=2**24 - 1)] = Field(examples=[10])
    """Number of the rule, unique in the list, 1 to 16777215: by it the flow log names the rule.
    It has no say in the order."""

    match: AclMatch = Field(default=AclMatch(), examples=[{"protocol": "tcp", "fport": 443}])
    """What the rule decides on. Default: everything."""

    action: Action = Field(
        default="allow", examples=["drop", {"limit": {"rate": "5/second"}}, {"portmap": 8080}]
    )
    """What becomes of the flow: `allow`, `drop` (silently), `reject` (with an answer), `{limit: …}` or
    `{portmap: …}`."""

    direction: Literal["in", "out"] | None = Field(default=None, examples=["out"])
    """Who began the flow: `in` the remote side, `out` the application. Default: both.
    Answers always belong to their flow."""

    @model_validator(mode="after")
    def _port_map(self) -> AclRule:
        if isinstance(self.action, Portmap):
            faults = list(_port_map_faults(self))
        elif self.match.adapter is not None:
            faults = [
                (
                    ("match", "adapter"),
                    "only a port map has an adapter; leave it out, or write action: {portmap: 8080}",
                )
            ]
        else:
            return self
        if faults:
            raise refused("AclRule", faults)
        return self


def _port_map_faults(rule: AclRule) -> Iterator[tuple[tuple[str, ...], str]]:
    match = rule.match
    if match.icmp:
        yield ("match", "icmp"), "a port map has no ICMP; leave icmp out"
    elif match.protocol not in _MAPPED:
        yield ("match", "protocol"), "a port map is of one protocol; write protocol: tcp or protocol: udp"
    if len(match.lport) != 1 or match.lport[0].first != match.lport[0].last:
        yield (
            ("match", "lport"),
            "a port map is of one port of the device; write it as lport, such as lport: 80",
        )
    if match.fport:
        yield ("match", "fport"), "a port map takes any port of the senders; leave fport out"
    if match.host is not None:
        yield ("match", "host"), "the senders to a port map are restricted by ip only; leave host out"
    if match.eidset:
        yield ("match", "eidset"), "a port map is for the outside of the device; leave eidset out"
    if rule.direction is not None:
        yield ("direction",), "a port map is for flows that come in, by nature; leave direction out"


_MAPPED = frozenset({TCP, UDP})


def _length(value: object) -> object:
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError(
                "an empty list is ambiguous: leave acl out to allow everything, or write rules; "
                "a list denies what it does not name (all: [{id: 1, action: drop}])"
            )
        if len(value) > MAX_RULES:
            raise ValueError(
                f"{len(value)} rules are more than {MAX_RULES}; join rules by lists of prefixes and ports"
            )
    return value


Acl = Annotated[
    tuple[AclRule, ...],
    Field(min_length=1, max_length=MAX_RULES),
    BeforeValidator(_length),
    Shown("list of object", AclRule),
]
