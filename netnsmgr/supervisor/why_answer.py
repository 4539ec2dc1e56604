"""One answer of ``netnsmgr why`` in the making: what the lists say, the steps that are gone, and why no further.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from netnsmgr.config.acl_words import icmp_name, protocol_name
from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import IPAddress, Version
from netnsmgr.core.protocols import ECHO_REQUEST, FAMILY_OF, TCP, UDP, WITH_PORTS
from netnsmgr.features.acl.verdict import Address, Flow
from netnsmgr.features.acl.why import Member, Said
from netnsmgr.features.metadata import PORT as METADATA_PORT
from netnsmgr.features.nets import Net
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.ways import Hop

SOURCE_PORT = 50000
"""The port that a sender is taken to have where none is said."""
NOBODY4, NOBODY6 = IPv4Address("0.0.0.0"), IPv6Address("fe80::")
"""What stands for an address that is not known, in a flow that lists are asked about."""
DHCPV6_SERVERS = IPv6Address("ff02::1:2")
"""RFC 8415, 7.1."""
SERVICE = "always allowed, whatever the list says: "


@dataclass(frozen=True)
class Asked:
    """What a packet asks for; ``name`` is what ``address`` was written as, if that was a name."""

    address: Address
    protocol: int
    port: int
    source_port: int = SOURCE_PORT
    name: str = ""

    def to(self, address: Address, port: int | None = None) -> Asked:
        """Return the same for another address, by the ICMP of its version."""
        protocol, asked = self.protocol, self.port if port is None else port
        if (protocol, asked) in ECHO_REQUEST.values():
            protocol, asked = ECHO_REQUEST[address.version]
        return replace(self, address=address, protocol=protocol, port=asked)


def nobody(version: Version) -> IPAddress:
    """Return what stands for an address of this version that is not known."""
    return NOBODY4 if version == 4 else NOBODY6


class Answer:
    """An answer in the making: lists are asked one after the other, and steps are gone as long as nothing stops them."""

    def __init__(self, member: Member, flow: Flow, name: str, direction: str) -> None:
        self._said: list[tuple[Said, bool]] = []
        self.sender = "application" if direction == "out" else "outside"
        self._hops: list[Hop] = []
        self.reason = ""
        self.service = ""
        self._member, self._flow, self._name, self._direction = member, flow, name, direction
        self.notes: list[str] = []
        self.traced: list[str] = []
        """The networks that the packet passes."""

    def ask(self, said: Said) -> None:
        self._said.append((said, self.passes))
        if said.doubtful:
            listed = ", ".join(map(str, said.doubtful))
            whose = f"{said.member[0].name}/{said.member[1].name}"
            self.notes.append(
                f"rule {listed} of {whose} was left out: it is about addresses that are not known here"
            )

    def go(self, hop: Hop) -> None:
        if self.passes:
            self._hops.append(hop)

    @property
    def network(self) -> str:
        return self._member[1].network

    @property
    def passes(self) -> bool:
        return all(said.passes for said, _ in self._said)

    def record(self) -> dict[str, Any]:
        app, interface = self._member
        first = next((said for said, asked in self._said if asked and not said.passes), None)
        limited = any(said.action.name == "LIMIT" for said, _ in self._said)
        verdict = first.action.name.lower() if first else "limit" if limited else "allow"
        flow = self._flow
        return {
            "app": app.name,
            "interface": interface.name,
            "network": interface.network,
            "direction": self._direction,
            "sender": self.sender,
            "sourcePort": None if self._flow.sport == SOURCE_PORT else self._flow.sport,
            "flow": {
                "protocol": protocol_name(flow.protocol),
                **({"type": icmp_name(flow.protocol, flow.dport >> 8)} if flow.protocol in FAMILY_OF else {}),
                "src": None if flow.initiator in {NOBODY4, NOBODY6} else str(flow.initiator),
                "dst": None if flow.responder in {NOBODY4, NOBODY6} else str(flow.responder),
                **({"dport": flow.dport} if flow.protocol in WITH_PORTS else {}),
                **({"name": self._name} if self._name else {}),
            },
            "allowed": self.passes and not self.reason,
            "verdict": verdict,
            "service": self.service or None,
            "lists": [said.record(asked=asked) for said, asked in self._said],
            "path": [hop.record() for hop in self._hops],
            "reason": (self.reason if self.passes else None) or None,
            "notes": self.notes,
            "passes": list(dict.fromkeys(self.traced)),
        }


def service_of(scope: InstanceScope, asked: Asked) -> str:
    """Say which service of the instance a packet is for, if that is always allowed; else return nothing."""
    to_gateway = asked.address in {net.gateway for net in scope.nets}
    if to_gateway and asked.protocol in {TCP, UDP} and asked.port == 53:
        return f"{SERVICE}the DNS server of {scope.instance.name}"
    if asked.protocol == UDP and asked.port == 67 and to_gateway:
        return f"{SERVICE}the DHCP server of {scope.instance.name}"
    if (
        asked.protocol == UDP
        and asked.port == 547
        and asked.address == DHCPV6_SERVERS
        and scope.net6 is not None
    ):
        return f"{SERVICE}the DHCPv6 server of {scope.instance.name}"
    if str(asked.address) in {METADATA, *METADATA6} and asked.protocol == TCP and asked.port == METADATA_PORT:
        return f"{SERVICE}the metadata service"
    return ""


def lacks(scope: InstanceScope, version: Version) -> str:
    """Say that an instance does not have this version of IP, or not yet."""
    network = scope.instance.name
    if version == 6 and scope.instance.has_ipv6:
        return f"{network} has no IPv6 prefix yet: it waits for one by delegation (netnsmgr describe ni {network})"
    # It needs a way out, and an instance that has IPv6 alone.
    helps = version == 4 and scope.instance.has_ipv6 and not scope.instance.air_gapped
    hint = "; with 'nat64: {}' beneath its spec its applications reach IPv4" if helps else ""
    return f"{network} has no IPv{version}: none of its subnets is of that version{hint}"


def net_of(scope: InstanceScope, version: Version) -> Net | None:
    """Return what an instance has of a version of IP."""
    return next((net for net in scope.nets if net.version == version), None)
