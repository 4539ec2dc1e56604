"""What packets on a switch say of its applications' addresses; ``vif`` is the id of the interface that it is about."""

from __future__ import annotations

from typing import NamedTuple

from netnsmgr.core.ip import IPAddress

Transaction = tuple[int, int]
"""Version of IP, and the number by which DHCP's answers are told to belong to a request (`xid`, `transaction-id`)."""


class Claim(NamedTuple):
    """An application says by ARP or neighbour discovery that it has an address.

    ``tag``: the VLAN that it says so in, as its interface sent it (0: without a tag).  ``tentative``: it is about to take
    the address, and asks who else has it (RFC 4862, 5.4).
    """

    vif: int
    address: IPAddress
    tag: int = 0
    tentative: bool = False


class Request(NamedTuple):
    """An application has asked DHCP servers for what they would acknowledge: an address, its renewal, or only settings."""

    vif: int
    transaction: Transaction


class Grant(NamedTuple):
    """A DHCP server has given an application an address for ``seconds`` (None: for ever; 0: no more).

    ``client`` tells clients behind one interface apart.
    """

    vif: int
    address: IPAddress
    seconds: int | None
    client: str


class Refusal(NamedTuple):
    """A DHCPv4 server has told a client that it may not have the address that it wants to keep (RFC 2131, DHCPNAK)."""

    vif: int
    client: str


class Return(NamedTuple):
    """An application gives an address back, or does not want it (DHCPRELEASE, DHCPDECLINE; RFC 8415, 18.2.7, 18.2.8)."""

    vif: int
    address: IPAddress


class Servers(NamedTuple):
    """DHCP has told an application DNS servers, all of one version of IP."""

    vif: int
    addresses: tuple[IPAddress, ...]


class Answer(NamedTuple):
    """What one message of a DHCP server tells an application; it counts only if the application has asked for it."""

    vif: int
    transaction: Transaction
    told: tuple[Grant | Refusal | Servers, ...]


Observation = Claim | Request | Answer | Return
