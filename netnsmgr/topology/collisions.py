"""Which networks of a device collide: the same, or one within the other, in different network stacks.

Of two prefixes that overlap one holds the other, so that what collides is a tree: its widest network names the collision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from netnsmgr.core.ip import IPNetwork
from netnsmgr.topology.model import Collision, Spot, Topology


@dataclass(frozen=True)
class Claim:
    """A network, or traffic selectors, that something has: whose stack it is, where it is drawn, and how it is called."""

    owner: str
    spot: Spot
    words: str
    network: IPNetwork | None = None
    selectors: str = ""

    @property
    def text(self) -> str:
        """The network or the selectors as they are written."""
        return str(self.network) if self.network is not None else self.selectors


def with_collisions(topology: Topology) -> Topology:
    """Return the topology with its collisions, in the order in which their first members are drawn."""
    claims = list(_claims(topology))
    order = {claim: number for number, claim in enumerate(claims)}
    found = [*_trees(claim for claim in claims if claim.network is not None), *_alike(claims)]
    groups = [group for group in found if len({claim.owner for claim in group}) > 1]
    groups.sort(key=lambda group: min(order[claim] for claim in group))
    marks: dict[tuple[Spot, str], int] = {}
    collisions = []
    for number, group in enumerate(groups, 1):
        widest = min(group, key=lambda claim: (claim.network.prefixlen if claim.network else 0, order[claim]))
        group.sort(key=lambda claim: order[claim])
        marks |= {(claim.spot, claim.text): number for claim in group}
        whose = dict.fromkeys(
            claim.words if claim.text == widest.text else f"{claim.words} ({claim.text})" for claim in group
        )
        what = widest.text if widest.network is not None else f"selectors {widest.text}"
        collisions.append(Collision(number, what, tuple(whose)))
    return replace(topology, collisions=tuple(collisions), marks=marks)


def _claims(topology: Topology) -> Iterator[Claim]:
    """Yield what everything has, in the order of the drawing; networks of all addresses collide with nothing in particular."""
    for ni in topology.instances:
        for network, _ in ni.subnets:
            if ni.onlink and network.version == 6:
                continue
            yield Claim(ni.name, Spot("subnet", (ni.name,)), ni.name, network)
    for port in topology.ports:
        # Each port is a stack of its own here: two in one network are a collision, too.
        owner = f"port {port.name}"
        for network in port.networks:
            yield Claim(owner, Spot("port", (port.name,)), owner, network)
    for ni in topology.instances:
        for tunnel in ni.tunnels:
            whose = f"tunnel {tunnel.name} of {ni.name}"
            for network in tunnel.networks:
                yield Claim(ni.name, Spot("tunnel", (ni.name, tunnel.name)), whose, network)
            for end in tunnel.ends:
                for network in end.networks:
                    spot = Spot("end", (ni.name, tunnel.name, end.name))
                    if network.prefixlen:
                        yield Claim(ni.name, spot, f"behind {end.name} of {ni.name}", network)
                for child, selectors in end.selectors:
                    spot = Spot("selectors", (ni.name, tunnel.name, child))
                    yield Claim(ni.name, spot, f"{end.name} of {ni.name}", selectors=selectors)


def _trees(claims: Iterable[Claim]) -> Iterator[list[Claim]]:
    """Yield claims whose networks lie in each other, together."""
    group: list[Claim] = []
    widest: IPNetwork | None = None
    # A prefix comes right before all that lie in it.
    for claim in sorted(claims, key=_place):
        assert claim.network is not None
        if widest is None or claim.network.version != widest.version or not claim.network.overlaps(widest):
            if group:
                yield group
            group, widest = [], claim.network
        group.append(claim)
    if group:
        yield group


def _place(claim: Claim) -> tuple[int, int, int]:
    network = claim.network
    assert network is not None
    return network.version, int(network.network_address), network.prefixlen


def _alike(claims: Iterable[Claim]) -> Iterator[list[Claim]]:
    """Yield claims with the same traffic selectors, together."""
    same: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.selectors:
            same.setdefault(claim.selectors, []).append(claim)
    yield from same.values()


def numbers(
    marks: Mapping[tuple[Spot, str], int], spot: Spot, networks: Iterable[IPNetwork]
) -> tuple[int, ...]:
    """Return the collisions in which a spot is with any of its networks, each once."""
    found = (marks.get((spot, str(network))) for network in networks)
    return tuple(dict.fromkeys(number for number in found if number is not None))
