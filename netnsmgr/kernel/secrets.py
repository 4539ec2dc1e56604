"""Files with secrets, and certificates: read only where nobody else can read or change them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from contextlib import suppress

from netnsmgr.core.agreed import SecretKind
from netnsmgr.errors import KernelError

WHY = ".why"
"""Ending of the file that says, instead of a copy, why there is none."""
LARGEST = 64 * 1024
"""Bytes of the largest file that can be a secret or a certificate with those above it."""
_CALLED: dict[SecretKind, str] = {
    "wireguard-key": "WireGuard key",
    "psk": "secret",
    "private-key": "private key",
    "certificate": "certificate",
}
_PEM_KEY = re.compile(rb"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----\s.*-----END \1-----", re.DOTALL)
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s.*-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE = 0x30
"""How a certificate in DER begins (X.690, 8.9)."""


_lent = ""


def borrow(directory: str) -> None:
    """Have this process, an agent, find copies there of files that root alone can read; see ``supervisor/lending``."""
    global _lent
    _lent = directory


def lent_name(path: str) -> str:
    """Return the name of a file's copy."""
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def place_of(path: str) -> str:
    """Return where this process finds a file that a document names: its copy, if it was lent one."""
    copy = f"{_lent}/{lent_name(path)}"
    return next((each for each in (copy, copy + WHY) if _lent and os.path.exists(each)), path)


def read_secret(path: str, kind: SecretKind) -> bytes:
    """Return what the file holds; raises KernelError in words that never repeat it.

    Checked on the file that was opened, so that nobody can exchange it in between.  Of a WireGuard key: its 44
    characters; of a PSK: the bytes without one line end; of others: the file as it is.
    """
    content = _borrowed(path)
    if content is None:
        content = content_of(path, kind)
    if what := _fault(content, kind):
        raise KernelError(f"{path} {what}")
    if kind == "wireguard-key":
        return content.strip()
    return content.removesuffix(b"\n").removesuffix(b"\r") if kind == "psk" else content


def make_once(path: str, content: bytes) -> None:
    """Write a secret of our own, unless there is one; raises OSError.

    Whoever comes first makes it, once and for all: it is whole from the moment it has its name, also if power fails,
    and the name is never taken by a second one.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    sync_directory(directory)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Have the names in a directory survive a power failure; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def stamp(path: str) -> str:
    """Return what changes when somebody writes the file, or puts another in its place; empty while there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_dev}.{status.st_ino}.{status.st_mtime_ns}.{status.st_size}"


def _borrowed(path: str) -> bytes | None:
    place = place_of(path)
    if place == path:
        return None
    try:
        with open(place, "rb") as file:
            content = file.read()
    except OSError as error:
        raise KernelError(f"{path} cannot be read: {error.strerror}") from error
    if place.endswith(WHY):
        raise KernelError(content.decode())
    return content


def content_of(path: str, kind: SecretKind) -> bytes:
    """Return what is in a file; raises KernelError if others can read or change it, or it is none."""
    try:
        # Not waiting for a writer, if it is a FIFO.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        what = f"there is no file {path}; put the {_CALLED[kind]} there, on the device, owned by root"
        raise KernelError(what if kind == "certificate" else f"{what} with mode 0600") from None
    except OSError as error:
        raise KernelError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if what := _exposed(path, os.fstat(fd), kind):
            raise KernelError(f"{path} {what}")
        content = os.read(fd, LARGEST + 1)  # whole: it is a regular file
    except OSError as error:
        raise KernelError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)
    if len(content) > LARGEST:
        raise KernelError(f"{path} is larger than {LARGEST // 1024} KiB, which no {_CALLED[kind]} is")
    return content


def _exposed(path: str, status: os.stat_result, kind: SecretKind) -> str:
    """Say who else may read or change a file; empty if nobody."""
    if not stat.S_ISREG(status.st_mode):
        return f"is no file; name the file that holds the {_CALLED[kind]}"
    if status.st_uid not in (0, os.geteuid()):  # an agent's own keys are its own
        return f"belongs to the user with id {status.st_uid}, who can change it; run: chown root {path}"
    mode = stat.S_IMODE(status.st_mode)
    if kind == "certificate":
        return f"can be changed by others (mode {mode:04o}); run: chmod go-w {path}" if mode & 0o022 else ""
    if mode & 0o077:
        who = "everybody" if mode & 0o007 else "its group"
        return f"can be read by {who} (mode {mode:04o}); run: chmod 600 {path}, and take a new secret if others had it"
    return ""


def _fault(content: bytes, kind: SecretKind) -> str:
    """Say why the content is none of its kind; empty if it is."""
    if not content.strip():
        return f"is empty; write the {_CALLED[kind]} into it"
    match kind:
        case "wireguard-key":
            return _key_fault(content.strip())
        case "psk":
            if b"\n" in content.removesuffix(b"\n"):
                return "has several lines; the secret is one line"
        case "private-key":
            if b"ENCRYPTED" in content:
                return (
                    "is encrypted, and nobody is there to be asked for the passphrase; write it unencrypted"
                )
            if not _PEM_KEY.search(content):
                return "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
        case "certificate":
            if not _PEM_CERTIFICATE.search(content) and content[0] != _SEQUENCE:
                return "holds no certificate in PEM (-----BEGIN CERTIFICATE-----) or DER"
    return ""


def _key_fault(key: bytes) -> str:
    remedy = "write what 'wg genkey' or 'wg genpsk' prints"
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return f"holds no WireGuard key, which is 44 characters of base64; {remedy}"
    if len(raw) != 32:
        return f"holds {len(raw)} bytes, and a WireGuard key has 32 (44 characters of base64); {remedy}"
    # The last character may say more than 32 bytes mean; wg(8) takes no such key.
    return (
        ""
        if base64.b64encode(raw) == key
        else f"holds no WireGuard key: its last character is wrong; {remedy}"
    )
