"""Readers of what tunnels are described by: keys, endpoints, algorithms."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from netnsmgr.config import addresses, values
from netnsmgr.core.ip import endpoint as written_endpoint


class Endpoint(NamedTuple):
    """Where a peer is: a host's name or address as written, and its UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return written_endpoint(self.host, self.port)


def host(value: object) -> str:
    """Read a host: an address or a name."""
    written = values.text(value, "vpn.example.com")
    if ":" in written or re.fullmatch(r"[0-9.]+", written):
        return str(addresses.address(written))
    return values.host_name(written)


def endpoint(value: object) -> Endpoint:
    """Read ``host:port``; an IPv6 address stands in brackets."""
    if isinstance(value, Endpoint):
        return value
    written = values.text(value, "vpn.example.com:51820")
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})", written)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise ValueError(
            f"'{written}' must be host:port, for example vpn.example.com:51820 or [2001:db8::1]:51820"
        )
    return Endpoint(host(found[1] or found[2]), int(found[3]))


def wireguard_key(value: object) -> str:
    """Read a public key: 32 bytes in base64."""
    written = values.text(value, "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=")
    try:
        raw = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be a WireGuard key: 44 characters of base64 that end with '='") from None
    if len(raw) != 32:
        raise ValueError(f"is {len(raw)} bytes long; a WireGuard key has 32 (44 characters of base64)")
    if base64.b64encode(raw).decode() != written:
        # As wg(8) does: the last character may say more than 32 bytes mean.
        raise ValueError("is no WireGuard key: its last character is wrong; copy it again")
    return written


def proposal(value: object) -> str:
    """Read a proposal in strongSwan's words."""
    written = values.text(value, "aes256gcm16-prfsha384-ecp384")
    if not re.fullmatch(r"[a-z0-9]+([_-][a-z0-9]+)*", written):
        raise ValueError(
            f"'{written}' must be algorithms joined by '-', for example aes256gcm16-prfsha384-ecp384"
        )
    return written


_IDENTITY = re.compile(r"[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,253}[^\x00-\x20\x7f])?")


def identity(value: object) -> str:
    """Read an identity of IKE (RFC 7296, 3.5) in strongSwan's words."""
    written = values.text(value, "device7.example.com")
    if not _IDENTITY.fullmatch(written):
        raise ValueError(
            "must be one line of at most 255 characters without space at its ends: a name, an address, a mail address "
            'or a distinguished name, for example device7.example.com or "C=DE, O=Example, CN=device7"'
        )
    return written
