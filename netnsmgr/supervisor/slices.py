"""What each agent is told: the part of the configuration that concerns it.  Pure.

An agent gets one row with everything it has to know, so that a change elsewhere does not even wake it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netnsmgr.config.acl import Portmap
from netnsmgr.config.device import link_addresses
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.whole import Config, hostnames
from netnsmgr.core.ip import IPNetwork
from netnsmgr.core.protocols import WITH_PORTS
from netnsmgr.features.acl.verdict import device_port
from netnsmgr.pubsub.tables import APP_CONFIG, DEVICE_CONFIG, INSTANCE_CONFIG

UPLINK = "uplink"
Rows = Mapping[str, Mapping[str, dict[str, Any]]]
Slices = dict[str, dict[str, Any]]


def allocate(numbers: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Give each instance the lowest free number; the ones that have one keep it."""
    taken = dict(numbers)
    used = set(taken.values())
    candidate = 0
    for name in sorted(names):
        if name in taken:
            continue
        while candidate in used:
            candidate += 1
        taken[name] = candidate
        used.add(candidate)
    return taken


@dataclass
class Slicer:
    """Cuts the configuration into slices and remembers in which revision each was last different."""

    def __post_init__(self) -> None:
        self._last: dict[str, tuple[str, int]] = {}
        self._local: set[str] = set()
        """Instances that have been no switches: no port of the device can be in their namespaces."""
        self._known: set[str] = set()

    def cut(
        self,
        config: Config,
        rows: Rows,
        numbers: Mapping[str, int],
        revision: int,
        *,
        keep: bool = False,
        going: Collection[str] = (),
        backends: Mapping[str, str] | None = None,
        files: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Slices:
        """Return every agent's slice; instances that have a number but no configuration are being deleted.

        ``keep``: the configuration is not all there, so nothing is removed for being absent from it.
        ``backends``: what encrypts on this machine, for those with tunnels and the device.
        ``files``: by instance, what tells its files with secrets from those before, so that new ones are news.
        ``going``: switches that are being deleted, which goes on to its end even if they are wanted again.
        """
        device = next(iter(rows.get(DEVICE_CONFIG, {}).values()), None)
        documents, apps = rows.get(INSTANCE_CONFIG, {}), rows.get(APP_CONFIG, {})
        pool, pool6 = config.link_pool, config.link_pool6
        extra: dict[str, Any] = {"keep": True} if keep else {}
        if config.device is not None and config.device.spec.drift == "report":
            extra["drift"] = "report"
        slices: Slices = {}
        links: list[dict[str, Any]] = []
        leaving: dict[str, int] = {}
        awaited: list[dict[str, Any]] = []
        self._known &= numbers.keys()
        self._local &= numbers.keys()
        for name, number in sorted(numbers.items(), key=lambda pair: pair[1]):
            document = documents.get(name)
            if document is None or name in going:
                switch = name not in self._local
                gone = {"number": number, "deleting": True} | ({"switch": True} if switch else {})
                slices[name] = self._revised(name, gone, revision)
                if switch:
                    leaving[name] = slices[name]["revision"]
                if document is not None:
                    awaited += _ports(device, config.instances[name])
                continue
            instance = config.instances[name]
            if instance.is_switch:
                self._local.discard(name)
            elif name not in self._known:
                self._local.add(name)
            self._known.add(name)
            pools = () if instance.is_switch else (pool, pool6) if instance.has_ipv6 else (pool,)
            if any(2 * number + 1 >= each.num_addresses for each in pools):
                continue  # waits for the number, and the addresses, of one that is still being deleted
            link = _link(document, number, pools) | {"portMaps": _port_maps(config, name)}
            link["linkRevision"] = self._revision(f"link of {name}", link, revision)
            links.append(link)
            whole = {
                **link,
                "deleting": False,
                **extra,
                "device": device["metadata"]["name"] if device else "",
                **({"ports": _ports(device, instance)} if instance.is_switch else {}),
                **({"backends": dict(backends or {})} if instance.spec.vpn is not None else {}),
                **({"files": dict(files[name])} if files and files.get(name) else {}),
                "apps": [
                    apps[app] for app in dict.fromkeys(app.name for app, _ in config.members.get(name, ()))
                ],
                "hostnames": [
                    [app, interface, host] for (app, interface), host in hostnames(config, name).items()
                ],
            }
            slices[name] = self._revised(name, whole, revision)
        if leaving:
            extra["leaving"] = leaving
        if awaited:
            extra["awaited"] = sorted({port["name"] for port in awaited if not port.get("shared")})
        if any(instance.spec.vpn is not None for instance in config.instances.values()):
            extra["backends"] = dict(backends or {})
        slices[UPLINK] = self._revised(
            UPLINK, {"device": device, "deleting": False, "instances": links, **extra}, revision
        )
        for gone_name in self._last.keys() - slices.keys() - {f"link of {name}" for name in slices}:
            del self._last[gone_name]
        return slices

    def _revised(self, name: str, content: dict[str, Any], revision: int) -> dict[str, Any]:
        return {**content, "revision": self._revision(name, content, revision)}

    def _revision(self, name: str, content: dict[str, Any], revision: int) -> int:
        text = json.dumps(content, sort_keys=True)
        known = self._last.get(name)
        if known is None or known[0] != text:
            self._last[name] = known = (text, revision)
        return known[1]


def _link(document: dict[str, Any], number: int, pools: Iterable[IPNetwork]) -> dict[str, Any]:
    links = [list(map(str, link_addresses(pool, number))) for pool in pools]
    return {"number": number, "links": links, "instance": document}


def _ports(device: dict[str, Any] | None, instance: NetworkInstance) -> list[dict[str, Any]]:
    """Return the device's ports that a switch names, as they are written; they are links of its own namespace."""
    wanted = set(instance.spec.ports)
    ports = device["spec"].get("ports", ()) if device else ()
    return [port for port in ports if wanted & {port["name"], *port.get("labels", ())}]


def _port_maps(config: Config, name: str) -> list[dict[str, Any]]:
    """Return the device's ports that lead into an instance; which application they lead to is the instance's affair."""
    return [
        {
            "protocol": WITH_PORTS[rule.match.protocol or 0],
            "port": device_port(rule),
            "adapter": rule.match.adapter,
            "ip": list(map(str, rule.match.ip)),
        }
        for _, interface in config.members.get(name, ())
        for rule in interface.acl or ()
        if isinstance(rule.action, Portmap)
    ]
