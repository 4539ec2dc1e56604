"""Security associations of a charon as VICI lists them (``list-sas``), and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netnsmgr.config.ipsec import IpsecChild, IpsecConnection

UP = frozenset({"INSTALLED", "REKEYING", "REKEYED", "UPDATING"})
"""States of a child by which packets pass; a rekeyed one until its successor is used."""
ALIVE = frozenset({"ESTABLISHED", "REKEYING", "REKEYED"})
"""The same of IKE."""
SLACK = 2.5
"""Seconds by which moments may differ that charon tells as whole seconds ago."""


@dataclass(frozen=True)
class ChildSa:
    """One child: what is carried between which networks."""

    name: str
    state: str
    spi: str
    spis: tuple[str, str]
    """Of what comes in, which is ``spi``, and of what goes out."""
    local: tuple[str, ...]
    remote: tuple[str, ...]
    esp: str
    rx: int
    tx: int
    installed: float
    rekey: int
    """Seconds after ``installed`` at which new keys are made; 0: never."""

    @property
    def up(self) -> bool:
        """Whether packets pass."""
        return self.state in UP


@dataclass(frozen=True)
class IkeSa:
    """One IKE association; ``key`` is the name under which its connection was loaded."""

    key: str
    unique: int
    state: str
    address: str
    local_id: str
    remote_id: str
    ike: str
    virtual: tuple[str, ...]
    established: float | None
    busy: bool
    """Whether charon is just beginning it, or a child of it."""
    children: tuple[ChildSa, ...]

    @property
    def alive(self) -> bool:
        """Whether both ends know each other."""
        return self.state in ALIVE


def read(said: Iterable[Mapping[str, Any]], now: float, before: Sequence[IkeSa] = ()) -> tuple[IkeSa, ...]:
    """Read what ``list-sas`` said; ``now`` in seconds since the epoch.

    Moments that were told before stay as they were told, so that nothing seems to change where nothing has.
    """
    times = {("ike", sa.unique): sa.established for sa in before}
    children = {child.spi: child for sa in before for child in sa.children}
    found = [_sa(key, entry, now, times, children) for each in said for key, entry in each.items()]
    return tuple(sorted(found, key=lambda sa: sa.unique))


def _sa(
    key: str,
    entry: Mapping[str, Any],
    now: float,
    times: Mapping[tuple[str, int], float | None],
    children: Mapping[str, ChildSa],
) -> IkeSa:
    unique = int(entry["uniqueid"])
    ago = entry.get("established")
    tasks = {*entry.get("tasks-active", ()), *entry.get("tasks-queued", ())}
    return IkeSa(
        key=key,
        unique=unique,
        state=entry["state"],
        address=entry.get("remote-host", ""),
        local_id=entry.get("local-id", ""),
        remote_id=entry.get("remote-id", ""),
        ike=_algorithms(entry),
        virtual=tuple(entry.get("local-vips", ())),
        established=None if ago is None else _moment(now - int(ago), times.get(("ike", unique))),
        busy=entry["state"] in ("CREATED", "CONNECTING") or "CHILD_CREATE" in tasks,
        children=tuple(_child(each, now, children) for each in entry.get("child-sas", {}).values()),
    )


def _child(entry: Mapping[str, Any], now: float, children: Mapping[str, ChildSa]) -> ChildSa:
    spi = entry.get("spi-in", "")
    before = children.get(spi)
    ago = int(entry.get("install-time", 0))
    rekey = ago + int(entry["rekey-time"]) if "rekey-time" in entry else 0
    return ChildSa(
        name=entry["name"],
        state=entry["state"],
        spi=spi,
        spis=(spi, entry.get("spi-out", "")),
        local=tuple(entry.get("local-ts", ())),
        remote=tuple(entry.get("remote-ts", ())),
        esp=_algorithms(entry),
        rx=int(entry.get("bytes-in", 0)),
        tx=int(entry.get("bytes-out", 0)),
        installed=_moment(now - ago, before.installed if before else None),
        rekey=before.rekey if before and abs(before.rekey - rekey) <= SLACK else rekey,
    )


def _moment(moment: float, before: float | None) -> float:
    return before if before is not None and abs(before - moment) <= SLACK else float(round(moment))


def _algorithms(entry: Mapping[str, Any]) -> str:
    """Return them as ``swanctl --list-sas`` does: AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384."""
    cipher = entry.get("encr-alg", "")
    if "encr-keysize" in entry:
        cipher += f"-{entry['encr-keysize']}"
    rest = (entry.get(name, "") for name in ("integ-alg", "prf-alg", "dh-group"))
    return "/".join(part for part in (cipher, *rest) if part)


def missing(wanted: Iterable[str], sas: Iterable[IkeSa]) -> list[str]:
    """Return which of these children are not up."""
    up = {child.name for sa in sas for child in sa.children if child.up}
    return [name for name in wanted if name not in up]


def row(
    connection: IpsecConnection,
    sas: Sequence[IkeSa],
    *,
    backend: str,
    waiting: frozenset[str],
    trouble: str,
    address: str,
    dns: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what ``InstanceStatus`` says of a connection; ``waiting`` are its children that begin with their first packet."""
    best = max(sas, key=lambda sa: (sa.alive, sa.unique), default=None)
    children = [_child_row(child, sas, backend, waiting) for child in connection.children]
    states = [each["state"] for each in children if each["state"] != "waiting"]
    if not states:
        state = "waiting"
    elif set(states) == {"up"}:
        state = "up"
    else:
        state = "connecting" if any(sa.busy for sa in sas) else "down"
    return {
        "name": connection.name,
        "backend": backend,
        "state": state,
        "remote": connection.remote,
        "remoteAddress": best.address if best else address,
        "localId": best.local_id if best and best.alive else connection.local_auth.id or "",
        "remoteId": best.remote_id if best and best.alive else connection.remote_auth.id or "",
        "established": best.established if best else None,
        "error": "" if state == "up" else trouble,
        "ike": best.ike if best else "",
        "virtual": list(best.virtual) if best else [],
        "dns": list(dns),
        "children": children,
    }


def _child_row(
    child: IpsecChild, sas: Sequence[IkeSa], backend: str, waiting: frozenset[str]
) -> dict[str, Any]:
    found = [each for sa in sas for each in sa.children if each.name == child.name and each.up]
    # The newest is used; of one that was rekeyed only late packets come.
    best = max(found, key=lambda each: (each.state == "INSTALLED", each.installed), default=None)
    if best is not None:
        state = "up"
    elif any(sa.busy for sa in sas):
        state = "connecting"
    else:
        state = "waiting" if child.name in waiting else "down"
    remark = (
        "is up without traffic, too: libipsec cannot wait for it"
        if child.start == "traffic" and backend == "libipsec"
        else ""
    )
    return {
        "name": child.name,
        "state": state,
        "local": list(best.local) if best else list(map(str, child.local)),
        "remote": list(best.remote) if best else list(map(str, child.remote)),
        "esp": best.esp if best else "",
        "rx": best.rx if best else 0,
        "tx": best.tx if best else 0,
        "installed": best.installed if best else None,
        "rekey": best.rekey if best else 0,
        **({"remark": remark} if remark else {}),
    }
