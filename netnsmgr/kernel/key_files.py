"""Files of WireGuard's keys: read, made, and compared without being told."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from netnsmgr.kernel.secrets import make_once, read_secret, sync_directory

KEY_BYTES = 32
_salt = os.urandom(16)
"""Of this process: a fingerprint says nothing outside of it."""


def read_key(path: str) -> str:
    """Return the key in a file, in base64; raises ``KernelError`` that says what is wrong with the file, not with what."""
    return read_secret(path, "wireguard-key").decode("ascii")


def fingerprint_of(key: str) -> str:
    """Return what tells two keys apart within this process, and nothing of the key."""
    # A private key is listed without the bits that mean nothing, whatever they are in its file.
    return hashlib.blake2b(_clamped(base64.b64decode(key)), key=_salt, digest_size=16).hexdigest()


def _clamped(key: bytes) -> bytes:
    """Return a private key as "wg genkey" writes it (RFC 7748, 5)."""
    return bytes([key[0] & 248, *key[1:31], key[31] & 127 | 64])


def generate(path: str) -> None:
    """Make a private key in a directory that only root can enter; complete or not at all, also if the machine stops."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    make_once(path, base64.b64encode(_clamped(os.urandom(KEY_BYTES))) + b"\n")
    # Its peers are told the public key: the names of the directories above have to survive, too.  Those that are
    # not ours to read were made, and synced, by somebody else.
    with suppress(PermissionError):
        for above in list(Path(path).parents)[1:3]:
            sync_directory(above)
