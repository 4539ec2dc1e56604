"""Files with secrets: what is read, and what is refused, in words that never repeat the secret."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from netnsmgr.core.agreed import SecretKind
from netnsmgr.errors import KernelError
from netnsmgr.kernel.secrets import LARGEST, read_secret

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="secrets are root's")

KEY = b64encode(bytes(range(32)))
PEM_KEY = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n"
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def fault(path: Path, kind: SecretKind) -> str:
    """Return why the file is refused."""
    with pytest.raises(KernelError) as error:
        read_secret(str(path), kind)
    return str(error.value)


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Write a file."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("wireguard-key", KEY + b"\n", KEY),
        ("wireguard-key", KEY, KEY),
        ("psk", b"two words \xff\n", b"two words \xff"),
        ("psk", b"as it is\r\n", b"as it is"),
        ("psk", b"0x1234", b"0x1234"),
        ("private-key", PEM_KEY, PEM_KEY),
        (
            "private-key",
            PEM_KEY.replace(b"PRIVATE", b"EC PRIVATE"),
            PEM_KEY.replace(b"PRIVATE", b"EC PRIVATE"),
        ),
    ],
)
def test_read(tmp_path: Path, kind: SecretKind, content: bytes, expected: bytes) -> None:
    """What only root can read is read, also where root itself may not write."""
    for mode in (0o600, 0o400):
        assert read_secret(str(written(tmp_path / "s", content, mode)), kind) == expected


def test_certificate(tmp_path: Path) -> None:
    """Everybody may read a certificate; it is PEM, maybe behind a text for people, or DER."""
    for content in (PEM, b"Certificate:\n  Data:\n" + PEM, b"\x30\x82\x01\x00"):
        assert read_secret(str(written(tmp_path / "c", content, 0o644)), "certificate") == content
    path = written(tmp_path / "c", PEM, 0o664)
    assert (
        fault(path, "certificate") == f"{path} can be changed by others (mode 0664); run: chmod go-w {path}"
    )


@pytest.mark.parametrize(
    ("mode", "who"), [(0o644, "everybody"), (0o604, "everybody"), (0o640, "its group"), (0o620, "its group")]
)
@pytest.mark.parametrize("kind", ["wireguard-key", "psk", "private-key"])
def test_exposed(tmp_path: Path, kind: SecretKind, mode: int, who: str) -> None:
    """What others can read is no secret, whatever it is."""
    path = written(tmp_path / "s", KEY, mode)
    assert fault(path, kind) == (
        f"{path} can be read by {who} (mode {mode:04o}); run: chmod 600 {path}, and take a new secret if others had it"
    )


def test_of_another_user(tmp_path: Path) -> None:
    """Nor what somebody else can exchange."""
    path = written(tmp_path / "s", KEY)
    os.chown(path, 65534, 0)
    what = f"{path} belongs to the user with id 65534, who can change it; run: chown root {path}"
    assert fault(path, "wireguard-key") == what


def test_no_file(tmp_path: Path) -> None:
    """What is not there, is no file, or would have us wait."""
    path = tmp_path / "s"
    where = (
        f"there is no file {path}; put the WireGuard key there, on the device, owned by root with mode 0600"
    )
    assert fault(path, "wireguard-key") == where
    assert fault(path, "certificate") == (
        f"there is no file {path}; put the certificate there, on the device, owned by root"
    )
    assert fault(tmp_path, "psk") == f"{tmp_path} is no file; name the file that holds the secret"
    os.mkfifo(path, 0o600)
    assert fault(path, "psk") == f"{path} is no file; name the file that holds the secret"
    assert fault(tmp_path / "s" / "t", "psk") == f"{tmp_path}/s/t cannot be read: Not a directory"


GEN = "write what 'wg genkey' or 'wg genpsk' prints"


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("wireguard-key", b"", "is empty; write the WireGuard key into it"),
        ("psk", b"\n", "is empty; write the secret into it"),
        ("wireguard-key", b"secret!", f"holds no WireGuard key, which is 44 characters of base64; {GEN}"),
        (
            "wireguard-key",
            b64encode(b"secret!" * 4),
            f"holds 28 bytes, and a WireGuard key has 32 (44 characters of base64); {GEN}",
        ),
        (
            "wireguard-key",
            b64encode(b"secret!" * 5),
            f"holds 35 bytes, and a WireGuard key has 32 (44 characters of base64); {GEN}",
        ),
        (
            "wireguard-key",
            b"PrivateKey = " + KEY,
            f"holds no WireGuard key, which is 44 characters of base64; {GEN}",
        ),
        ("wireguard-key", b"A" * 42 + b"B=", f"holds no WireGuard key: its last character is wrong; {GEN}"),
        ("psk", b"secret!\nsecret!\n", "has several lines; the secret is one line"),
        ("private-key", b"secret!", "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"),
        (
            "private-key",
            PEM_KEY.replace(b"PRIVATE", b"ENCRYPTED PRIVATE"),
            "is encrypted, and nobody is there to be asked for the passphrase; write it unencrypted",
        ),
        ("certificate", b"secret!", "holds no certificate in PEM (-----BEGIN CERTIFICATE-----) or DER"),
        ("psk", b"s" * (LARGEST + 1), "is larger than 64 KiB, which no secret is"),
    ],
)
def test_content(tmp_path: Path, kind: SecretKind, content: bytes, expected: str) -> None:
    """What is in the file has to be what it is named for."""
    path = written(tmp_path / "s", content)
    assert fault(path, kind) == f"{path} {expected}"
    assert "secret!" not in expected
