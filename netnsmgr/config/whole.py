"""The configuration as a whole: all documents of all kinds as values, and what follows from them together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.device import DEFAULT_LINK_POOL, DEFAULT_LINK_POOL6, Device
from netnsmgr.config.instance import NetworkInstance

Kind = type[Device] | type[NetworkInstance] | type[App]

KINDS: dict[str, Kind] = {"Device": Device, "NetworkInstance": NetworkInstance, "App": App}

TABLES = {
    "Device": "DevicePortConfig",
    "NetworkInstance": "NetworkInstanceConfig",
    "App": "AppNetworkConfig",
}
"""The pubsub table in which the documents of a kind are rows (key: the name)."""


@dataclass(frozen=True)
class Config:
    """Every valid document, by kind and name."""

    device: Device | None = None
    instances: dict[str, NetworkInstance] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)

    @property
    def link_pool(self) -> IPv4Network:
        """The device's pool for links, or the default while no Device is known."""
        return self.device.spec.link_pool if self.device is not None else DEFAULT_LINK_POOL

    @property
    def link_pool6(self) -> IPv6Network:
        """The same for IPv6."""
        return self.device.spec.link_pool6 if self.device is not None else DEFAULT_LINK_POOL6

    @cached_property
    def members(self) -> dict[str, list[tuple[App, AppInterface]]]:
        """For each network that an app names: its interfaces, in the order of the apps."""
        found: dict[str, list[tuple[App, AppInterface]]] = {}
        for app in self.apps.values():
            for interface in app.spec.interfaces:
                found.setdefault(interface.network, []).append((app, interface))
        return found


def hostnames(config: Config, ni: str) -> dict[tuple[str, str], str]:
    """Return the DNS name of each (app, interface) in the network ``ni``.

    An app's first interface in the network has the app's name, each further one ``<app>-<interface>``,
    with every character that DNS does not take replaced by ``-``.
    """
    names: dict[tuple[str, str], str] = {}
    met: set[str] = set()
    for app, interface in config.members.get(ni, ()):
        if app.name in met:
            names[app.name, interface.name] = re.sub(
                r"[^a-z0-9-]", "-", f"{app.name}-{interface.name}".lower()
            )
        else:
            met.add(app.name)
            names[app.name, interface.name] = app.name
    return names


def parse_document(document: Mapping[str, Any]) -> Device | NetworkInstance | App:
    """Return the value of one document that has been checked before (a row of a table).

    Raises KeyError for an unknown kind and pydantic.ValidationError for a wrong field.
    """
    return KINDS[document["kind"]].model_validate(document, by_alias=True, by_name=False)


def parse(documents: Iterable[Mapping[str, Any]]) -> Config:
    """Return the configuration that documents make which have been checked before; errors as above."""
    device: Device | None = None
    instances: dict[str, NetworkInstance] = {}
    apps: dict[str, App] = {}
    for document in documents:
        match parse_document(document):
            case Device() as device:
                pass
            case NetworkInstance() as instance:
                instances[instance.name] = instance
            case App() as app:
                apps[app.name] = app
    return Config(device, instances, apps)
