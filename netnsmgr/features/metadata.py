"""The metadata service of an instance, at 169.254.169.254 and two addresses of IPv6; ``services/metadata`` is the process that answers.

What it answers lies in a file that it reads again on SIGHUP, so that applications come and go without a restart.  An
instance without applications has nobody who could ask, and no process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from uuid import UUID, uuid5

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import any_network, host_network
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.nets import Net
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.items.address import Address
from netnsmgr.items.file import PRIVATE, Directory, File
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.sysctl import Sysctl

NAME = "metadata"
ADDRESS = IPv4Address(METADATA)
ON_LINK6, ADDRESS6 = map(IPv6Address, METADATA6)
PORT = 80
FORM = 2
"""Of the files; another number is another process, because the one that runs could not read them."""
DHCP4 = {"type": "ipv4_dhcp"}
IPV6_TYPES = {
    "slaac": "ipv6_slaac",
    "stateless": "ipv6_dhcpv6-stateless",
    "stateful": "ipv6_dhcpv6-stateful",
}
"""What OpenStack's ``network_data.json`` calls the ways to an address."""
UUIDS = UUID("7c1b8f0e-5a0d-5c39-9a51-2f6d4f3a8a10")
"""The name space (RFC 9562) of the UUIDs that we make from names."""


def items(scope: InstanceScope) -> list[Item]:
    """Return the address, the process behind it and its files; nothing where nobody can ask."""
    if not scope.interfaces:
        return []
    addresses, settings = _addresses(scope)
    return [*addresses, *settings, *service(scope, _places(scope), _data(scope), addresses)]


def service(
    scope: InstanceScope, places: Sequence[str], data: Mapping[str, Any], after: Iterable[Item]
) -> list[Item]:
    """Return the process and its files.

    ``places`` are the addresses to listen at, a link-local one with its link, ``after`` the items that make them;
    ``data`` is what interfaces are told: ``shared`` by all, and ``vifs`` by id (see ``record``).
    """
    # The mark of a connection's first packet becomes its socket's: so the process knows who asks.
    marks = Sysctl("net/ipv4/tcp_fwmark_accept", "1")
    told = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    # User data may hold passwords: not where the instance's other helpers read.
    private = place(scope.etc, PRIVATE)
    file = File(f"{private}/{NAME}.json", told, reload=NAME, mode=0o600)
    text = _configuration(scope, places, file.path)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{scope.etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    needs: set[Ref] = {marks.ref, file.ref, main.ref, *(item.ref for item in after)}
    # -I: nothing of the environment or the working directory says which code a process of root runs.
    argv = (scope.python, "-I", "-m", "netnsmgr.services.metadata", main.path)
    rights = Rights(("CAP_NET_BIND_SERVICE",), reads=(main.path, private), unix=False, python=True)
    found = Process(NAME, argv, frozenset(needs), stays=True, rights=rights)
    return [Directory(private), marks, file, main, found]


def _addresses(scope: InstanceScope) -> tuple[list[Address], list[Sysctl]]:
    """Return the addresses of the service, and what makes them found."""
    addresses, settings = [], []
    if scope.net4 is not None:
        # On lo, not on the bridge: the kernel and dnsmasq take a link's first address for the one to send from, and of
        # two on the bridge the first would be a matter of chance.  ARP is answered all the same, on every link that …
        addresses.append(Address("lo", IPv4Interface(f"{ADDRESS}/32")))
        # … does not ignore questions for addresses of other links.  A new namespace begins with the device's values.
        settings = [
            Sysctl("net/ipv4/conf/all/arp_ignore", "0"),
            Sysctl(f"net/ipv4/conf/{BRIDGE}/arp_ignore", "0", BRIDGE),
        ]
    if scope.instance.has_ipv6:
        # A link-local one has to be on its link.  The other is nobody's neighbour: the way to it is the router.
        addresses.append(Address(BRIDGE, IPv6Interface((ON_LINK6, 64))))
        addresses.append(Address("lo", IPv6Interface((ADDRESS6, 128))))
    return addresses, settings


def device_uuid(device: str) -> str:
    """Return the device's UUID.  Here things have names; a UUID is made of them, the same each time (version 5)."""
    return str(uuid5(UUIDS, f"device/{device}"))


def app_uuid(device: str, app: str) -> str:
    """Return an application's UUID, made from its name and its device's."""
    return str(uuid5(UUIDS, f"device/{device}/app/{app}"))


def _places(scope: InstanceScope) -> list[str]:
    found = [str(ADDRESS)] if scope.net4 is not None else []
    if scope.instance.has_ipv6:
        found += [f"{ON_LINK6}%{BRIDGE}", str(ADDRESS6)]
    return found


def _configuration(scope: InstanceScope, places: Sequence[str], data: str) -> str:
    found = {
        "form": FORM,
        "address": ",".join(places),
        "port": PORT,
        "data": data,
    }
    return "".join(f"{key}={value}\n" for key, value in found.items())


def _data(scope: InstanceScope) -> dict[str, Any]:
    # Never those of the link, as EVE does: nobody outside can connect to them.
    external = [
        str(address)
        for address in scope.link.addresses
        if isinstance(address, IPv4Address) and not address.is_link_local
    ]
    vifs = {
        str(scope.numbers.vifs[vif.group(app, interface)]): record(
            scope, app, interface, _networks(scope, interface)
        )
        for app, interface in scope.interfaces
    }
    return {"shared": shared(scope, external), "vifs": vifs}


def shared(scope: InstanceScope, external: Sequence[str]) -> dict[str, Any]:
    """Return what all interfaces are told, with the addresses by which they are seen outside."""
    return {
        "device": scope.device,
        "deviceUuid": device_uuid(scope.device),
        "external": external,
    }


def record(
    scope: InstanceScope, app: App, interface: AppInterface, networks: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what one interface is told; ``networks`` are OpenStack's words for the networks on it."""
    given = app.spec.metadata
    return {
        "app": app.name,
        "interface": interface.name,
        "uuid": app_uuid(scope.device, app.name),
        "userData": given.user_data if given else None,
        "metaData": dict(given.meta_data) if given else {},
        "network": _network(scope, app, interface, networks),
    }


def _network(
    scope: InstanceScope, app: App, asking: AppInterface, own: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return OpenStack's description of the application's links.

    All of them: cloud-init sets up those that are in it, and no other.  DHCP on each, but on the one that asks what this
    instance has, and a fixed address itself where nobody tells it.
    """
    links: list[dict[str, str]] = []
    networks: list[dict[str, Any]] = []
    for interface in app.spec.interfaces:
        mac = interface.mac_for(app.name)
        links.append({"id": interface.name, "type": "phy", "ethernet_mac_address": mac})
        for network in own if interface == asking else [DHCP4]:
            networks.append({"id": f"network{len(networks)}", "link": interface.name} | network)
    services = [{"type": "dns", "address": str(net.gateway)} for net in scope.nets]
    return {"links": links, "networks": networks, "services": services}


def _networks(scope: InstanceScope, interface: AppInterface) -> list[dict[str, Any]]:
    instance, found = scope.instance, []
    if scope.net4 is not None:
        static = instance.spec.dhcp is None and interface.address is not None
        found.append(_static(scope, scope.net4, interface) if static else DHCP4)
    if instance.addressing is not None:
        static = instance.addressing != "stateful" and interface.address6 is not None
        by_itself = {"type": IPV6_TYPES[instance.addressing]}
        found.append(
            _static(scope, scope.net6, interface) if static and scope.net6 is not None else by_itself
        )
    return found


def _static(scope: InstanceScope, net: Net, interface: AppInterface) -> dict[str, Any]:
    service = ADDRESS if net.version == 4 else ADDRESS6
    to = host_network(service) if scope.instance.air_gapped else any_network(net.version)
    return {
        "type": f"ipv{net.version}",
        "ip_address": str(interface.fixed(net.version)),
        "netmask": str(net.subnet.netmask),
        "routes": [
            {"network": str(to.network_address), "netmask": str(to.netmask), "gateway": str(net.gateway)}
        ],
    }
