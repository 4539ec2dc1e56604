"""The kinds of objects that a user can name, and how: ``ni``, ``instances``, ``network-instance`` …"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from netnsmgr.core.agreed import SWITCH
from netnsmgr.pubsub import tables


class Kind(NamedTuple):
    """One kind: as documents spell it, as texts name it, its tables, and its aliases on the command line."""

    name: str
    noun: str
    config: str
    status: str
    aliases: tuple[str, ...]

    def label(self, name: str) -> str:
        """Return ``noun/name``, which is how the output and ``wait`` name an object."""
        return f"{self.noun}/{name}"


DEVICE = Kind("Device", "device", tables.DEVICE_CONFIG, tables.DEVICE_STATUS, ("device", "devices", "dev"))
INSTANCE = Kind(
    "NetworkInstance",
    "network-instance",
    tables.INSTANCE_CONFIG,
    tables.INSTANCE_STATUS,
    (
        "network-instance",
        "network-instances",
        "networkinstance",
        "networkinstances",
        "instance",
        "instances",
        "ni",
    ),
)
APP = Kind("App", "app", tables.APP_CONFIG, tables.APP_STATUS, ("app", "apps"))
AGENT = Kind("Agent", "agent", "", tables.AGENT_STATUS, ("agent", "agents"))

KINDS = (DEVICE, INSTANCE, APP)
"""The kinds that have documents, in the order in which one stands on the other."""

BY_DOCUMENT = {kind.name: kind for kind in KINDS}
CONFIG_TABLES = tuple(kind.config for kind in KINDS)
STATUS_TABLES = tuple(kind.status for kind in (*KINDS, AGENT))


class KindType(click.ParamType[Any]):
    """A command line argument that names a kind, in any of its spellings."""

    name = "kind"

    def __init__(self, *, agents: bool = False, everything: bool = False) -> None:
        """Accept also ``agents``, and ``all``, where a command can do something with them."""
        kinds = (*KINDS, AGENT) if agents else KINDS
        self.spellings = {alias: kind for kind in kinds for alias in kind.aliases}
        self.everything = everything

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the kind, or "all"."""
        if isinstance(value, Kind):
            return value
        word = str(value).lower()
        if self.everything and word == "all":
            return word
        if word in ("switch", "switches"):
            self.fail(f"{value!r} is no kind: {SWITCH}; write ni", param, ctx)
        if word not in self.spellings:
            self.fail(f"{value!r} is no kind; kinds are: {', '.join(self.offered())}", param, ctx)
        return self.spellings[word]

    def offered(self) -> list[str]:
        """Return one spelling of each kind, the short one."""
        words = ["device", "ni", "app"] + (["agent"] if "agent" in self.spellings else [])
        return words + (["all"] if self.everything else [])

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete the short spellings."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.offered() if word.startswith(incomplete)]


def identity(document: Mapping[str, Any]) -> tuple[Kind, str]:
    """Return which object a document that was checked describes."""
    return BY_DOCUMENT[document["kind"]], document["metadata"]["name"]
