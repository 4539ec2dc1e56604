"""The kinds of objects, and the tables that each of them is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netnsmgr.pubsub import tables


class Kind(NamedTuple):
    """One kind: as documents spell it, as texts name it, and its tables."""

    name: str
    noun: str
    config: str
    status: str

    def label(self, name: str) -> str:
        """Return ``noun/name``, which is how output names an object."""
        return f"{self.noun}/{name}"


DEVICE = Kind("Device", "device", tables.DEVICE_CONFIG, tables.DEVICE_STATUS)
INSTANCE = Kind("NetworkInstance", "network-instance", tables.INSTANCE_CONFIG, tables.INSTANCE_STATUS)
APP = Kind("App", "app", tables.APP_CONFIG, tables.APP_STATUS)
AGENT = Kind("Agent", "agent", "", tables.AGENT_STATUS)

KINDS = (DEVICE, INSTANCE, APP)
"""The kinds that have documents, in the order in which one stands on the other."""

BY_DOCUMENT = {kind.name: kind for kind in KINDS}
BY_TABLE = {kind.config: kind for kind in KINDS}
CONFIG_TABLES = tuple(kind.config for kind in KINDS)
STATUS_TABLES = tables.STATUS
STATE_TABLES = tuple(kind.status for kind in (*KINDS, AGENT))
"""Those of status that say how far an object is."""


def identity(document: Mapping[str, Any]) -> tuple[Kind, str]:
    """Return which object a document that was checked describes."""
    return BY_DOCUMENT[document["kind"]], document["metadata"]["name"]


def says_what(document: object) -> bool:
    """Say whether a document can be told by kind and name."""
    if not isinstance(document, Mapping):
        return False
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    kind = document.get("kind")
    return (
        isinstance(kind, str)
        and kind in BY_DOCUMENT
        and isinstance(name, str)
        and name.isprintable()
        and name != ""
    )
