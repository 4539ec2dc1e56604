"""Files of WireGuard's keys: read, made, and compared without being told."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress

from netnsmgr.kernel.secrets import read_secret

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
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(base64.b64encode(_clamped(os.urandom(KEY_BYTES))) + b"\n")
            file.flush()
            os.fsync(fd)
        # Not over one that is there: somebody else may have made it in between.
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
