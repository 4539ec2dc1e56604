"""What a port of the device was like before a switch got it, written into the link's own alias.

The alias goes where the link goes, so that whoever looks next knows.  But an alias says only who had CAP_NET_ADMIN over
the link: the root of a container writes what it likes on a NIC that it has for a while, or in a namespace that has a
switch's name.  So a record carries a seal that only this device's netnsmgr can make.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import NamedTuple, Self

from netnsmgr.items.system import LinkInfo, System

RECORD = "netnsmgr-port:"
"""Begins the alias of a port that is not as it was found.  Not ``netnsmgr:``, which says "made by us"."""
ALIAS_BYTES = 255
"""What the kernel keeps of an alias (``IFALIASZ`` of linux/if.h, with the terminating zero)."""
SEAL_DIGITS = 16


class Record(NamedTuple):
    """A port as it was found; MTU in bytes, ``alias`` is the one that somebody else gave to it.

    ``instance`` is the switch in whose namespace it is, and empty for one that only shares it.
    """

    instance: str
    name: str
    up: bool
    mtu: int
    mac: str
    ipv6: bool
    alias: str

    @classmethod
    def found(cls, info: LinkInfo, instance: str, *, ipv6: bool = False) -> Self:
        """Note how a port is now, before ``instance`` gets it; ``ipv6``: whether that is on."""
        return cls(instance, info.name, info.up, info.mtu, info.mac, ipv6, info.alias)

    @classmethod
    def of(cls, info: LinkInfo, key: bytes) -> Self | None:
        """Read what is on record of a port; None where nothing is, or what is there was not sealed with ``key``."""
        if not info.alias.startswith(RECORD):
            return None
        seal, _, content = info.alias.removeprefix(RECORD).partition(":")
        if not hmac.compare_digest(_bytes(seal), _bytes(_seal(content, info, key))):
            return None
        known = json.loads(content)
        return cls(*(known[field] for field in cls._fields))

    @property
    def content(self) -> str:
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":"))

    def sealed(self, info: LinkInfo, key: bytes) -> str:
        """Return the alias that says so of this link, and of no other; it may be longer than ``ALIAS_BYTES``."""
        return f"{RECORD}{_seal(self.content, info, key)}:{self.content}"


def _seal(content: str, info: LinkInfo, key: bytes) -> str:
    # With the kind and the address that the hardware was made with, which nobody can change and which are the same in
    # all namespaces: who has read one port's record cannot put it on another link.
    text = f"{info.kind}\0{info.permanent}\0{content}"
    return hmac.new(key, _bytes(text), hashlib.sha256).hexdigest()[:SEAL_DIGITS]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def fits(record: Record) -> bool:
    """Say whether the kernel keeps the whole record."""
    return len(_bytes(f"{RECORD}:{record.content}")) + SEAL_DIGITS <= ALIAS_BYTES


def claims(info: LinkInfo) -> bool:
    """Say whether a link has what looks like a record, whoever wrote it."""
    return info.alias.startswith(RECORD)


def on_record(info: LinkInfo, system: System) -> Record | None:
    """Read what is on record of a port; the key is looked for only if there is something to read."""
    return Record.of(info, system.port_key) if claims(info) else None
