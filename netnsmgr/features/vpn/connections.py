"""IPsec connections in the words of VICI (strongSwan's ``load-conn``, ``load-shared``, ``load-key``); never a secret."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from netnsmgr.config.ipsec import IpsecAuth, IpsecChild, IpsecConnection
from netnsmgr.config.values import seconds
from netnsmgr.core.ip import IPAddress, Version
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.ipsec import dns_file, if_id
from netnsmgr.features.vpn.marks import IKE_MARK

Vici = dict[str, Any]
"""Keys and values as the package `vici` takes them: strings, lists of strings or bytes, and sections."""

_ANY: dict[Version, str] = {4: "0.0.0.0", 6: "::"}


def remotes(scope: InstanceScope, connection: IpsecConnection) -> tuple[IPAddress, ...]:
    """Return the other end's addresses that the instance's link has the version of; none while its name is unknown."""
    versions = {link.version for link in scope.links}
    found = scope.vpn.endpoints.get(connection.remote, ())
    return tuple(address for address in found if address.version in versions)


def by_secret(connection: IpsecConnection) -> tuple[bool, bool]:
    """Say of us, and of the other end, whether it shows who it is by the secret that both have."""
    theirs = connection.remote_auth
    return connection.local_auth.certificate is None, theirs.certificate is None and theirs.ca is None


def certificates(connection: IpsecConnection) -> tuple[str, ...]:
    """Return the files of the certificates that ``connection()`` wants to be given."""
    ours, theirs = connection.local_auth, connection.remote_auth
    return tuple(path for path in (ours.certificate, theirs.certificate, theirs.ca) if path)


def identities(scope: InstanceScope, connection: IpsecConnection, remote: IPAddress) -> tuple[str, str]:
    """Return who we are, and who the other end is; empty: the subject of our certificate says it.

    Whoever has the only certificate that is accepted may call itself what that says.  Else never any: with an authority
    that signs many certificates not each of them would do.
    """
    ours, theirs = connection.local_auth, connection.remote_auth
    inner = next((str(link.inner) for link in scope.links if link.version == remote.version), "")
    only_certificate = theirs.certificate is not None and theirs.ca is None
    return (
        ours.id or (inner if ours.certificate is None else ""),
        theirs.id or ("%any" if only_certificate else connection.remote),
    )


def shared(scope: InstanceScope, connection: IpsecConnection, remote: IPAddress) -> tuple[str, Vici] | None:
    """Return the file of the connection's secret, and all of ``load-shared`` but its `data`; None without secret."""
    if connection.psk is None:
        return None
    owners = [each for each in identities(scope, connection, remote) if each and each != "%any"]
    return connection.psk.file, {"id": connection.name, "type": "IKE", "owners": owners}


def private_key(connection: IpsecConnection) -> str | None:
    """Return the file of our certificate's key, for ``load-key`` (type `any`)."""
    key = connection.local_auth.private_key
    return None if key is None else key.file


def connection(
    scope: InstanceScope, wanted: IpsecConnection, remote: IPAddress, files: Mapping[str, bytes]
) -> Vici:
    """Return the connection for ``load-conn`` (below its name).

    ``remote``: which of its addresses the other end is asked at.  ``files``: what is in ``certificates()``, as read.
    charon itself keeps it up, so that it does while no agent looks: it asks for ever, and begins again when the other end
    does not answer, or ends it.
    """
    version = remote.version
    inner = next(str(link.inner) for link in scope.links if link.version == version)
    local_id, remote_id = identities(scope, wanted, remote)
    ours, theirs = by_secret(wanted)
    found: Vici = {
        "version": "2",
        # Given, so that charon need not look for a way: its packets have one of their own.
        "local_addrs": [inner],
        "remote_addrs": [str(remote)],
        # Between us and the other end addresses are always translated, and libipsec knows nothing else.
        "encap": "yes",
        "mobike": "yes" if wanted.mobike else "no",
        "proposals": list(wanted.proposals),
        "dpd_delay": _time(wanted.dpd),
        "rekey_time": _time(wanted.rekey),
        "keyingtries": "0",
        "local": _auth(wanted.local_auth, local_id, files, secret=ours, remote=False),
        "remote": _auth(wanted.remote_auth, remote_id, files, secret=theirs, remote=True),
        "children": {child.name: _child(scope, wanted, child) for child in wanted.children},
    }
    if not ours:
        found["send_cert"] = "always"
    if wanted.virtual_ip:
        versions = sorted({network.version for child in wanted.children for network in child.remote})
        found["vips"] = [_ANY[each] for each in versions]
    return found


def on_traffic(scope: InstanceScope, child: IpsecChild) -> bool:
    """Say whether charon itself begins a child with its first packet.

    libipsec does not: such a child is begun at once, as if it said so, and kept.
    """
    return child.start == "traffic" and scope.vpn.esp == "kernel"


def local_networks(scope: InstanceScope, wanted: IpsecConnection, child: IpsecChild) -> list[str]:
    """Return our traffic selectors of a child."""
    if child.local:
        return list(map(str, child.local))
    if wanted.virtual_ip:
        return ["dynamic"]
    versions = {network.version for network in child.remote}
    return [str(net.subnet) for net in scope.nets if net.version in versions]


def _child(scope: InstanceScope, wanted: IpsecConnection, child: IpsecChild) -> Vici:
    trap = on_traffic(scope, child)
    found: Vici = {
        "mode": "tunnel",
        "local_ts": local_networks(scope, wanted, child),
        "remote_ts": list(map(str, child.remote)),
        "esp_proposals": list(child.proposals),
        "rekey_time": _time(child.rekey),
        # Not "start": what is begun anew by loading a connection again would be a second one.
        "start_action": "trap" if trap else "none",
        "dpd_action": "trap" if trap else "start",
        "close_action": "trap" if trap else "start",
    }
    if scope.vpn.esp == "kernel":
        found |= {
            "if_id_in": str(if_id(scope)),
            "if_id_out": str(if_id(scope)),
            # The encrypted packet's way is not that of the packet in it.
            "set_mark_out": f"{IKE_MARK:#x}",
        }
    if wanted.virtual_ip:
        # A simple command: charon writes a redirection before it.  Also when a child goes; what is said stays the same.
        servers = " ".join(f"$PLUTO_DNS{version}_{number}" for version in (4, 6) for number in (1, 2, 3))
        path = shlex.quote(dns_file(scope, wanted.name))
        found["updown"] = f"echo {servers} >{path}"
    return found


def _auth(auth: IpsecAuth, identity: str, files: Mapping[str, bytes], *, secret: bool, remote: bool) -> Vici:
    found: Vici = {"auth": "psk" if secret else "pubkey"}
    if identity:
        found["id"] = identity
    if not secret and auth.certificate:
        found["certs"] = [files[auth.certificate]]
    if not secret and remote and auth.ca:
        found["cacerts"] = [files[auth.ca]]
    return found


def _time(duration: str) -> str:
    return f"{seconds(duration)}s"
