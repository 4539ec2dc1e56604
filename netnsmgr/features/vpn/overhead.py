"""What tunnels take of a packet: the largest that still fits into one of the way below."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from netnsmgr.config.algorithms import part_of
from netnsmgr.core.ip import IPAddress, Version

IP_HEADER: dict[Version, int] = {4: 20, 6: 40}
UDP_HEADER = 8
WIREGUARD = 32
"""Header of a data message (type, receiver, counter: 16 bytes) and its authentication (16)."""
WIREGUARD_PADDING, WIREGUARD_GO_BIRTH = 16, 1420
"""What data messages are padded to, and the MTU of each TUN that wireguard-go makes (``DefaultMTU``)."""
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

_AUTHENTICATED = re.compile(r".*[cg]cm(\d*)")
_SHORT_BLOCK = re.compile(r"3?des|blowfish\d*|cast128")
_ICV = (
    (re.compile(r"sha256_96|sha2_256_96|sha1?|md5|.*(xcbc|cmac)"), 12),
    (re.compile(r"sha1_160"), 20),
    (re.compile(r"md5_128|sha(2_)?256"), 16),
    (re.compile(r"sha(2_)?384"), 24),
    (re.compile(r"sha(2_)?512"), 32),
)


def wireguard_mtu(outer: int, endpoints: Iterable[IPAddress]) -> int:
    """Return the MTU of a WireGuard interface over a way with the MTU ``outer``, in bytes.

    ``endpoints``: the other ends' addresses; without any the larger of both headers counts.
    Data messages are padded to 16 bytes, but never beyond the interface's MTU (WireGuard's paper, 5.4.6).
    """
    versions = {endpoint.version for endpoint in endpoints}
    header = IP_HEADER[4] if versions == {4} else IP_HEADER[6]
    return outer - header - UDP_HEADER - WIREGUARD


def wireguard_go_mtu(most: int) -> int:
    """Return the MTU with which wireguard-go sends nothing larger than with ``most`` it should, in bytes.

    It pads as if its link still had the MTU of its birth, as nobody tells it of changes in another namespace: what is
    longer by as many 16 bytes as begin after each of those (``calculatePaddingSize``, device/send.go).
    """
    units, rest = divmod(most, WIREGUARD_GO_BIRTH)
    return units * WIREGUARD_GO_BIRTH + rest - rest % WIREGUARD_PADDING


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
    words = proposal.split("-")
    icvs = [_icv(word) for word in words if part_of(word) == "integrity"] or [WORST_ICV]
    ciphers = [_cipher(word) for word in words if part_of(word) in {"encryption", "aead"}] or [WORST]
    return [(cipher, icv) for cipher in ciphers for icv in ([cipher.icv] if cipher.icv else icvs)]


def _icv(word: str) -> int:
    return next((size for pattern, size in _ICV if pattern.fullmatch(word)), WORST_ICV)


def _cipher(word: str) -> Cipher:
    if part_of(word) == "aead":
        found = _AUTHENTICATED.fullmatch(word)
        # In bytes or in bits: aes256gcm16 and aes256gcm128 are one; chacha20poly1305 has 16.
        size = int(found[1] or 16) if found else 16
        return Cipher(8, 1, size if size <= 16 else size // 8)
    if word.endswith("ctr"):
        return Cipher(8, 1, 0)
    if _SHORT_BLOCK.fullmatch(word):
        return Cipher(8, 8, 0)
    # AES, Camellia and their like, and what is not known here.
    return WORST
