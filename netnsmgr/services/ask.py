"""A child in an instance's namespace that looks up what ``netnsmgr why`` and ``describe`` need to know.

``python -I -m netnsmgr.services.ask NETNS``; asked by one line of JSON, it answers by one and goes on.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from dnslib import QTYPE, DNSError, DNSRecord

from netnsmgr.core.agreed import FILTER
from netnsmgr.errors import NetnsmgrError
from netnsmgr.kernel.inside import answer, asked, serve
from netnsmgr.kernel.nft_sets import read

TIMEOUT, TRIES = 2.0, 2
"""Seconds for a DNS answer, and how often it is asked for, as resolvers do."""


def main(netns: str) -> None:
    """Answer until nobody asks any more."""
    serve(netns)
    while True:
        try:
            question = asked()
        except EOFError:
            return
        try:
            answer(_answer(question))
        except NetnsmgrError as error:
            answer({"error": str(error)})


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "names" in question:
        # Before the sets are read: the servers put into them what they answer.
        found["addresses"] = resolve(question["names"], question["server"], question.get("types", ["A"]))
    if "sets" in question:
        # A set that is not there yet is empty.
        found["sets"] = {name: read("inet", FILTER, name) or {} for name in question["sets"]}
    return found


def resolve(names: Sequence[str], server: str, types: Sequence[str] = ("A",)) -> list[str] | None:
    """Return the addresses of the first of these names that has any, by record types (A, AAAA); None if none has.

    Raises ``NetnsmgrError`` when the server does not answer or fails, for all types: some know but one.
    """
    for name in names:
        found, failed = [], None
        for kind in types:
            try:
                found += _ask(name, server, kind)
            except NetnsmgrError as error:
                failed = error
        if found:
            return found
        if failed is not None:
            raise failed
    return None


def _ask(name: str, server: str, kind: str) -> list[str]:
    question = DNSRecord.question(name, kind)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    for _ in range(TRIES):
        with socket.socket(family, socket.SOCK_DGRAM) as door:
            door.settimeout(TIMEOUT)
            try:
                door.connect((server, 53))
                door.send(question.pack())
                said = DNSRecord.parse(door.recv(4096))
            except TimeoutError:
                continue
            except (OSError, DNSError) as error:
                raise NetnsmgrError(f"the instance's DNS server {server} cannot be asked: {error}") from None
        if said.header.rcode not in {0, 3}:
            raise NetnsmgrError(
                f"the instance's DNS server {server} could not find out about {name} (code {said.header.rcode}); "
                "does it reach its own servers?"
            )
        wanted = getattr(QTYPE, kind)
        return [str(ip_address(str(each.rdata))) for each in said.rr if each.rtype == wanted]
    raise NetnsmgrError(f"the instance's DNS server {server} does not answer")


if __name__ == "__main__":
    main(sys.argv[1])
