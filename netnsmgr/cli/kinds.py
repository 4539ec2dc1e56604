"""How a user can name the kinds of objects: ``ni``, ``instances``, ``network-instance`` …"""

from __future__ import annotations

from typing import Any

import click

from netnsmgr.client.kinds import AGENT, APP, DEVICE, INSTANCE, KINDS, Kind
from netnsmgr.core.agreed import SWITCH

ALIASES = {
    DEVICE: ("device", "devices", "dev"),
    INSTANCE: (
        "network-instance",
        "network-instances",
        "networkinstance",
        "networkinstances",
        "instance",
        "instances",
        "ni",
    ),
    APP: ("app", "apps"),
    AGENT: ("agent", "agents"),
}


class KindType(click.ParamType[Any]):
    """A command line argument that names a kind, in any of its spellings."""

    name = "kind"

    def __init__(self, *, agents: bool = False, everything: bool = False) -> None:
        """Accept also ``agents``, and ``all``, where a command can do something with them."""
        kinds = (*KINDS, AGENT) if agents else KINDS
        self.spellings = {alias: kind for kind in kinds for alias in ALIASES[kind]}
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
