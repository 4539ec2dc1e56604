"""Which addresses the applications on a switch have, how that became known, and until when.  Pure: the clock comes with
each call, in seconds of one that does not jump.

An address has one holder.  What a DHCP server has given is its client's until the lease ends, is given back or refused;
nobody's word counts against it, nor need its client say anything.  What an application says of itself (ARP, neighbour
discovery) counts for who says it first, and is forgotten

- after ``LAPSE_SECONDS`` without a sign; for half of them nobody is asked, then once in ``ASK_SECONDS``;
- when another one says so too, and the holder does not answer;
- when it was only about to be taken, and whoever wanted it does not answer soon;
- when its interface has said ``MOST`` others (``MOST_LINK_LOCAL`` link-local ones) since.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from typing import Any, NamedTuple

from netnsmgr.agent.allowances import CLAIMED, GRANTED, TOLD, Allowances
from netnsmgr.agent.requests import Requests
from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import MAPPED, IPAddress
from netnsmgr.core.observation import Answer, Claim, Grant, Observation, Refusal, Request, Return, Servers

MOST, MOST_LINK_LOCAL = 16, 4
"""Addresses of one interface, of both versions together; those of leases are the last that make room."""
LAPSE_SECONDS, QUIET_SECONDS, ASK_SECONDS = 600.0, 300.0, 60.0
"""Ten minutes are EVE's."""
GATHER_SECONDS = 30.0
"""What is due so soon is asked about together."""
TENTATIVE_SECONDS, TENTATIVE_ASK = 15.0, 3.0
"""Duplicate address detection takes a second or two; nobody answers before."""
RIVAL_SECONDS, RIVAL_ASK = 3.5, 1.0
RETURN_SECONDS, RETURN_ASK = 90.0, 20.0
"""After a time in which nobody listened."""
TOGETHER = 32
"""Whom to ask at once."""
NOBODYS = frozenset(map(ip_address, (METADATA, *METADATA6)))


@dataclass(frozen=True)
class Entry:
    """Who has an address, how that is known (``dhcp``, ``dhcp6``, ``arp``, ``nd``), and when it will be forgotten."""

    vif: int
    source: str
    since: float
    lapses: float
    """Of a lease its end, ``math.inf`` if there is none."""
    client: str = ""
    tag: int = 0
    due: float = math.inf
    pause: float = ASK_SECONDS
    rival: Claim | None = None

    @property
    def leased(self) -> bool:
        """Whether a server has given it."""
        return self.source in ("dhcp", "dhcp6")


class Question(NamedTuple):
    """Somebody to be asked whether he has an address."""

    vif: int
    tag: int
    address: IPAddress


class Book:
    """The addresses and who has them."""

    def __init__(self, record: Mapping[str, Any] | None = None, now: float = 0.0) -> None:
        self._there: Collection[int] = ()
        self._entries: dict[IPAddress, Entry] = {}
        self._told: dict[tuple[int, int], tuple[IPAddress, ...]] = {}
        self._requests = Requests()
        self._allowances = Allowances()
        for row in (record or {}).get("addresses", ()):
            lease = row["source"].startswith("dhcp")
            until = math.inf if row["until"] is None else row["until"]
            self._entries[ip_address(row["address"])] = Entry(
                row["vif"],
                row["source"],
                row["since"],
                until if lease else now + RETURN_SECONDS,
                row["client"],
                row["tag"],
                # Nobody was there to hear of them.
                math.inf if lease else now,
                RETURN_ASK,
            )
        for vif, servers in (record or {}).get("dns", ()):
            addresses = tuple(map(ip_address, servers))
            self._told[vif, addresses[0].version] = addresses

    def record(self) -> dict[str, Any]:
        """Return what outlives the process."""
        addresses = [
            {
                "address": str(address),
                "vif": entry.vif,
                "source": entry.source,
                "since": entry.since,
                "until": entry.lapses if entry.leased and math.isfinite(entry.lapses) else None,
                "client": entry.client,
                "tag": entry.tag,
            }
            for address, entry in self._entries.items()
        ]
        return {
            "addresses": addresses,
            "dns": [[vif, list(map(str, servers))] for (vif, _), servers in self._told.items()],
        }

    @property
    def entries(self) -> Mapping[IPAddress, Entry]:
        """Return who has which address."""
        return self._entries

    @property
    def told(self) -> dict[int, tuple[IPAddress, ...]]:
        """Return the DNS servers that DHCP has told, by the interfaces' ids; those of IPv4 first."""
        found: dict[int, tuple[IPAddress, ...]] = {}
        for (vif, _), servers in sorted(self._told.items(), key=lambda pair: pair[0]):
            found[vif] = found.get(vif, ()) + servers
        return found

    # -- What is said --------------------------------------------------------------------------------------

    def restrict(self, there: Collection[int]) -> None:
        """Take in which interfaces there are, and forget what was known of others."""
        self._there = there
        self._entries = {
            address: replace(e, rival=e.rival if e.rival is not None and e.rival.vif in there else None)
            for address, e in self._entries.items()
            if e.vif in there
        }
        self._told = {key: servers for key, servers in self._told.items() if key[0] in there}
        self._allowances.restrict(there)
        self._requests.restrict(there)

    def take(self, said: Observation, now: float) -> None:
        """Take in what a packet said."""
        if said.vif not in self._there:
            return
        match said:
            case Claim():
                self._claimed(said, now)
            case Request():
                self._requests.ask(said.vif, said.transaction, now)
            case Answer() if self._requests.waits(said.vif, said.transaction, now):
                self._answered(said, now)
            case Return():
                held = self._entries.get(said.address)
                self._forget([said.address] if held is not None and held.vif == said.vif else [])

    def _answered(self, said: Answer, now: float) -> None:
        for told in said.told:
            match told:
                case Grant():
                    self._granted(told, now)
                case Servers():
                    self._tell(told, now)
                case Refusal():
                    self._forget(
                        a
                        for a, e in self._entries.items()
                        if (e.vif, e.source, e.client) == (told.vif, "dhcp", told.client)
                    )
        # Of two servers one may refuse what the other one gives.
        if not all(isinstance(told, Refusal) for told in said.told):
            self._requests.done(said.vif, said.transaction)

    def _tell(self, said: Servers, now: float) -> None:
        servers = tuple(a for a in said.addresses if usable(a))
        if not servers or self._told.get((said.vif, servers[0].version)) == servers:
            return
        # What is too much now is told again by the next renewal.
        if self._allowances.spend(said.vif, TOLD, now):
            self._told[said.vif, servers[0].version] = servers

    def _claimed(self, said: Claim, now: float) -> None:
        held = self._entries.get(said.address)
        if held is not None and held.vif == said.vif:
            if not held.leased and not said.tentative:
                self._entries[said.address] = _confirmed(held, said, now)
            return
        if held is not None and (held.leased or held.rival is not None):
            return  # nothing is taken in of this, so it is not counted either
        if not usable(said.address) or not self._allowances.spend(said.vif, CLAIMED, now):
            return
        if held is None:
            self._enter(said.address, _new(said, now), now)
            return
        # He is asked at once; whoever was there a moment ago may just have gone.
        self._entries[said.address] = replace(
            held, rival=said, due=now, pause=RIVAL_ASK, lapses=now + RIVAL_SECONDS
        )

    def _granted(self, said: Grant, now: float) -> None:
        if not usable(said.address) or not self._allowances.spend(said.vif, GRANTED, now):
            return
        held = self._entries.get(said.address)
        if said.seconds == 0:
            self._forget([said.address] if held is not None and held.vif == said.vif else [])
            return
        source = "dhcp" if said.address.version == 4 else "dhcp6"
        if source == "dhcp":
            # A client has one address; with another one it has left the former.
            mine = (said.vif, source, said.client)
            self._forget(
                a
                for a, e in self._entries.items()
                if (e.vif, e.source, e.client) == mine and a != said.address
            )
        same = held is not None and (held.vif, held.source) == (said.vif, source)
        since = held.since if held is not None and same else now
        until = math.inf if said.seconds is None else now + said.seconds
        self._enter(said.address, Entry(said.vif, source, since, until, said.client), now)

    def _enter(self, address: IPAddress, entry: Entry, now: float) -> None:
        local = address.is_link_local
        own = {
            a: e
            for a, e in self._entries.items()
            if e.vif == entry.vif and a.is_link_local == local and a != address
        }
        if len(own) >= (MOST_LINK_LOCAL if local else MOST):
            last = min(own, key=lambda a: (own[a].leased, own[a].since))
            if own[last].leased and not entry.leased:
                return
            self._forget([last])
        self._entries[address] = entry

    def _forget(self, addresses: Iterable[IPAddress]) -> None:
        for address in list(addresses):
            del self._entries[address]

    # -- What time does ------------------------------------------------------------------------------------

    def next_look(self) -> float | None:
        """Return when somebody is to be asked, or something will be forgotten."""
        moment = min((min(e.due, e.lapses) for e in self._entries.values()), default=math.inf)
        return None if math.isinf(moment) else moment

    def look(self, now: float) -> list[Question]:
        """Forget what is over, and return whom to ask now."""
        for address, entry in list(self._entries.items()):
            if entry.lapses <= now and address in self._entries:
                self._forget([address])
                if entry.rival is not None:
                    self._enter(address, _new(entry.rival, now), now)
        asked: list[Question] = []
        if not any(entry.due <= now for entry in self._entries.values()):
            return asked
        for address, entry in self._entries.items():
            soon = now + (GATHER_SECONDS if entry.pause >= ASK_SECONDS else 0)
            if entry.due <= soon and len(asked) < TOGETHER:
                asked.append(Question(entry.vif, entry.tag, address))
        for question in asked:
            entry = self._entries[question.address]
            self._entries[question.address] = replace(entry, due=now + entry.pause)
        return asked


def usable(address: IPAddress) -> bool:
    """Say whether it is an address that a host may have."""
    if address.is_multicast or address.is_unspecified or address.is_loopback or address in NOBODYS:
        return False
    if isinstance(address, IPv4Address):
        return int(address) >> 24 != 0 and not address.is_reserved
    return address not in MAPPED


def _new(said: Claim, now: float) -> Entry:
    source = "arp" if said.address.version == 4 else "nd"
    fresh = Entry(said.vif, source, now, now, tag=said.tag)
    if said.tentative:
        return replace(fresh, lapses=now + TENTATIVE_SECONDS, due=now + TENTATIVE_ASK, pause=TENTATIVE_ASK)
    return _confirmed(fresh, said, now)


def _confirmed(entry: Entry, said: Claim, now: float) -> Entry:
    return replace(
        entry,
        lapses=now + LAPSE_SECONDS,
        due=now + QUIET_SECONDS,
        pause=ASK_SECONDS,
        rival=None,
        tag=said.tag,
    )
