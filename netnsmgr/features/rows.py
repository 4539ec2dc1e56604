"""Scopes from rows: what an agent is told, read into values.  Pure, and used by agents and previews alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from netnsmgr.config.device import Device, Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.whole import parse, parse_document
from netnsmgr.core.ip import IPAddress, Version
from netnsmgr.features import mapped
from netnsmgr.features.acl.lists import holders, lists
from netnsmgr.features.acl.numbers import Numbers
from netnsmgr.features.leases import owned
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Learned, LinkEnds
from netnsmgr.features.scope import (
    InstanceScope,
    LinkedInstance,
    PortFacts,
    PortMap,
    UplinkScope,
    senders,
)
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.items.lease import Lease
from netnsmgr.items.system import ProcessInfo

Row = Mapping[str, Any]


def instance_scope(
    row: Row,
    link: LinkFacts,
    *,
    run_dir: str,
    state_dir: str,
    netns_inode: int,
    python: str = "python3",
    leases: tuple[Lease, ...] = (),
    learned: tuple[Learned, ...] = (),
    dns_told: Mapping[int, tuple[IPAddress, ...]] | None = None,
    known: Numbers | None = None,
    pref64: bool = False,
    helpers: tuple[ProcessInfo, ...] = (),
    port_mtus: tuple[int, ...] = (),
    uplink_index: int = 0,
    vpn: VpnFacts | None = None,
) -> InstanceScope:
    """Read an instance's slice; ``known`` are the numbers that its interfaces and rules have already."""
    config = parse([row["instance"], *row["apps"]])
    (instance,) = config.instances.values()
    interfaces = mapped.members(instance, config.members.get(instance.name, ()))
    hostnames = {(app, interface): host for app, interface, host in row["hostnames"]}
    scope = InstanceScope(
        instance=mapped.instance(instance),
        number=row["number"],
        links=_links(row),
        interfaces=interfaces,
        ports=tuple(Port.model_validate(port, by_alias=True, by_name=False) for port in row.get("ports", ())),
        hostnames=hostnames,
        etc=etc_dir(run_dir, instance.name),
        run_dir=run_dir,
        lease_file=lease_file(state_dir, instance.name),
        netns_inode=netns_inode,
        python=python,
        device=row.get("device", ""),
        leases_now=owned(leases, interfaces, hostnames),
        learned=learned,
        dns_told=dns_told or {},
        pref64=pref64,
        helpers_now=helpers,
        port_mtus=port_mtus,
        uplink_index=uplink_index,
        link=link,
        vpn=vpn or vpn_facts(row, link),
        secrets=secrets_dir(state_dir, instance.name),
    )
    # Who holds what he has taken himself is said by the ids that there are.
    scope = replace(scope, numbers=known or Numbers.none())
    return replace(scope, numbers=scope.numbers.assign(lists(scope), holders(scope)))


def vpn_facts(row: Row, link: LinkFacts) -> VpnFacts:
    """Read what is said of an instance's tunnels; the rest its agent sees itself."""
    backends = row.get("backends", {})
    return VpnFacts(backends.get("esp", ""), backends.get("wireguard", ""), link.endpoints)


def linked_instance(entry: Row) -> LinkedInstance:
    """Read what the uplink agent is told of one instance."""
    instance = parse_document(entry["instance"])
    assert isinstance(instance, NetworkInstance)
    maps = tuple(map(_port_map, entry.get("portMaps", ())))
    return LinkedInstance(instance, entry["number"], _links(entry), entry["linkRevision"], maps)


def _links(entry: Row) -> tuple[LinkEnds, ...]:
    return tuple(LinkEnds(ip_address(outer), ip_address(inner)) for outer, inner in entry["links"])


def _port_map(entry: Row) -> PortMap:
    return PortMap(entry["protocol"], entry["port"], entry["adapter"], senders(map(ip_network, entry["ip"])))


def device_of(row: Row) -> Device | None:
    """Read the device from the uplink agent's slice."""
    document = parse_document(row["device"]) if row["device"] else None
    return document if isinstance(document, Device) else None


def uplink_scope(
    device: Device | None,
    facts: Iterable[PortFacts],
    instances: Iterable[LinkedInstance],
    run_dir: str,
    inode: int,
    switched_on: frozenset[Version] = frozenset(),
    wireguard: str = "",
) -> UplinkScope:
    """Join what is configured of the device with what is known of its ports."""
    ports = device.spec.ports if device is not None else ()
    known = tuple(instances)
    return UplinkScope(
        device=device,
        ports=tuple(zip(ports, facts, strict=True)),
        instances=tuple(each for each in known if not each.instance.is_switch),
        switches=tuple(each for each in known if each.instance.is_switch),
        etc=etc_dir(run_dir, "uplink"),
        lease_dir=port_lease_dir(run_dir),
        netns_inode=inode,
        switched_on=switched_on,
        run_dir=run_dir,
        wireguard=wireguard,
    )


def port_facts(row: Row) -> PortFacts:
    """Read a port from a ``DeviceNetworkStatus`` row."""
    return PortFacts(
        row["name"],
        row["interface"],
        present=row["state"] not in ("missing", "moved"),
        up=row["state"] == "up",
        carrier=row["state"] == "up",
        mtu=row["mtu"],
        addresses=tuple(map(ip_interface, row["addresses"])),
        gateways=tuple(map(ip_address, row["gateways"])),
        dns=tuple(map(ip_address, row["dns"])),
        ntp=tuple(map(ip_address, row["ntp"])),
        lent=row.get("instance", ""),
    )


def port_lease_dir(run_dir: str) -> str:
    """Return the directory of the leases that the device's ports hold; a reboot ends them."""
    return f"{run_dir}/instances/uplink/leases"


def given_dir(run_dir: str, agent: str) -> str:
    """Return the directory of what the supervisor gives to an agent: the hub's sockets, and copies of secrets."""
    return f"{run_dir}/given/{agent}"


def etc_dir(run_dir: str, agent: str) -> str:
    """Return the directory of the configuration of an agent's helpers."""
    return f"{run_dir}/instances/{agent}/etc"


def lease_file(state_dir: str, instance: str) -> str:
    """Return dnsmasq's lease file; it outlives a reboot, so that applications keep their addresses."""
    return f"{state_dir}/leases/{instance}/dnsmasq.leases"


def secrets_dir(state_dir: str, instance: str) -> str:
    """Return the directory of keys that were generated for an instance."""
    return f"{state_dir}/secrets/{instance}"
