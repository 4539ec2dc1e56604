"""What is told of a stored configuration that was found damaged."""

from __future__ import annotations

from netnsmgr.config.check import check_alone
from netnsmgr.pubsub.hub import Hub
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.store import Store
from netnsmgr.supervisor.events import Events

INCOMPLETE = (
    "the stored configuration was damaged, and what was accepted last may be missing from it; "
    "nothing is deleted on that account until the whole configuration, Device included, has been applied again"
)
WHOLE = "the configuration has been applied again since it was found damaged; it counts as a whole"


def fault(document: Row) -> str:
    """Say why this version cannot take in a document that was stored, by itself or by another; empty if it can."""
    return "; ".join(map(str, check_alone(document)))


def tell_damage(hub: Hub, store: Store, events: Events) -> None:
    """Tell what the store found at the start, and, while the configuration is incomplete, that, and when it ends."""
    for sentence in store.damage:
        events.tell("Daemon", "ConfigDamaged", sentence)
    if hub.complete:
        return
    events.tell("Daemon", "ConfigIncomplete", INCOMPLETE)
    told = False

    def mended(_revision: int) -> None:
        nonlocal told
        if hub.complete and not told:
            told = True
            events.tell("Daemon", "ConfigComplete", WHOLE, type="Normal")

    hub.on_config(mended)
