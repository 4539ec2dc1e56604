"""The metadata service of an instance, at 169.254.169.254; ``services/metadata`` is the process that answers.

What it answers lies in a file that it reads again on SIGHUP, so that applications come and go without a restart.  An
instance without applications has nobody who could ask, and no process.
"""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Address, IPv4Interface
from typing import Any
from uuid import UUID, uuid5

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import METADATA
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import vif
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.address import Address
from netnsmgr.items.file import File
from netnsmgr.items.process import Process
from netnsmgr.items.sysctl import Sysctl

NAME = "metadata"
ADDRESS = IPv4Address(METADATA)
PORT = 80
FORM = 1
"""Of the files; another number is another process, because the one that runs could not read them."""
UUIDS = UUID("7c1b8f0e-5a0d-5c39-9a51-2f6d4f3a8a10")
"""The name space (RFC 9562) of the UUIDs that we make from names."""


def items(scope: InstanceScope) -> list[Item]:
    """Return the address, the process behind it and its files; nothing where nobody can ask."""
    if not scope.interfaces:
        return []
    # On lo, not on the bridge: the kernel and dnsmasq take a link's first address for the one to send from, and of two
    # on the bridge the first would be a matter of chance.  ARP is answered all the same, on every link that …
    address = Address("lo", IPv4Interface(f"{ADDRESS}/32"))
    # … does not ignore questions for addresses of other links.  A new namespace begins with the device's values.
    arp = [
        Sysctl("net/ipv4/conf/all/arp_ignore", "0"),
        Sysctl(f"net/ipv4/conf/{BRIDGE}/arp_ignore", "0", BRIDGE),
    ]
    # The mark of a connection's first packet becomes its socket's: so the process knows who asks.
    marks = Sysctl("net/ipv4/tcp_fwmark_accept", "1")
    data = File(f"{scope.etc}/{NAME}.json", _data(scope), reload=NAME, mode=0o600)
    text = _configuration(scope, data.path)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{scope.etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    needs: set[Ref] = {address.ref, marks.ref, data.ref, main.ref}
    # -I: nothing of the environment or the working directory says which code a process of root runs.
    argv = (scope.python, "-I", "-m", "netnsmgr.services.metadata", main.path)
    return [address, *arp, marks, data, main, Process(NAME, argv, frozenset(needs), stays=True)]


def device_uuid(device: str) -> str:
    """Return the device's UUID.  Here things have names; a UUID is made of them, the same each time (version 5)."""
    return str(uuid5(UUIDS, f"device/{device}"))


def app_uuid(device: str, app: str) -> str:
    """Return an application's UUID, made from its name and its device's."""
    return str(uuid5(UUIDS, f"device/{device}/app/{app}"))


def _configuration(scope: InstanceScope, data: str) -> str:
    found = {"form": FORM, "address": ADDRESS, "port": PORT, "user": scope.helper_user, "data": data}
    return "".join(f"{key}={value}\n" for key, value in found.items())


def _data(scope: InstanceScope) -> str:
    # Never those of the link, as EVE does: nobody outside can connect to them.
    external = [str(address) for address in scope.link.addresses if not address.is_link_local]
    shared = {
        "device": scope.device,
        "deviceUuid": device_uuid(scope.device),
        "external": external,
    }
    vifs = {
        str(scope.numbers.vifs[vif.group(app, interface)]): _record(scope, app, interface)
        for app, interface in scope.interfaces
    }
    return json.dumps({"shared": shared, "vifs": vifs}, indent=1, ensure_ascii=False) + "\n"


def _record(scope: InstanceScope, app: App, interface: AppInterface) -> dict[str, Any]:
    given = app.spec.metadata
    return {
        "app": app.name,
        "interface": interface.name,
        "uuid": app_uuid(scope.device, app.name),
        "userData": given.user_data if given else None,
        "metaData": dict(given.meta_data) if given else {},
        "network": _network(scope, app, interface),
    }


def _network(scope: InstanceScope, app: App, asking: AppInterface) -> dict[str, Any]:
    """Return OpenStack's description of the application's links.

    All of them: cloud-init sets up those that are in it, and no other.  DHCP on each, but on the one that asks where
    this instance has no DHCP and its address is fixed.
    """
    links, networks = [], []
    for number, interface in enumerate(app.spec.interfaces):
        mac = interface.mac_for(app.name)
        links.append({"id": interface.name, "type": "phy", "ethernet_mac_address": mac})
        network: dict[str, Any] = {"id": f"network{number}", "link": interface.name, "type": "ipv4_dhcp"}
        if interface == asking and scope.instance.spec.dhcp is None and interface.address is not None:
            network |= {
                "type": "ipv4",
                "ip_address": str(interface.address),
                "netmask": str(scope.nets[0].subnet.netmask),
                "routes": [_route(scope)],
            }
        networks.append(network)
    services = [{"type": "dns", "address": str(scope.nets[0].gateway)}]
    return {"links": links, "networks": networks, "services": services}


def _route(scope: InstanceScope) -> dict[str, str]:
    network, netmask = (
        (str(ADDRESS), "255.255.255.255") if scope.instance.air_gapped else ("0.0.0.0", "0.0.0.0")
    )
    return {"network": network, "netmask": netmask, "gateway": str(scope.nets[0].gateway)}
