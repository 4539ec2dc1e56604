"""The services of a local network instance of EVE: subnet, DHCP and DNS."""

from __future__ import annotations

from typing import Any

from netnsmgr.config import addresses, values
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.addressing import ntp, subnet
from netnsmgr.config.from_eve.message import Message
from netnsmgr.core.ip import IPAddress, IPNetwork

ROUTES = "not carried over: netnsmgr has no routes in instances yet but the default one"


def local(each: Message) -> dict[str, Any]:
    """Return the fields of a local instance; what EVE does by default is done here by default, too."""
    ip = each.message("ip", fields.IP)
    network = ip.read("subnet", subnet)
    if network is None:
        if not ip.text("subnet"):
            each.wrong("ip", "a local network needs a subnet (EVE refuses it, too)")
        return {}
    spec: dict[str, Any] = {"subnets": [str(network)]}
    gateway = _gateway(ip, network)
    if gateway != network[1]:
        spec["gateways"] = [str(gateway)]
    if network.version == 6:
        # As radvd and dnsmasq tell there: managed addresses, none made by the applications.
        spec["ipv6"] = {"addressing": "stateful"}
    dhcp: dict[str, Any] = {}
    if run := _range(ip, network, gateway):
        dhcp["range" if network.version == 4 else "range6"] = run
    if servers := ntp(ip, [ip.text("ntp")]):
        dhcp["ntp"] = servers
    if domain := ip.read("domain", values.host_name):
        dhcp["domain"] = domain
    spec["dhcp"] = dhcp
    if dns := _dns(each, ip, gateway):
        spec["dns"] = dns
    if each.flag("propagateConnectedRoutes"):
        each.note("propagateConnectedRoutes", ROUTES)
    if each.messages("staticRoutes", fields.ROUTE):
        each.note("staticRoutes", ROUTES)
    if each.flag("forwardLldp"):
        each.note("forwardLldp", "not carried over: LLDP passes through switches only")
    return spec


def _gateway(ip: Message, network: IPNetwork) -> IPAddress:
    written = ip.read("gateway", addresses.address)
    if written is None:
        return network[1]
    if written not in network:
        ip.wrong("gateway", f"{written} is not in the subnet {network}")
    return written


def _range(ip: Message, network: IPNetwork, gateway: IPAddress) -> str:
    """Return the DHCP range, corrected at its ends as EVE does; empty for the default."""
    run = ip.message("dhcpRange", fields.RANGE)
    first, last = run.read("start", addresses.address), run.read("end", addresses.address)
    if first is None:
        if run.text("end") and not run.text("start"):
            run.note(
                "end", "not carried over: without a start EVE takes no notice of it, and gives any address"
            )
        return ""
    end = network[-2] if network.version == 4 else network[-1]
    if last is None:
        last = end
    for name, address in (("start", first), ("end", last)):
        if address not in network:
            run.wrong(name, f"{address} is not in the subnet {network}")
            return ""
    if first == network.network_address:
        first += 1
    if first == gateway:
        first += 1
    if int(last) > int(end):
        last = end
    if int(first) > int(last):
        run.wrong("start", f"no address is left between {first} and {last}")
    elif int(first) <= int(gateway) <= int(last):
        run.wrong("start", f"the gateway {gateway} is in the range (EVE refuses it, too)")
    return f"{first}-{last}"


def _dns(each: Message, ip: Message, gateway: IPAddress) -> dict[str, Any]:
    found: dict[str, Any] = {}
    hosts: dict[str, list[str]] = {}
    for entry in each.messages("dns", fields.HOST):
        name = entry.read("HostName", values.host_name)
        for n, written in enumerate(entry.texts("Address")):
            address = entry.reading("Address", written, addresses.address, n)
            if name is not None and address is not None:
                hosts.setdefault(name, []).append(str(address))
    if hosts:
        found["hosts"] = {name: list(dict.fromkeys(each)) for name, each in hosts.items()}
    servers = [
        ip.reading("dns", written, addresses.dns_server, n) for n, written in enumerate(ip.texts("dns"))
    ]
    # The instance's own address is what applications ask anyway.
    if others := [str(server) for server in servers if server is not None and server != gateway]:
        found["servers"] = others
        ip.note("dns", "EVE tells applications to ask these; here they ask the instance, which asks these")
    return found
