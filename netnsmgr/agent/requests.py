"""What applications have asked DHCP servers and nobody has answered yet.  Pure, as `observed` is.

Any host of a segment can send an answer that nobody asked for, and a client throws that away; so nothing is learned of
it here either.  A request is answered once: a client goes by the first answer, too.  Only the request's number
(RFC 2131 `xid`, RFC 8415 `transaction-id`) tells an answer from a forged one, and who hears a request sent to all
knows it; that a host of the segment answers faster than the server is not prevented, here or in the client.

Which server answered is not compared: its id stands in requests sent to all, and in its answers, for everybody to copy.
Nothing outlives the process: what was asked before it came is either asked again soon, or known already.
"""

from __future__ import annotations

from collections.abc import Collection

from netnsmgr.core.observation import Transaction

ANSWER_SECONDS = 60.0
"""How long an answer is waited for.  Clients ask again much sooner (RFC 2131, 4.1: after 4 s, at most 64 s)."""
MOST = 16
"""Open requests of one interface: it may be a trunk with a client in each VLAN.  New ones push out the oldest."""


class Requests:
    """The open requests of each interface, by its id."""

    def __init__(self) -> None:
        self._open: dict[int, dict[Transaction, float]] = {}

    def restrict(self, there: Collection[int]) -> None:
        """Forget those of interfaces that are not there."""
        self._open = {vif: asked for vif, asked in self._open.items() if vif in there}

    def ask(self, vif: int, transaction: Transaction, now: float) -> None:
        """Take in a request; one that is repeated waits for an answer again."""
        asked = self._open.setdefault(vif, {})
        asked.pop(transaction, None)
        if len(asked) >= MOST:
            del asked[next(iter(asked))]
        asked[transaction] = now

    def waits(self, vif: int, transaction: Transaction, now: float) -> bool:
        """Say whether an interface waits for an answer."""
        at = self._open.get(vif, {}).get(transaction)
        return at is not None and now - at <= ANSWER_SECONDS

    def done(self, vif: int, transaction: Transaction) -> None:
        """Take in that a request has been answered."""
        self._open.get(vif, {}).pop(transaction, None)
