"""WireGuard interfaces as they are set from inside the namespace: keys, port, mark, peers.

Needs no mark of ownership: only wanted interfaces are looked at; whose the link is, its maker knows.
Secrets are named by their files: an item never holds one, and what is found is compared where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Protocol

from netnsmgr.core.ip import IPNetwork
from netnsmgr.core.item import Item, Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.link import link_ref
from netnsmgr.items.system import KernelItem, System

PROGRAM = "wg"
OTHER = "(another)"
"""What stands for the file of a key that is not the file's."""


class PeerSeen(NamedTuple):
    """A peer as WireGuard has it (``wg show … dump``); times are seconds since the epoch, 0 for never."""

    public_key: str
    preshared: str
    """A fingerprint of the preshared key, to be compared with ``Wireguards.fingerprint``; empty for none."""
    endpoint: str
    allowed_ips: tuple[IPNetwork, ...]
    handshake: int
    rx: int
    tx: int
    keepalive: int


class WireguardSeen(NamedTuple):
    """An interface as WireGuard has it."""

    private: str
    """A fingerprint of the private key; empty for none."""
    public_key: str
    listen_port: int
    fwmark: int
    peers: tuple[PeerSeen, ...]


class PeerChange(NamedTuple):
    """What is to be changed of a peer; what is None stays."""

    public_key: str
    remove: bool = False
    preshared: str | None = None
    """The file; empty: no preshared key any more."""
    endpoint: str | None = None
    keepalive: int | None = None
    allowed_ips: tuple[IPNetwork, ...] | None = None


class Wireguards(Protocol):
    """WireGuard's own settings of interfaces, by the names that its ``wg`` knows them by."""

    async def seen(self, door: str) -> WireguardSeen | None: ...
    async def change(
        self,
        door: str,
        *,
        private_key: str | None = None,
        listen_port: int | None = None,
        fwmark: int | None = None,
        peers: Sequence[PeerChange] = (),
    ) -> None: ...
    def fingerprint(self, path: str) -> str: ...
    async def generate(self, path: str) -> None: ...


@dataclass(frozen=True)
class Peer:
    """Another end; keepalive in seconds, 0 for none."""

    public_key: str
    allowed_ips: tuple[IPNetwork, ...] = ()
    preshared: str = ""
    """File of the preshared key."""
    endpoints: tuple[str, ...] = ()
    """Where it may be: the first is where to begin, and any place where it was heard of since is fine."""
    at: str = ""
    """Where it has to be looked for now, wherever it was before."""
    keepalive: int = 0
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Wireguard(KernelItem):
    """Keys and peers of the interface called ``name``; sessions of peers that stay as they are go on."""

    kind: ClassVar[str] = "wireguard"
    name: str
    private_key: str
    """File of the private key."""
    listen_port: int | None = None
    """UDP port; None for whichever it has."""
    fwmark: int = 0
    peers: tuple[Peer, ...] = ()
    """By their public keys."""
    door: str = field(default="", compare=False)
    """The name that ``wg`` knows the interface by: of wireguard-go that of its birth, for ever."""
    generated: bool = field(default=False, compare=False)
    """Whether the private key is ours to make."""

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return frozenset({link_ref(self.name)})

    @classmethod
    async def observe(cls, system: System, wanted: Mapping[str, Item]) -> Iterable[Item]:
        found = []
        for want in wanted.values():
            assert isinstance(want, Wireguard)
            if want.name in await system.rtnl.links():
                seen = await system.wireguards.seen(want.door)
                if seen is not None and seen.private:
                    found.append(want.found(seen, system.wireguards))
        return found

    def must_replace(self, old: Item) -> bool:
        return False

    async def create(self, system: System) -> None:
        """Bring what WireGuard has to this, whatever it has."""
        system.processes.require(PROGRAM)
        door = system.wireguards
        if self.generated:
            await door.generate(self.private_key)
        seen = await door.seen(self.door)
        if seen is None:
            raise KernelError(f"WireGuard interface {self.name} does not answer `wg` ({self.door})")
        old = self.found(seen, door)
        await door.change(
            self.door,
            private_key=self.private_key if old.private_key != self.private_key else None,
            listen_port=self.listen_port if old.listen_port != self.listen_port else None,
            fwmark=self.fwmark if old.fwmark != self.fwmark else None,
            peers=changes(old.peers, self.peers),
        )
        await self._own_key(system)

    async def modify(self, old: Item, system: System) -> None:
        await self.create(system)

    async def delete(self, system: System) -> None:
        """Nothing: it goes with the link."""

    async def _own_key(self, system: System) -> None:
        """Refuse a peer that WireGuard has just left out without a word: its key is that of the interface itself."""
        seen = await system.wireguards.seen(self.door)
        for peer in self.peers:
            if seen is not None and peer.public_key == seen.public_key:
                raise KernelError(
                    f"peer {peer.name or peer.public_key} of {self.name} has the public key of {self.name} itself: write "
                    f"the other end's into the document"
                )

    def found(self, seen: WireguardSeen, door: Wireguards) -> Wireguard:
        """Return what WireGuard has in the terms of what is wanted, so that only real differences show."""
        wanted = {peer.public_key: peer for peer in self.peers}
        return replace(
            self,
            private_key=self.private_key if door.fingerprint(self.private_key) == seen.private else OTHER,
            listen_port=seen.listen_port if self.listen_port is not None else None,
            fwmark=seen.fwmark,
            peers=tuple(
                sorted((_found(peer, wanted.get(peer.public_key), door) for peer in seen.peers), key=_by_key)
            ),
        )


def _by_key(peer: Peer) -> str:
    return peer.public_key


def _found(seen: PeerSeen, want: Peer | None, door: Wireguards) -> Peer:
    if want is None:
        return Peer(seen.public_key, seen.allowed_ips)
    # Where it has no file there is nothing to compare with, and none there is as good as none wanted.
    same = seen.preshared == (door.fingerprint(want.preshared) if want.preshared else "")
    return replace(
        want,
        allowed_ips=want.allowed_ips if set(want.allowed_ips) == set(seen.allowed_ips) else seen.allowed_ips,
        preshared=want.preshared if same else OTHER,
        endpoints=want.endpoints if seen.endpoint else (),
        at=want.at if want.at in ("", seen.endpoint) else seen.endpoint or OTHER,
        keepalive=seen.keepalive,
    )


def changes(old: Iterable[Peer], new: Iterable[Peer]) -> list[PeerChange]:
    """Return what makes the old peers the new ones; peers that stay as they are do not occur in it."""
    before, after = {each.public_key: each for each in old}, {each.public_key: each for each in new}
    # Those that go first: networks of theirs may be others' now.
    found = [PeerChange(key, remove=True) for key in sorted(before.keys() - after.keys())]
    for key, want in sorted(after.items()):
        have = before.get(key, Peer(key))
        if key in before and have == want:
            continue
        moved = want.at != have.at or want.endpoints != have.endpoints
        found.append(
            PeerChange(
                key,
                preshared=want.preshared if want.preshared != have.preshared else None,
                endpoint=(want.at or next(iter(want.endpoints), "")) or None if moved else None,
                keepalive=want.keepalive if want.keepalive != have.keepalive else None,
                allowed_ips=want.allowed_ips if want.allowed_ips != have.allowed_ips else None,
            )
        )
    return found
