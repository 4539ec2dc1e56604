"""What tunnels take of a packet: the largest that still fits into one of the way below."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from netnsmgr.core.ip import IPAddress, Version

IP_HEADER: dict[Version, int] = {4: 20, 6: 40}
UDP_HEADER = 8
WIREGUARD = 32
"""Header of a data message (type, receiver, counter: 16 bytes) and its authentication (16)."""
ESP_HEADER = 8
"""SPI and sequence number (RFC 4303, 2)."""
ESP_TRAILER = 2
"""Length of the padding and next header (RFC 4303, 2)."""
ESP_ALIGNMENT = 4


class Cipher(NamedTuple):
    """What an encryption adds, in bytes; ``icv`` is 0 for one that does not authenticate."""

    iv: int
    block: int
    icv: int


WORST = Cipher(16, 16, 0)
"""Of an algorithm that is not known here: no initialisation vector or block that IKEv2 has a number for is larger."""
WORST_ICV = 32

_AEAD = re.compile(r"(aes|camellia)\d*(gcm|ccm)(\d+)")
_COUNTER = re.compile(r"(aes|camellia)\d*ctr")
_SHORT_BLOCK = re.compile(r"(3des|des|blowfish\d*|cast128)$")
_ICV = (
    (re.compile(r"(sha256_96|sha1|sha|md5|aesxcbc|aescmac)$"), 12),
    (re.compile(r"(sha256|sha2_256)$"), 16),
    (re.compile(r"(sha384|sha2_384)$"), 24),
    (re.compile(r"(sha512|sha2_512)$"), 32),
    (re.compile(r"aes\d+gmac$"), 16),
    (re.compile(r"sha1_160$"), 20),
    (re.compile(r"md5_128$"), 16),
)
_EXCHANGE = re.compile(r"(modp\d+\w*|ecp\d+\w*|x25519|curve25519|x448|curve448|prf\w+|ntru\d+|newhope\d*)$")
_SEQUENCE = re.compile(r"(no)?esn$")


def wireguard_mtu(outer: int, endpoints: Iterable[IPAddress]) -> int:
    """Return the MTU of a WireGuard interface over a way with the MTU ``outer``, in bytes.

    ``endpoints``: the other ends' addresses; without any the larger of both headers counts.
    Data messages are padded to 16 bytes, but never beyond the interface's MTU (WireGuard's paper, 5.4.6).
    """
    versions = {endpoint.version for endpoint in endpoints}
    header = IP_HEADER[4] if versions == {4} else IP_HEADER[6]
    return outer - header - UDP_HEADER - WIREGUARD


def esp_mtu(outer: int, proposals: Iterable[str], version: Version) -> int:
    """Return the largest packet that ESP in UDP carries in one packet of ``outer`` bytes (tunnel mode; RFC 4303, 3948).

    ``proposals`` are strongSwan's words; the one that takes most counts.  ``version``: of the packets outside.
    """
    room = outer - IP_HEADER[version] - UDP_HEADER - ESP_HEADER
    suites = [suite for proposal in proposals for suite in _suites(proposal)] or [(WORST, WORST_ICV)]
    return min(_payload(room, cipher, icv) for cipher, icv in suites)


def _payload(room: int, cipher: Cipher, icv: int) -> int:
    encrypted = room - cipher.iv - icv
    return encrypted - encrypted % max(cipher.block, ESP_ALIGNMENT) - ESP_TRAILER


def _suites(proposal: str) -> list[tuple[Cipher, int]]:
    """Return each cipher that a proposal offers, with each integrity algorithm's bytes."""
    words = [word for word in proposal.split("-") if not (_EXCHANGE.match(word) or _SEQUENCE.match(word))]
    icvs = [size for word in words for pattern, size in _ICV if pattern.match(word)]
    ciphers = [_cipher(word) for word in words if not any(pattern.match(word) for pattern, _ in _ICV)]
    return [
        (cipher, icv)
        for cipher in ciphers or [WORST]
        for icv in ([cipher.icv] if cipher.icv else icvs or [WORST_ICV])
    ]


def _cipher(word: str) -> Cipher:
    if found := _AEAD.match(word):
        # In bytes or in bits: aes256gcm16 and aes256gcm128 are one.
        size = int(found[3])
        return Cipher(8, 1, size if size <= 16 else size // 8)
    if word.startswith("chacha20poly1305"):
        return Cipher(8, 1, 16)
    if _COUNTER.match(word):
        return Cipher(8, 1, 0)
    if word == "null":
        return Cipher(0, 1, 0)
    if _SHORT_BLOCK.match(word):
        return Cipher(8, 8, 0)
    # AES, Camellia and their like, and what is not known here.
    return WORST
