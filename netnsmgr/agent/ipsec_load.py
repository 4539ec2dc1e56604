"""What a charon has loaded, compared with what is wanted: connections, secrets and keys, told by VICI alone.

A connection is loaded under its name and a digest of what was loaded (``cloud1.1f2e3d4c``), a secret under the name and a
digest of which file it was, never of what is in it: so an agent that starts anew sees what is loaded already.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from netnsmgr.config.ipsec import IpsecConnection
from netnsmgr.core.ip import IPAddress
from netnsmgr.errors import KernelError
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import connections
from netnsmgr.kernel.secrets import place_of, read_secret
from netnsmgr.kernel.vici import Vici, ViciError

TERMINATE_MS = 3000

Identity = tuple[int, ...]
"""Which file it is and when it was changed; empty if there is none."""


def identity(path: str) -> Identity:
    """Return which file a path leads to, without looking into it."""
    try:
        found = os.stat(place_of(path))
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid


def files(connection: IpsecConnection) -> tuple[str, ...]:
    """Return all files of a connection."""
    secrets = (secret.file for secret in (connection.psk, connection.local_auth.private_key) if secret)
    return tuple(dict.fromkeys((*connections.certificates(connection), *secrets)))


def addresses_in(path: str) -> tuple[str, ...]:
    """Return the addresses that a file holds; what is none is left out, and so is all of a file that is not there."""
    found = []
    with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
        for word in file.read(4096).split():
            with suppress(ValueError):
                found.append(str(ip_address(word)))
    return tuple(dict.fromkeys(found))


def name_of(key: str) -> str:
    """Return the connection's name of what was loaded under ``key``."""
    return key.rpartition(".")[0]


@dataclass(frozen=True)
class Loadable:
    """A connection as charon takes it, ``key`` its name there; or what is wrong with it, if ``trouble`` says something."""

    name: str
    key: str = ""
    remote: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, str, tuple[str, ...]] | None = None
    """Of the secret: id in charon, file, whose it is."""
    private_key: str | None = None
    trouble: str = ""


def loadable(scope: InstanceScope, wanted: IpsecConnection, remotes: Sequence[IPAddress]) -> Loadable:
    """Read the certificates and make of the connection what charon takes; ``remotes`` with the one to ask first."""
    if not remotes:
        known = scope.vpn.endpoints.get(wanted.remote, ())
        what = (
            f"{wanted.remote} has no address of the version of IP that the instance leaves by"
            if known
            else f"the name {wanted.remote} is not resolved: check it, and the DNS servers of the instance's ports"
        )
        return Loadable(wanted.name, trouble=what)
    try:
        found = {path: read_secret(path, "certificate") for path in connections.certificates(wanted)}
        body = connections.connection(scope, wanted, remotes[0], found)
    except KernelError as error:
        return Loadable(wanted.name, trouble=str(error))
    secret = connections.shared(scope, wanted, remotes[0])
    shared = None
    if secret is not None:
        file, head = secret
        owners = tuple(head["owners"])
        shared = f"{wanted.name}.{_digest([file, identity(file), owners])}", file, owners
    # Where the other end is asked may change without harm to what is up.
    lasting = {name: value for name, value in body.items() if name != "remote_addrs"}
    return Loadable(
        wanted.name,
        f"{wanted.name}.{_digest(lasting)}",
        str(remotes[0]),
        body,
        shared,
        connections.private_key(wanted),
    )


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=lambda blob: hashlib.sha256(blob).hexdigest())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


async def load(vici: Vici, wanted: Sequence[Loadable]) -> dict[str, str]:
    """Have charon know exactly these, and disturb none that it has; return what is wrong, by connection.

    Of a connection that cannot be loaded now, such as one whose file is being exchanged, what is loaded stays.
    """
    troubles = {each.name: each.trouble for each in wanted if each.trouble}
    ready = [each for each in wanted if not each.trouble]
    there = {
        key: conn.get("remote_addrs", [])
        for said in await vici.listed("list-conns", "list-conn")
        for key, conn in said.items()
    }
    await _remove(vici, there, {each.key for each in ready}, troubles)
    await _secrets(vici, ready, troubles)
    for each in ready:
        if each.name in troubles or there.get(each.key) == [each.remote]:
            continue
        try:
            await vici.request("load-conn", {each.key: each.body})
        except ViciError as error:
            troubles[each.name] = f"the connection cannot be loaded: {error}"
    return troubles


async def _remove(vici: Vici, there: Iterable[str], keep: set[str], troubled: Iterable[str]) -> None:
    """Unload what is not wanted, and end it; first that, so that nobody begins it anew."""
    kept = set(troubled)
    gone = [key for key in there if key not in keep and name_of(key) not in kept]
    for key in gone:
        await _forget(vici, "unload-conn", {"name": key})
    left = {key for said in await vici.listed("list-sas", "list-sa", {"noblock": "yes"}) for key in said}
    for key in left:
        if key not in keep and name_of(key) not in kept:
            await terminate(vici, key)


async def terminate(vici: Vici, key: str) -> None:
    """End a connection's associations; the other end is told, and not waited for."""
    try:
        await vici.request("terminate", {"ike": key, "force": "yes", "timeout": str(TERMINATE_MS)})
    except ViciError:
        return  # it has ended by itself


async def _forget(vici: Vici, command: str, message: Mapping[str, str]) -> None:
    with suppress(ViciError):  # somebody else was faster
        await vici.request(command, message)


async def _secrets(vici: Vici, ready: Iterable[Loadable], troubles: dict[str, str]) -> None:
    there: set[str] = set((await vici.request("get-shared")).get("keys", ()))
    wanted, keys = set(), set()
    for each in ready:
        try:
            if each.shared is not None:
                name, file, owners = each.shared
                wanted.add(name)
                if name not in there:
                    data = read_secret(file, "psk")
                    message = {"id": name, "type": "IKE", "data": data, "owners": list(owners)}
                    await vici.request("load-shared", message)
            if each.private_key is not None:
                # charon gives it a name itself, the same as often as it is loaded.
                data = read_secret(each.private_key, "private-key")
                keys.add((await vici.request("load-key", {"type": "any", "data": data}))["id"])
        except ViciError:
            troubles[each.name] = f"{each.private_key} is no private key that charon can read"
        except KernelError as error:
            troubles[each.name] = str(error)
    for name in there - wanted:
        if name_of(name) not in troubles:
            await _forget(vici, "unload-shared", {"id": name})
    if not any(each.private_key and each.name in troubles for each in ready):
        for name in set((await vici.request("get-keys")).get("keys", ())) - keys:
            await _forget(vici, "unload-key", {"id": name})
