"""Host rules on a switch: answers of the site's DNS servers wait until the addresses in them are in the rules' sets.

There is no DNS server of ours here, so nothing can fill the sets before it answers, and many kernels have no nft ``queue``.
So a rule copies each answer for an interface with host rules to NFLOG and drops it; `services.flowlog` fills the sets
and then sends the frame on to the interface itself.  While that program is away those interfaces get no answers, and
nothing else is disturbed.

Believed are answers of the servers that the network's configuration names, else of those that DHCP told the interface:
an application could otherwise ask an accomplice.  The servers' addresses alone prove nothing, as any application of the
switch may write them as its own: what a guarded interface (`antiSpoofing`) sends is never an answer.

The table runs behind the lists (``br_netfilter`` calls them at priority -1): what they drop is not held, and what is held has
passed them.  It goes by the names of bridge ports, as an *in* list leaves its verdict in the packet's mark.
"""

from __future__ import annotations

from collections.abc import Iterable

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import ASKED, COPIED, DNS_GROUP, HELD
from netnsmgr.core.ip import IPAddress
from netnsmgr.core.item import Item
from netnsmgr.features import vif
from netnsmgr.features.names import domains, host_domains
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import filter as switch_filter
from netnsmgr.items.nft import NftTable

FAMILY, NAME = "bridge", "dns"
PRIORITY = 100
"""Behind ``br_netfilter`` (-1, NF_BR_PRI_BRNF - 1), whose inet hooks ask the lists."""
QUESTIONS, ANSWERS = 200, 400
"""Packets of one interface in a second, and as many at once: what is more is dropped, or not copied where it is only logged.
An answer by TCP is several packets.  Of a question's only those count that push data (RFC 9293, 3.9.1.2): the last ones."""


def hosted(interface: AppInterface) -> bool:
    """Say whether an interface's list has host rules."""
    return bool(host_domains(interface.acl or ()))


def believed(scope: InstanceScope, app: App, interface: AppInterface) -> tuple[IPAddress, ...]:
    """Return the DNS servers whose answers an interface's host rules go by: none without such rules, or while none is known."""
    return switch_filter.believed(scope, app, interface) if hosted(interface) else ()


def silent(scope: InstanceScope, app: App, interface: AppInterface) -> str:
    """Say in words why an interface's host rules match nothing but static names; empty where they can."""
    if not scope.instance.is_switch or not hosted(interface) or believed(scope, app, interface):
        return ""
    return (
        "its host rules match nothing yet: no DNS server to believe is known. DHCP has told the application none that was"
        " seen; write 'dns: {servers: [...]}' beneath 'spec' of the NetworkInstance"
    )


def items(scope: InstanceScope) -> list[Item]:
    """Return the table; nothing without host rules and flow log."""
    log = scope.instance.spec.flow_log
    if not log and not domains(scope):
        return []
    members = scope.interfaces
    looked_at = [vif.vif_name(*each) for each in members if log or hosted(each[1])]
    guarded = [vif.vif_name(app, each) for app, each in members if each.anti_spoofing]
    servers = [(vif.vif_name(*each), server) for each in members for server in believed(scope, *each)]
    body = f"""
{_set("apps", "ifname", (f'"{name}"' for name in looked_at))}
{_set("guarded", "ifname", (f'"{name}"' for name in guarded))}
{_set("servers4", "ifname . ipv4_addr", (f'"{name}" . {ip}' for name, ip in servers if ip.version == 4))}
{_set("servers6", "ifname . ipv6_addr", (f'"{name}" . {ip}' for name, ip in servers if ip.version == 6))}
set asking {{ type ifname; size 4096; flags dynamic,timeout; timeout 1m; }}
set answered {{ type ifname; size 4096; flags dynamic,timeout; timeout 1m; }}
counter unlogged {{ }}

chain forward {{
    type filter hook forward priority {PRIORITY}; policy accept;
    meta l4proto {{ tcp, udp }} th dport 53 iifname @apps goto question
    meta l4proto {{ tcp, udp }} th sport 53 oifname @apps goto answer
}}
chain question {{
    meta protocol ip iifname . ip daddr @servers4 goto asked
    meta protocol ip6 iifname . ip6 daddr @servers6 goto asked{_copied("asking", "iifname", QUESTIONS) if log else ""}
}}
chain asked {{
    meta l4proto tcp tcp flags & (syn | psh) != psh accept
    {_over("asking", "iifname", QUESTIONS)} counter name unlogged drop
    log prefix "{ASKED}" group {DNS_GROUP}
}}
chain answer {{
    iifname @guarded goto unheld
    meta protocol ip oifname . ip saddr @servers4 goto held
    meta protocol ip6 oifname . ip6 saddr @servers6 goto held
    goto unheld
}}
chain held {{
    meta l4proto tcp tcp flags & syn != 0 accept
    {_over("answered", "oifname", ANSWERS)} counter name unlogged drop
    log prefix "{HELD}" group {DNS_GROUP}
    drop
}}
chain unheld {{{_copied("answered", "oifname", ANSWERS) if log else ""}
}}"""
    return [NftTable.of(FAMILY, NAME, body)]


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    listed = ", ".join(sorted(elements))
    return f"set {name} {{ type {kind};" + (f" elements = {{ {listed} }};" if listed else "") + " }"


def _over(meter: str, key: str, rate: int) -> str:
    return f"update @{meter} {{ {key} limit rate over {rate}/second burst {rate} packets }}"


def _copied(meter: str, key: str, rate: int) -> str:
    """Return the rules that copy what is only logged."""
    return f"""
    {_over(meter, key, rate)} counter name unlogged return
    log prefix "{COPIED}" group {DNS_GROUP}"""
