"""What the flow log is told, read from the files that ``features/flowlog.py`` and the access lists write."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netnsmgr.core.agreed import DEVICE, INDEX_MASK, decided


def verdict(mark: int) -> str:
    """Return what was decided, as records have it."""
    return decided(mark).name.lower()


class Decision(NamedTuple):
    """Whose list decided and how: ``rule`` 0 is the default of a list, None an interface without one."""

    app: str
    interface: str
    rule: int | None
    verdict: str


@dataclass(frozen=True)
class Rules:
    """``rules.json``: which application a rule's index belongs to, also of lists that were replaced lately."""

    bases: Sequence[int] = ()
    blocks: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Rules:
        """Index the blocks by their bases."""
        blocks = sorted(content.get("blocks", ()), key=lambda block: int(block["base"]))
        return cls([int(block["base"]) for block in blocks], blocks)

    def decision(self, mark: int) -> Decision | None:
        """Return what a mark says; None for the device, for what is not decided, and for a list long gone."""
        index = mark & INDEX_MASK
        place = bisect_right(self.bases, index) - 1
        if index <= DEVICE or place < 0:
            return None
        block = self.blocks[place]
        ids, position = block["ids"], index - self.bases[place]
        if position > len(ids):
            return None
        rule = None if ids == [None] else ids[position - 1] if position else 0
        return Decision(block["app"], block["interface"], rule, verdict(mark))


class Vif(NamedTuple):
    """An application's interface; ``link`` is its bridge port.

    ``addresses`` are those that are known beside the leases of IPv4: the configured one, and all of IPv6.
    """

    app: str
    interface: str
    number: int
    link: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """The instance as the flow log sees it."""

    log: bool = False
    switch: bool = False
    """An instance of layer 2: no subnet, gateway, translation and DNS of its own."""
    gateways: tuple[str, ...] = ()
    """The instance's own addresses, where its DNS answers."""
    nat64: str = ""
    """The prefix whose addresses stand for those of IPv4, or empty."""
    vifs: tuple[Vif, ...] = ()
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Domain of a host rule → ``set`` (its name's middle) and ``static`` (addresses that need no DNS)."""
    leases: str = ""
    rules: Rules = field(default_factory=Rules)
    by_number: Mapping[int, Vif] = field(default_factory=dict)
    by_link: Mapping[str, Vif] = field(default_factory=dict)
    by_mac: Mapping[str, Vif] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, Any], rules: Mapping[str, Any]) -> Scope:
        """Read the two files' content."""
        vifs = tuple(
            Vif(**vif | {"addresses": tuple(vif["addresses"])}) for vif in content.get("interfaces", ())
        )
        return cls(
            bool(content.get("log")),
            bool(content.get("switch")),
            tuple(content.get("gateways", ())),
            str(content.get("nat64", "")),
            vifs,
            content.get("hosts", {}),
            str(content.get("leases", "")),
            Rules.of(rules),
            {vif.number: vif for vif in vifs},
            {vif.link: vif for vif in vifs},
            {vif.mac: vif for vif in vifs},
        )

    @property
    def apps(self) -> frozenset[str]:
        """The applications of the instance."""
        return frozenset(vif.app for vif in self.vifs)


def read(path: str) -> dict[str, Any]:
    """Read a JSON object; empty where there is none yet.  Files of ours are replaced, never half written."""
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        content = json.load(file)
        if isinstance(content, dict):
            return content
    return {}
