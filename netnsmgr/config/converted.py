"""What becomes of another program's configuration: a document, and what was said beside it.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netnsmgr.config.common import API_VERSION
from netnsmgr.errors import Problem


@dataclass(frozen=True)
class Wishes:
    """What the user says that the foreign file does not; empty where nothing is said."""

    name: str
    """Of the network instance."""
    secrets: str
    """The directory, an absolute path, of the files that keys go to."""
    subnets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """A NetworkInstance as plain values, and what is needed beside it."""

    document: dict[str, Any]
    secrets: Mapping[str, str]
    """Path → what is to be in that file; the document names the path only."""
    notes: tuple[Problem, ...] = ()
    """What is not carried over, or means something else here; with file and line of what is said."""


def instance(wishes: Wishes, vpn: Mapping[str, Any], dns: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the document of an instance with tunnels; what nobody has said is left out."""
    spec: dict[str, Any] = {}
    if wishes.ports:
        spec["ports"] = list(wishes.ports)
    if wishes.subnets:
        spec["subnets"] = list(wishes.subnets)
    if dns:
        spec["dns"] = {"servers": list(dns)}
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkInstance",
        "metadata": {"name": wishes.name},
        "spec": spec | {"vpn": dict(vpn)},
    }
