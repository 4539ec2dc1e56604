"""The addresses of a port: EVE's NetworkConfig, with what its system adapter adds, into fields of a port."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from netnsmgr.config import addresses
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.message import Message
from netnsmgr.core.ip import IPAddress, IPNetwork


def subnet(value: str) -> IPNetwork:
    """Read a network as EVE does: bits behind the prefix do not count."""
    try:
        if "/" in value:
            return ip_network(value, strict=False)
    except ValueError:
        pass
    raise ValueError("must be a network such as 10.10.1.0/24")


def addressing(adapter: Message, network: Message) -> tuple[bool, dict[str, Any]]:
    """Return whether the port has addresses, and the fields of the port that say which."""
    ip = network.message("ip", fields.IP)
    kind = ip.choice("dhcp", fields.DHCP_TYPES)
    family = network.choice("type", fields.NETWORK_TYPES)
    spec: dict[str, Any] = {}
    if (mtu := network.number("mtu")) and _mtu(network, mtu):
        spec["mtu"] = mtu
    if kind not in {fields.STATIC, fields.CLIENT}:
        if kind not in fields.DHCP_TYPES.values():
            ip.wrong("dhcp", "is none of this enumeration: Static (1), DHCPNone (2), Client (4)")
        if adapter.flag("uplink"):
            adapter.note("networkUUID", "EVE refuses a management port that has neither Static nor Client")
        return False, spec
    found = _addresses(adapter, ip, kind)
    if found:
        spec["addresses"] = [found]
    elif kind == fields.CLIENT:
        spec.update({"slaac": True} if family == fields.V6_ONLY else {"dhcp": True})
        _as_found(network, ip, family)
    gateway = ip.read("gateway", addresses.address)
    if gateway is not None and int(gateway):
        spec["gateways"] = [str(gateway)]
    elif gateway is not None and kind == fields.CLIENT:
        ip.note("gateway", "not carried over: with 'dhcp' the default route is the one that DHCP says")
    servers = [ip.reading("dns", each, addresses.dns_server, n) for n, each in enumerate(ip.texts("dns"))]
    if known := [str(each) for each in servers if each is not None]:
        spec["dns"] = known
    if times := ntp(ip, [ip.text("ntp"), *ip.texts("moreNtp")]):
        spec["ntp"] = times
    if ip.text("domain"):
        ip.note("domain", "not carried over: a port has no domain here")
    return True, spec


def _addresses(adapter: Message, ip: Message, kind: str) -> str:
    """Return the static address of a port, as it is written here."""
    own = adapter.read("addr", addresses.address)
    network = ip.read("subnet", subnet)
    alone = ip.message("dhcpOptionsIgnore", fields.IGNORED).flag("ipAddressesExclusively")
    if ip.message("dhcpRange", fields.RANGE):
        ip.note(
            "dhcpRange", "not carried over: EVE, too, takes no address of a port from there, but from 'addr'"
        )
    if kind == fields.CLIENT and not alone:
        if own is not None and network is not None:
            adapter.note(
                "addr", "not carried over: here a port has its addresses from DHCP or from 'addresses'"
            )
        return ""
    if own is None or network is None:
        if not adapter.text("addr"):
            adapter.wrong("addr", "a port with static addresses needs one (EVE refuses it, too)")
        elif not ip.text("subnet"):
            ip.wrong("subnet", "a port with static addresses needs it (EVE refuses it, too)")
        return ""
    if own.version != network.version:
        adapter.wrong("addr", f"is of another version of IP than the subnet {network}")
        return ""
    return f"{own}/{network.prefixlen}"


def _as_found(network: Message, ip: Message, family: str) -> None:
    if family == fields.V6_ONLY:
        network.note(
            "type", "addresses come from router advertisements; write 'dhcp6: true' where DHCPv6 gives them"
        )
    elif family in {"V6", "DualV4V6"}:
        network.note(
            "type",
            "IPv6 of the port is used as it is found; write 'slaac: true' or 'dhcp6: true' to ask for it",
        )


def _mtu(message: Message, mtu: int) -> bool:
    if mtu < 1280:
        message.wrong("mtu", "must be at least 1280")
    elif mtu > 9216:
        message.note("mtu", "not carried over: an MTU here is 1280 to 9216")
    return 1280 <= mtu <= 9216


def mtu_of(message: Message) -> int:
    """Return the MTU of a message, 0 where it says none that can be had here."""
    mtu = message.number("mtu")
    return mtu if mtu and _mtu(message, mtu) else 0


def ntp(ip: Message, servers: list[str]) -> list[str]:
    """Return those NTP servers that are addresses."""
    found: list[IPAddress] = []
    for each in filter(None, servers):
        try:
            found.append(ip_address(each))
        except ValueError:
            ip.note("ntp", "not carried over: an NTP server is an address here; one of these is a name")
    return [str(each) for each in dict.fromkeys(found)]
