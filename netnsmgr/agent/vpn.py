"""What an instance's agent sees of its tunnels and does for them beside its passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import vpn_facts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.facts import COSTS, VpnFacts
from netnsmgr.items.system import LinkInfo


class Tunnels(Protocol):
    """One kind of tunnels; ``changed`` is to be called when what it knows has changed, by whatever event."""

    changed: Callable[[], object]

    def add(self, facts: VpnFacts) -> VpnFacts:
        """Return the facts with what is known of these tunnels."""
        ...

    def follow(self, scope: InstanceScope) -> None:
        """Take in what is wanted: called at the end of each look, and never waits."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """Return the state of each tunnel, as it stands in ``InstanceStatus``, below `vpn`."""
        ...

    def reasons(self) -> list[str]:
        """Say what is the matter; empty if all tunnels that shall be up are."""
        ...

    def close(self) -> None:
        """End what goes on; the tunnels themselves stay."""
        ...


class VpnWatch:
    """All tunnels of an instance."""

    def __init__(self, kinds: Mapping[str, Tunnels]) -> None:
        self._kinds = kinds

    def wake_with(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when something has changed."""
        for each in self._kinds.values():
            each.changed = wake

    def facts(
        self, row: Mapping[str, Any], link: LinkFacts, links: Mapping[str, LinkInfo]
    ) -> VpnFacts | None:
        """Return what is known of the tunnels; None for an instance without."""
        vpn = row["instance"]["spec"].get("vpn")
        if vpn is None:
            return None
        found = vpn_facts(row, link)
        written = (vpn.get("wireguard") or {}).get("tunnels", ())
        names = {tunnel["name"] for tunnel in written} | {"ipsec0"}
        found = replace(found, links=tuple(sorted((n, links[n].ifindex) for n in names & links.keys())))
        for each in self._kinds.values():
            found = each.add(found)
        return found

    def follow(self, scope: InstanceScope) -> None:
        """Take in what is wanted."""
        for each in self._kinds.values():
            each.follow(scope)

    def row(self, scope: InstanceScope) -> dict[str, Any]:
        """Return what is told of the tunnels; nothing of an instance without."""
        vpn = scope.instance.spec.vpn
        if vpn is None:
            return {}
        cost = COSTS.get(scope.vpn.esp if vpn.connections else scope.vpn.wireguard)
        rows = {name: each.rows() for name, each in self._kinds.items()}
        return {"vpn": rows | ({"cost": cost} if cost else {})}

    def reasons(self, scope: InstanceScope) -> list[str]:
        """Say what is the matter with tunnels that shall be up."""
        if scope.instance.spec.vpn is None:
            return []
        return [reason for each in self._kinds.values() for reason in each.reasons()]

    def close(self) -> None:
        """End what goes on."""
        for each in self._kinds.values():
            each.close()
