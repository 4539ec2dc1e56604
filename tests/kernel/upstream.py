"""A DNS server of the outside: answers each question for an address with one made from the name, 20 ms late.

Run as a program: ``python upstream.py ADDRESS``; says ``ready`` on standard output.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from typing import cast

from dnslib import AAAA, QTYPE, RR, A, DNSRecord

DELAY = 0.02
TTL = 300


def address_of(name: str) -> str:
    """The address that a name has."""
    return "198.51." + ".".join(map(str, hashlib.sha256(name.lower().rstrip(".").encode()).digest()[:2]))


def address6_of(name: str) -> str:
    """The IPv6 address that a name has."""
    return f"2001:db8:51::{hashlib.sha256(name.lower().rstrip('.').encode()).digest()[0] + 1:x}"


class Server(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        asked = DNSRecord.parse(data)
        answer = asked.reply()
        if asked.q.qtype == QTYPE.A:
            answer.add_answer(RR(asked.q.qname, QTYPE.A, rdata=A(address_of(str(asked.q.qname))), ttl=TTL))
        if asked.q.qtype == QTYPE.AAAA:
            found = AAAA(address6_of(str(asked.q.qname)))
            answer.add_answer(RR(asked.q.qname, QTYPE.AAAA, rdata=found, ttl=TTL))
        asyncio.get_running_loop().call_later(DELAY, self.transport.sendto, answer.pack(), peer)


async def serve(address: str) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=(address, 53))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
