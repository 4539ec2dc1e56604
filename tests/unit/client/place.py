"""Documents, and a daemon of straw that says how far they are when a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from netnsmgr.pubsub.hub import Hub
from tests.unit.pubsub.place import Site

NI, APP = "NetworkInstanceConfig", "AppNetworkConfig"
NI_STATUS, APP_STATUS, AGENT = "NetworkInstanceStatus", "AppNetworkStatus", "AgentStatus"


def instance(name: str, **spec: Any) -> dict[str, Any]:
    return _document("NetworkInstance", name, {"subnets": ["10.10.1.0/24"], **spec})


def app(name: str, *networks: str, **spec: Any) -> dict[str, Any]:
    interfaces = [{"name": f"eth{n}", "network": network} for n, network in enumerate(networks)]
    return _document("App", name, {"interfaces": interfaces, **spec})


def _document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@asynccontextmanager
async def straw(site: Site, **options: Any) -> AsyncIterator[Hub]:
    """A hub whose agents have all to be at the present revision."""

    async def revisions(_value: object) -> dict[str, int]:
        return dict.fromkeys(hub.rows(NI), hub.revision)

    async with site.hub(**options) as hub:
        hub.serve("revisions", revisions)
        yield hub


def ready(hub: Hub, name: str, revision: int | None = None) -> None:
    """Say that an instance is ready in a revision (None: the present one)."""
    now = hub.revision if revision is None else revision
    hub.put(NI_STATUS, name, {"state": "ready", "reasons": [], "revision": now})
