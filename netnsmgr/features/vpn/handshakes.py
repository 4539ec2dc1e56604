"""How peers of WireGuard stand, from what its interfaces say at each look: pure, with clocks given.

WireGuard tells nothing by itself and knows no connections: there is only the time of the last handshake, and what was
sent and received.  A session ends 180 s after its handshake; one in use is renewed after 120 s (WireGuard's paper, 6.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from netnsmgr.items.wireguard import Peer, PeerSeen

REJECT_AFTER = 180.0
"""Seconds for which a handshake is good (REJECT_AFTER_TIME)."""
PATIENCE, LAST_PATIENCE = 15.0, 120.0
"""Seconds until a peer that does not answer is looked for at its next address, or called again: three tries of WireGuard's
at first (REKEY_TIMEOUT is 5 s), then more and more."""

SETTLED = 3.0
"""Seconds after which a peer has been looked for where it should be, or cannot be."""

UP, IDLE, CONNECTING, DOWN = "up", "idle", "connecting", "down"


@dataclass
class PeerWatch:
    """One peer over time.

    `up`: its last handshake is good.  `connecting`: we know where it is, and there never was one.  `down`: there was, and
    now somebody tries in vain.  `idle`: none is good and nothing is wrong: a peer without endpoint sleeps, or nobody has
    anything to send and there is no keepalive.
    """

    state: str = IDLE
    place: str = ""
    """Where it has to be looked for instead of where it was heard of last; empty: there."""
    knock: bool = False
    """Whether a handshake has to be begun, as nobody else does."""
    seen: PeerSeen | None = None
    _placed: float = 0.0
    _candidates: tuple[str, ...] | None = None
    _handshake: tuple[int, float] = (0, 0.0)
    _tried: float | None = None
    _knocked: float | None = None
    _patience: float = PATIENCE
    _good: bool = True

    def look(self, want: Peer, seen: PeerSeen | None, *, called: bool, now: float, wall: float) -> None:
        """Take in what is seen; ``called``: we have to call it, for it has an endpoint, whether or not that is known.

        ``now`` never jumps, ``wall`` is the clock by which handshakes are told; both in seconds.
        """
        before, self.seen, self.knock = self.seen, seen, False
        if seen is None:
            self.state = CONNECTING if called else IDLE
            return
        good = self._is_good(seen, now, wall)
        sending = seen.tx > (before.tx if before is not None else 0)
        self.state = self._judged(want, seen, called=called, good=good, sending=sending)
        self._good = good
        self._renamed(want, seen, now)
        if self.state not in (CONNECTING, DOWN):
            self._tried, self._patience, self._knocked = now, PATIENCE, None
        elif want.endpoints:
            self._seek(want, seen, now)
            self._call(want, seen, now, sending=sending)
        settled = self.place == seen.endpoint or now - self._placed >= SETTLED
        if self.place and (settled or self.place not in want.endpoints):
            # It may be back where it was already: what it sends from there counts more than its name.
            self.place = ""

    def _is_good(self, seen: PeerSeen, now: float, wall: float) -> bool:
        if seen.handshake != self._handshake[0]:
            # Its age once, by the clock it was told by; from then on by one that nobody sets.
            self._handshake = seen.handshake, now - max(0.0, wall - seen.handshake)
        return seen.handshake > 0 and now - self._handshake[1] < REJECT_AFTER

    def _judged(self, want: Peer, seen: PeerSeen, *, called: bool, good: bool, sending: bool) -> str:
        if good:
            return UP
        if not called:
            return IDLE
        if not seen.handshake:
            return CONNECTING
        # What was sent while the last session was good says nothing.
        in_vain = sending and not self._good
        return DOWN if want.keepalive or in_vain or self.state == DOWN else IDLE

    def _renamed(self, want: Peer, seen: PeerSeen, now: float) -> None:
        """Go where the peer's name says that it is now; who has roamed since is found again by its own packets."""
        known, self._candidates = self._candidates, want.endpoints
        if (
            known is not None
            and known != want.endpoints
            and want.endpoints
            and seen.endpoint not in want.endpoints
        ):
            self._go(want.endpoints[0], now)

    def _seek(self, want: Peer, seen: PeerSeen, now: float) -> None:
        """Look for it at its next address when it has not answered for a while."""
        if self._tried is None:
            self._tried = now
        if now - self._tried < self._patience:
            return
        options = want.endpoints
        after = options.index(seen.endpoint) + 1 if seen.endpoint in options else 0
        self._go(options[after % len(options)], now)
        self._patience = min(self._patience * 2, LAST_PATIENCE)

    def _go(self, place: str, now: float) -> None:
        self.place, self._placed, self._tried, self._knocked = place, now, now, None

    def _call(self, want: Peer, seen: PeerSeen, now: float, *, sending: bool) -> None:
        """Have a handshake begin where neither a keepalive nor somebody's packets do it."""
        there = seen.endpoint and self.place in ("", seen.endpoint)
        due = self._knocked is None or now - self._knocked >= self._patience
        if there and due and not sending:
            self.knock, self._knocked = True, now
