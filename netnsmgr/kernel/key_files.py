"""Files of WireGuard's keys: read, made, and compared without being told."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from contextlib import suppress

from netnsmgr.errors import KernelError

KEY_BYTES = 32
_salt = os.urandom(16)
"""Of this process: a fingerprint says nothing outside of it."""


def read_key(path: str) -> str:
    """Return the key in a file, in base64; raises ``KernelError`` that says what is wrong with the file, not with what."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KernelError(f"key file {path}: {error.strerror}") from error
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise KernelError(f"key file {path} is not a plain file")
        if about.st_uid != os.geteuid():
            raise KernelError(
                f"key file {path} belongs to user {about.st_uid}, who could read it: chown root {path}"
            )
        if about.st_mode & 0o077:
            mode = stat.S_IMODE(about.st_mode)
            raise KernelError(f"key file {path} is open to others (mode {mode:04o}): chmod 600 {path}")
        # No more than what a key can be, and a little: what else may be in there is none.
        content = os.read(fd, 256)
    except OSError as error:
        raise KernelError(f"key file {path}: {error.strerror}") from error
    finally:
        os.close(fd)
    try:
        key = content.strip().decode("ascii")
        raw = base64.b64decode(key, validate=True)
    except (UnicodeDecodeError, binascii.Error, ValueError):
        raw = b""
    # In base64 alone 44 letters can be 33 bytes, or 32 of which the last letter says more than it means.
    if len(raw) != KEY_BYTES or base64.b64encode(raw).decode() != key:
        raise KernelError(
            f"key file {path} does not hold a WireGuard key: 44 characters of base64 that end with '=' (wg genkey makes one)"
        )
    return key


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
