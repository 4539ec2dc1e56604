"""The access lists of a switch as items."""

from __future__ import annotations

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.item import Item
from netnsmgr.features.scope import InstanceScope


def items(_scope: InstanceScope) -> list[Item]:
    """Return what all lists of the switch share."""
    return []


def frames(scope: InstanceScope) -> list[Item]:
    """Return what lets nothing pass by itself: while an instance goes, it outlives the links that it filters."""
    return items(scope)


def app_items(_scope: InstanceScope, _app: App, _interface: AppInterface) -> list[Item]:
    """Return the parts of one interface."""
    return []
