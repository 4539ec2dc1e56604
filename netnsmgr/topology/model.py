"""What a drawing shows, as values: texts that are ready to be read, and who is connected with whom.

States are "" where nothing runs, else ``ok``, ``pending``, ``failed``, and of tunnels ``up`` and ``down``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from netnsmgr.core.ip import IPNetwork


class Spot(NamedTuple):
    """Where a network is in the drawing: a kind (``port``, ``subnet``, ``tunnel``, ``end``, ``selectors``) and names."""

    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Health:
    """How something is on a running device: a state as above, and what is the matter with it in words."""

    state: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """A port of the device; ``switch`` is the instance in whose namespace it is, if it was moved."""

    name: str
    interface: str
    labels: tuple[str, ...]
    addresses: tuple[str, ...]
    notes: tuple[str, ...]
    networks: tuple[IPNetwork, ...]
    gateways: tuple[str, ...]
    dns: tuple[str, ...]
    shared: bool = False
    switch: str = ""
    health: Health = Health()


@dataclass(frozen=True)
class End:
    """The other end of a tunnel: where it is, what is behind it, and of IPsec what is carried between which networks."""

    name: str
    where: str
    networks: tuple[IPNetwork, ...]
    selectors: tuple[tuple[str, str], ...] = ()
    """Name of each child, and its networks as ``local === remote``."""
    health: Health = Health()


@dataclass(frozen=True)
class Tunnel:
    """A WireGuard interface or an IPsec connection of an instance."""

    kind: str
    name: str
    notes: tuple[str, ...]
    networks: tuple[IPNetwork, ...]
    """Those that the tunnel itself is in."""
    ends: tuple[End, ...]
    health: Health = Health()


@dataclass(frozen=True)
class Link:
    """The device's end of the link to an instance, and its addresses."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Instance:
    """A network instance; ``ports`` are those that it uses, by their logical names, and which are not there is in ``lacks``."""

    name: str
    type: str
    subnets: tuple[tuple[IPNetwork, str], ...]
    """Each with the instance's own address there."""
    services: tuple[str, ...]
    ports: tuple[str, ...]
    lacks: tuple[str, ...]
    described: bool
    """Whether there is a Device, which would have to have them."""
    tunnels: tuple[Tunnel, ...]
    link: Link | None
    onlink: bool = False
    """Its IPv6 subnet is part of its port's network, on purpose."""
    health: Health = Health()


@dataclass(frozen=True)
class Interface:
    """An application's interface; ``rules`` is its access list in few words."""

    name: str
    network: str
    mac: str
    addresses: tuple[str, ...]
    rules: tuple[str, ...]
    notes: tuple[str, ...] = ()
    health: Health = Health()


@dataclass(frozen=True)
class App:
    """An application, and how it is attached."""

    name: str
    attach: str
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True)
class PortMap:
    """A port of the device that leads to an application; ``ports`` are the device's ports at which it is asked for."""

    what: str
    target: str
    instance: str
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Collision:
    """Networks that are the same or lie in each other, though different network stacks have them; in words for a legend."""

    number: int
    what: str
    """The widest of the networks, or the traffic selectors."""
    whose: tuple[str, ...]


@dataclass(frozen=True)
class Topology:
    """A whole device; ``live`` tells whether it is one that runs, or a configuration alone."""

    device: str
    live: bool
    ports: tuple[Port, ...] = ()
    instances: tuple[Instance, ...] = ()
    apps: tuple[App, ...] = ()
    port_maps: tuple[PortMap, ...] = ()
    collisions: tuple[Collision, ...] = ()
    health: Health = Health()
    """That of the device's root namespace."""
    marks: Mapping[tuple[Spot, str], int] = field(default_factory=dict)
    """The collision's number of what a spot has, by the text of the network or of the selectors."""
