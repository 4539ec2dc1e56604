"""What keeps an IPsec connection from coming up, in words that say what to check; read from charon's log lines.

The lines are those of strongSwan 5.9 at level 1 (``libcharon/sa/ikev2``, ``libstrongswan/credentials``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_AUTH = "authentication failed"
_PROPOSAL = "no proposal chosen"
_SELECTORS = "selectors not acceptable"


class Trouble(NamedTuple):
    """One sentence, and how much it tells: within one attempt a lower rank does not hide a higher one."""

    words: str
    rank: int = 0


HIGHEST = 9
"""Rank of what keeps a connection from being tried at all."""
_CERTIFICATE, _SPECIFIC, _PLAIN, _SILENT = 3, 2, 1, 0

_LINES: tuple[tuple[re.Pattern[str], int, str], ...] = tuple(
    (re.compile(pattern), rank, words)
    for pattern, rank, words in (
        # We do not believe the other end.
        (
            r"subject certificate invalid \(valid from (.*) to (.*)\)",
            _CERTIFICATE,
            f"{_AUTH}: the other end's certificate is valid from {{0}} to {{1}} only; check its dates and the device's clock",
        ),
        (
            r"issuer certificate invalid \(valid from (.*) to (.*)\)",
            _CERTIFICATE,
            f"{_AUTH}: the certificate of the authority is valid from {{0}} to {{1}} only; check its dates and the device's clock",
        ),
        (
            r"certificate was revoked",
            _CERTIFICATE,
            f"{_AUTH}: the other end's certificate was revoked",
        ),
        (
            r"no issuer certificate found for \"(.*)\"",
            _CERTIFICATE,
            f"{_AUTH}: the other end's certificate '{{0}}' is not signed by the authority of remoteAuth.ca; check that file",
        ),
        (
            r"no trusted .* public key found for '(.*)'",
            _SPECIFIC,
            f"{_AUTH}: the other end's certificate for '{{0}}' is not trusted; check remoteAuth.certificate or .ca, and .id",
        ),
        (
            r"constraint check failed: identity '(.*)' required",
            _SPECIFIC,
            f"{_AUTH}: the other end does not say that it is '{{0}}'; check remoteAuth.id",
        ),
        (
            r"constraint (?:check failed|requires)[:,]? (.*)",
            _PLAIN,
            f"{_AUTH}: what the other end shows does not do ({{0}}); check remoteAuth",
        ),
        (
            r"tried \d+ shared keys? for '(.*)' - '(.*)', but MAC mismatched",
            _SPECIFIC,
            f"{_AUTH}: the other end '{{1}}' has another secret than the file of psk; check both",
        ),
        (
            r"no shared key found for '(.*)' - '(.*)'",
            _SPECIFIC,
            f"{_AUTH}: there is no secret for '{{0}}' and '{{1}}'; the other end may have another name than remoteAuth.id",
        ),
        (
            r"no private key found for '(.*)'",
            _SPECIFIC,
            f"{_AUTH}: localAuth.privateKey is not the key of the certificate for '{{0}}'; check both files",
        ),
        (
            r"^authentication of '(.*)' \(myself\) failed",
            _PLAIN,
            f"{_AUTH}: we cannot show that we are '{{0}}'; check localAuth",
        ),
        # It does not believe us.
        (
            r"received AUTHENTICATION_FAILED notify",
            _PLAIN,
            f"{_AUTH}: the other end does not accept us; compare secret or certificates, and both ids (its log may say more)",
        ),
        # What both can.
        (
            r"received NO_PROPOSAL_CHOSEN notify error",
            _SPECIFIC,
            f"{_PROPOSAL}: the other end takes none of the connection's proposals (IKE); compare both lists",
        ),
        (
            r"received NO_PROPOSAL_CHOSEN notify, no CHILD_SA",
            _SPECIFIC,
            f"{_PROPOSAL}: the other end takes none of the child's proposals (ESP); compare both lists",
        ),
        (
            r"received proposals? (?:un|in)acceptable|no acceptable proposal found",
            _SPECIFIC,
            f"{_PROPOSAL}: the other end chose algorithms that were not offered",
        ),
        (
            r"received TS_UNACCEPTABLE notify",
            _SPECIFIC,
            f"{_SELECTORS}: the other end does not carry the child's local and remote networks; compare both",
        ),
        (
            r"no acceptable traffic selectors found",
            _SPECIFIC,
            f"{_SELECTORS}: the other end answered with networks that the child has not; compare both",
        ),
        (
            r"received FAILED_CP_REQUIRED notify",
            _SPECIFIC,
            "the other end wants to give us an address; set virtualIp: true",
        ),
        (
            r"received INTERNAL_ADDRESS_FAILURE notify",
            _SPECIFIC,
            "the other end gives us no address; check its pool, or leave virtualIp out",
        ),
        (
            r"received ([A-Z][A-Z_]+) notify error",
            _PLAIN,
            "the other end refuses: {0}; its log says why",
        ),
        (
            r"received ([A-Z][A-Z_]+) notify, no CHILD_SA",
            _PLAIN,
            "the other end refuses the child: {0}; its log says why",
        ),
        # Packets.
        (
            r"error writing to socket: (.*)",
            _PLAIN,
            "no route to the other end ({0}); check the instance's ports",
        ),
        (
            r"retransmit [2-9] of request",
            _SILENT,
            "the other end does not answer; check its address, and that UDP 500 and 4500 get there",
        ),
        (
            r"peer not responding|giving up after (\d+) retransmits",
            _SILENT,
            "the other end does not answer; check its address, and that UDP 500 and 4500 get there",
        ),
        # This machine.
        (
            r"error installing route with policy (\S+) === \S+ out",
            _CERTIFICATE,
            "the instance's gateway is not in the child's local networks ({0}); charon's own ESP (libipsec) needs it there",
        ),
        (
            r"unable to install .*(?:SA|policies).*",
            _SPECIFIC,
            "the machine cannot carry the tunnel: what encrypts for IPsec refuses it (netnsmgr doctor says more)",
        ),
    )
)


def read(line: str) -> Trouble | None:
    """Return what a log line says of a connection that does not come up; None if it says nothing of the kind."""
    for pattern, rank, words in _LINES:
        if found := pattern.search(line):
            return Trouble(words.format(*(part or "" for part in found.groups())), rank)
    return None


def silent(line: str) -> bool:
    """Say whether charon has given up on one attempt because nobody answered; it begins another by itself."""
    return "peer not responding" in line


def begins(line: str) -> bool:
    """Say whether charon begins an association, of which no event tells."""
    return line.startswith("initiating IKE_SA ")
