"""Which files an instance's tunnels need: where each is named, and what it holds.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.vpn import Vpn
from netnsmgr.core.agreed import SecretKind


class SecretFile(NamedTuple):
    """A file that a document names."""

    path: str
    kind: SecretKind
    where: tuple[str | int, ...]
    """The path of the field that names it, in the document."""


def secret_files(vpn: Vpn) -> Iterator[SecretFile]:
    """Yield the files of an instance's tunnels, secrets and certificates."""
    for n, tunnel in enumerate(vpn.tunnels):
        at: tuple[str | int, ...] = ("spec", "vpn", "wireguard", "tunnels", n)
        if tunnel.private_key is not None:
            yield SecretFile(tunnel.private_key.file, "wireguard-key", (*at, "privateKey", "file"))
        for m, peer in enumerate(tunnel.peers):
            if peer.preshared_key is not None:
                where = (*at, "peers", m, "presharedKey", "file")
                yield SecretFile(peer.preshared_key.file, "wireguard-key", where)
    for n, connection in enumerate(vpn.connections):
        at = ("spec", "vpn", "ipsec", "connections", n)
        if connection.auth is not None:
            yield SecretFile(connection.auth.psk.file, "psk", (*at, "auth", "psk", "file"))
        for end, auth in (("localAuth", connection.local_auth), ("remoteAuth", connection.remote_auth)):
            if auth.psk is not None:
                yield SecretFile(auth.psk.file, "psk", (*at, end, "psk", "file"))
            if auth.private_key is not None:
                yield SecretFile(auth.private_key.file, "private-key", (*at, end, "privateKey", "file"))
            for field, path in (("certificate", auth.certificate), ("ca", auth.ca)):
                if path is not None:
                    yield SecretFile(path, "certificate", (*at, end, field))
