"""Which instance has which part of the prefixes that the ports' networks delegate: a /64 each, as steady as can be.

An instance keeps its part for as long as that is delegated, whoever comes and goes.  After a change of the delegated
prefix it gets the part with the same number, and the former part ends: at once for new flows, for good after two hours
at most (RFC 9096, 3.4 and 3.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from netnsmgr.features.nets import Delegated

PART = 64
"""Length of an instance's prefix: hosts make their own addresses in it (RFC 4291, 2.5.1)."""
FORMER_SECONDS = 7200
"""For how long at most a prefix goes on that is delegated no more."""


@dataclass(frozen=True)
class Share:
    """What an instance has of a port's prefixes: the part with this ``number``, and the ``parts`` that it replaced.

    ``parts`` begins with the present one.  It is empty after a reboot, until the network has delegated something again.
    """

    port: str
    number: int
    parts: tuple[Delegated, ...] = ()


Shares = Mapping[str, Share]
"""By the instance's name."""
Offers = Mapping[str, Sequence[Delegated]]
"""What is delegated to a port, by the port's name; a port that nobody has answered is missing."""


def share_out(
    shares: Shares, wants: Mapping[str, Sequence[str]], offers: Offers, now: int
) -> tuple[dict[str, Share], dict[str, str]]:
    """Return what each instance has now, and why an instance has nothing.

    ``wants`` names the instances and the ports that each may use, the first first; ``now`` is in seconds since the
    device's start, as all times are.
    """
    # Whoever wants none any more leaves room at once.
    found = {name: share for name, share in shares.items() if name in wants}
    reasons = {}
    for name, ports in wants.items():
        share = _lasting(found.get(name), now)
        home = _home(share, ports, offers)
        if share is not None and home is not None and _preferred(home, now):
            found[name] = _refreshed(share, home)
            continue
        fresh = next(_free(name, ports, offers, found, now), None)
        if fresh is not None and (home is None or _preferred(fresh[2], now)):
            found[name] = _moved(share, *fresh, now)
        elif share is not None and share.parts:
            # Nothing better: it goes on until its end.  Where the port has other prefixes now, that is near.
            withdrawn = home is None and (share.port in offers or share.port not in ports)
            kept = _refreshed(share, home) if home is not None else share
            found[name] = replace(kept, parts=_ended(kept.parts, now)) if withdrawn else kept
        else:
            if share is None:
                found.pop(name, None)
            else:
                found[name] = share
            reasons[name] = _why_not(ports, offers, found, name)
    return found, reasons


def ends(shares: Shares) -> Iterator[int]:
    """Yield the moments at which a part ends."""
    for share in shares.values():
        yield from (end for part in share.parts if (end := part.valid_until))


def _lasting(share: Share | None, now: int) -> Share | None:
    if share is None:
        return None
    return replace(share, parts=tuple(part for part in share.parts if _later(part.valid_until, now)))


def _later(end: int, now: int) -> bool:
    return end == 0 or end > now


def _preferred(offer: Delegated, now: int) -> bool:
    return _later(offer.preferred_until, now)


def _home(share: Share | None, ports: Sequence[str], offers: Offers) -> Delegated | None:
    """Return the delegated prefix that the present part is of."""
    if share is None or not share.parts or share.port not in ports:
        return None
    part = share.parts[0].prefix
    return next((each for each in offers.get(share.port, ()) if part.subnet_of(each.prefix)), None)


def _refreshed(share: Share, home: Delegated) -> Share:
    part = replace(home, prefix=share.parts[0].prefix)
    return replace(share, parts=(part, *share.parts[1:]))


def _free(
    name: str, ports: Sequence[str], offers: Offers, shares: Shares, now: int
) -> Iterator[tuple[str, int, Delegated]]:
    """Yield port, number and prefix of the parts that the instance can have, the best first."""
    share = shares.get(name)
    # The port that it has been at comes first, so that one which is away for a moment does not move everybody twice.
    order = sorted(ports, key=lambda port: share is None or port != share.port)
    for port in order:
        for offer in sorted(offers.get(port, ()), key=lambda each: not _preferred(each, now)):
            if offer.prefix.prefixlen > PART or not _later(offer.valid_until, now):
                continue
            taken = {each.number for other, each in shares.items() if other != name and each.port == port}
            room = _room(offer.prefix)
            if share is not None and share.port == port and share.number < room and share.number not in taken:
                yield port, share.number, offer
            elif (number := next((n for n in range(len(taken) + 1) if n not in taken), 0)) < room:
                yield port, number, offer


def _room(prefix: IPv6Network) -> int:
    return 1 << (PART - prefix.prefixlen)


def _moved(share: Share | None, port: str, number: int, offer: Delegated, now: int) -> Share:
    prefix = IPv6Network((int(offer.prefix.network_address) + (number << (128 - PART)), PART))
    former = () if share is None else _ended(share.parts, now)
    parts = (replace(offer, prefix=prefix), *(part for part in former if part.prefix != prefix))
    return Share(port, number, parts)


def _ended(parts: Sequence[Delegated], now: int) -> tuple[Delegated, ...]:
    return tuple(
        Delegated(
            part.prefix, _sooner(part.preferred_until, now), _sooner(part.valid_until, now + FORMER_SECONDS)
        )
        for part in parts
    )


def _sooner(end: int, limit: int) -> int:
    return min(end, limit) if end else limit


def _why_not(ports: Sequence[str], offers: Offers, shares: Shares, name: str) -> str:
    """Return a sentence's end: what of a prefix is waited for."""
    for port in ports:
        for offer in offers.get(port, ()):
            if offer.prefix.prefixlen > PART:
                return f"prefix of port {port} (delegated {offer.prefix} is longer than /{PART}, and cannot be divided)"
            room = _room(offer.prefix)
            have = sorted(other for other, each in shares.items() if each.port == port and other != name)
            who = f"{', '.join(have)} {'has it' if len(have) == 1 else 'have them'}"
            return (
                f"prefix of port {port} (delegated {offer.prefix} has room for {room} "
                f"instance{'s' * (room > 1)}; {who})"
            )
    if not ports:
        return "prefix (no port of the instance is there)"
    # Every port that an instance wants a prefix from asks for it, with 'dhcp6' or without.
    answer = "the answer has none" if any(port in offers for port in ports) else "no answer yet"
    return f"prefix of port {' or '.join(ports)} (asked for by DHCPv6; {answer})"
