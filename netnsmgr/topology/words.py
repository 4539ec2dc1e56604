"""Access rules, services and VLANs in the few words that a drawing has room for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netnsmgr.config.acl import AclRule, Limit, Portmap
from netnsmgr.config.acl_words import icmp_name, protocol_name
from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.values import ETHER_TYPES
from netnsmgr.config.vlan import Vlan
from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.core.protocols import ICMP

SHOWN = 2
"""How many values of a list are written out."""
ADDRESSING = {"slaac": "SLAAC", "stateless": "SLAAC and DHCPv6", "stateful": "DHCPv6"}
UPLINK6 = {"nat66": "NAT66", "npt": "prefix translation", "routed": "routed", "ndpProxy": "NDP proxy",
           "delegated": "delegated prefix"}  # fmt: skip


def rule_words(rule: AclRule) -> str:
    """Return a rule: with whom, by what, and what is done about it, unless that is to allow."""
    match, action = rule.match, rule.action
    if isinstance(action, Portmap):
        where = f" of {match.adapter}" if match.adapter else ""
        only = f" from {_few(match.ip)}" if match.ip else ""
        return f"device port {match.lport[0]}/{protocol_name(match.protocol or 0)}{where} → {action.portmap}{only}"
    words = [_whom(rule)]
    if match.icmp:
        words.append(_few(icmp_name(match.protocol or ICMP, each) for each in match.icmp))
    elif match.protocol is not None:
        name = protocol_name(match.protocol)
        words.append(f"{name} {_few(match.fport)}" if match.fport else name)
    if match.lport:
        words.append(f"own port {_few(match.lport)}")
    text = " ".join(words)
    text = f"{text} ({rule.direction} only)" if rule.direction else text
    if isinstance(action, Limit):
        packets = " packets" if action.rate.unit == "packets" else ""
        return f"{text}, ≤ {str(action.rate).replace('/', packets + '/', 1)}"
    return text if action == "allow" else f"{action} {text}"


def _whom(rule: AclRule) -> str:
    match = rule.match
    if match.host is not None:
        return match.host
    if match.eidset:
        return "apps of its network"
    if all(each.prefixlen == 0 for each in match.ip):
        return "any"
    return _few(match.ip)


def _few(values: Iterable[object]) -> str:
    found = [_plain(value) for value in values]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _plain(value: object) -> str:
    text = str(value)
    return text.removesuffix("/32") if "." in text else text.removesuffix("/128")


def attach_words(app: App) -> str:
    """Return where an application is; its name is not said twice."""
    if app.spec.attach.tap:
        return "virtual machine (TAP)"
    # Each other field is one word and its value.
    given = app.spec.attach.model_dump(exclude_none=True).items()
    return " ".join(name if value == app.name else f"{name} {value}" for name, value in given)


def interface_notes(interface: AppInterface) -> Iterator[str]:
    """Yield what is special about an interface."""
    if interface.vlan is not None:
        yield vlan_words(interface.vlan)
    if interface.ether_types:
        names = {number: name for name, number in ETHER_TYPES.items()}
        yield "beside IP: " + _few(names.get(each, f"{each:#06x}") for each in interface.ether_types)
    if not interface.anti_spoofing:
        yield "may send with any address"


def vlan_words(vlan: Vlan) -> str:
    """Return what a link of a switch carries."""
    return f"VLAN {vlan.access}" if vlan.access is not None else f"VLANs {_few(vlan.trunk or ())} tagged"


def services(ni: NetworkInstance, subnets: Iterable[IPNetwork], ports: int) -> Iterator[str]:
    """Yield what an instance with so many ports does for its applications."""
    spec = ni.spec
    if ni.is_switch:
        if ports > 1:
            yield "spanning tree"
        if spec.flow_log:
            yield "flow log"
        return
    if spec.dhcp is not None:
        for subnet in subnets:
            if subnet.version == 4:
                yield f"DHCP {_short_range(*ni.dhcp_range(subnet))}"
    if ni.has_ipv6:
        way = "" if ni.air_gapped else f", {UPLINK6[spec.ipv6.uplink]}"
        yield f"RA, {ADDRESSING[ni.addressing or 'slaac']}{way}"
    also = ["DNS64 and NAT64" if spec.nat64 is not None else "DNS", "metadata"]
    if spec.flow_log:
        also.append("flow log")
    if not ni.air_gapped and spec.vpn is None and ni.subnet4 is not None:
        also.insert(1, "NAT")
    yield ", ".join(also)
    if spec.vpn is not None:
        yield "other traffic: " + ("blocked" if spec.vpn.rest == "block" else "leaves in clear")


def _short_range(first: IPAddress, last: IPAddress) -> str:
    """Return a range of addresses; of the second only what differs."""
    same = str(first).rpartition(".")[0]
    if same and str(last).rpartition(".")[0] == same:
        return f".{str(first).rpartition('.')[2]} to .{str(last).rpartition('.')[2]}"
    return f"{first} to {last}"
