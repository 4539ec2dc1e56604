"""DHCP and DNS of an instance, by a dnsmasq of its own.

What changes while applications come and go lies in files that dnsmasq reads again on SIGHUP, which interrupts no query
and no lease.  (Its directories watched by inotify would take one of the 128 inotify instances that a user has on the
whole machine, ``fs.inotify.max_user_instances``; without them dnsmasq takes none.)  Only a change of the instance's
own configuration starts a new dnsmasq.

Of IPv6 it gives addresses or options by DHCPv6 (RFC 8415); who is to ask for them is told by router advertisements,
which are ``radvd``'s.
"""

from __future__ import annotations

import hashlib
import os
from ipaddress import IPv6Network

from netnsmgr.core.ip import IPAddress
from netnsmgr.core.ip import interface as with_length
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import metadata, vif
from netnsmgr.features.acl.lists import holders
from netnsmgr.features.bridge import BRIDGE, gateway_address
from netnsmgr.features.dhcp6 import reserved
from netnsmgr.features.names import forwarding
from netnsmgr.features.scope import InstanceScope, place
from netnsmgr.features.upstream import STAYS, servers
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import link_ref
from netnsmgr.items.process import Process, Rights

NAME = "dnsmasq"
QUESTIONS = 10_000
"""Questions that wait for the servers' answers: of seven applications that ask all they may, and get none."""


def items(scope: InstanceScope) -> list[Item]:
    """Return dnsmasq, its configuration and the instance's static names."""
    etc = scope.etc
    hosts = File(f"{etc}/hosts", _hosts(scope), reload=NAME)
    dhcp_hosts = File(f"{etc}/dhcp-hosts", _dhcp_hosts(scope), reload=NAME)
    upstream = File(f"{etc}/servers", servers(scope) + _own_zones(scope) + forwarding(scope), reload=NAME)
    text = _configuration(scope)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    needs: set[Ref] = {main.ref, upstream.ref, hosts.ref, dhcp_hosts.ref, link_ref(BRIDGE)}
    # Where there is IPv6, dnsmasq finds new addresses itself: a delegated one shall not restart it.
    needs |= {gateway_address(net).ref for net in scope.nets if not scope.instance.has_ipv6}
    # For "netnsmgr exec": names resolve there as they do for the applications.
    resolv = "".join(f"nameserver {net.gateway}\n" for net in scope.nets)
    return [
        Directory(etc),
        hosts,
        dhcp_hosts,
        upstream,
        main,
        File(f"{etc}/resolv.conf", f"{resolv}search {scope.instance.domain}\n"),
        Process(NAME, (NAME, f"--conf-file={main.path}"), frozenset(needs), rights=_rights(scope)),
    ]


def _rights(scope: InstanceScope) -> Rights:
    # NET_ADMIN: it puts into the neighbour table who has no address yet to be answered at.  A raw socket it opens for
    # DHCPv6 alone, where it asks hosts for their MAC addresses.
    raw = ("CAP_NET_RAW",) if scope.instance.addressing in ("stateful", "stateless") else ()
    writes = place(scope.etc, NAME), os.path.dirname(scope.lease_file)
    return Rights(("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", *raw), reads=(scope.etc,), writes=writes)


def _hosts(scope: InstanceScope) -> str:
    """Return the names that do not come from leases: the user's, and those of applications with an address of their own."""
    static = scope.instance.spec.dns.hosts
    lines = [f"{address} {name}" for name in sorted(static) for address in static[name]]
    leased = {lease.address for lease in scope.leases_now}
    learned: dict[str, list[IPAddress]] = {}
    for address, owner in sorted(holders(scope).items(), key=lambda pair: int(pair[0])):
        # Of a prefix that was replaced none is to be found any more.
        if scope.net6 is not None and address in scope.net6.subnet and address not in leased:
            learned.setdefault(owner, []).append(address)
    for app, interface in scope.interfaces:
        fixed = [address for address in (interface.address, interface.address6) if address is not None]
        found = dict.fromkeys([*fixed, *learned.get(vif.group(app, interface), ())])
        lines += [f"{address} {scope.hostnames[app.name, interface.name]}" for address in found]
    return "".join(f"{line}\n" for line in lines)


def _dhcp_hosts(scope: InstanceScope) -> str:
    """Return the host entry of each application interface: its name, and the addresses that are kept for it."""
    lines = []
    kept = reserved(scope)
    both = scope.instance.subnet4 is not None and scope.instance.has_ipv6
    for app, interface in scope.interfaces:
        # With the domain: alone, "ignore" and "infinite" are words of dnsmasq, and "1d" is the time of a lease.
        name = f"{scope.hostnames[app.name, interface.name]}.{scope.instance.domain}"
        own6 = interface.address6 or kept.get((app.name, interface.name))
        address6 = [f"[{str(own6).removesuffix('/128')}]"] if own6 is not None else []
        # "id:*": a client identifier changes with the image that an application boots; its MAC does not.
        entry = [interface.mac_for(app.name), "id:*"]
        if both and (interface.address is None or own6 is None):
            # An entry with an address, be it taken from the file of hosts, is none for a client of the other version.
            # Of two the later one goes before, and it alone takes that address.
            lines.append(",".join([*entry, name]) + "\n")
        if interface.address is not None:
            entry.append(str(interface.address))
        lines.append(",".join([*entry, *address6, name]) + "\n")
        if interface.duid is not None and scope.instance.has_ipv6:
            lines.append(",".join([f"id:{interface.duid}", *address6, name]) + "\n")
    return "".join(lines)


def _own_zones(scope: InstanceScope) -> str:
    """Return that the reverse zones of the IPv6 subnet are known here alone; those of private ones are anyway."""
    if scope.net6 is None:
        return ""
    subnet = scope.net6.subnet
    assert isinstance(subnet, IPv6Network)
    digits = -(-subnet.prefixlen // 4)  # a zone ends at a digit
    return "".join(
        f"server=/{'.'.join(zone.network_address.reverse_pointer.split('.')[32 - digits :])}/\n"
        for zone in subnet.subnets(new_prefix=4 * digits)
    )


def _configuration(scope: InstanceScope) -> str:
    domain = scope.instance.domain
    own = place(scope.etc, NAME)
    lines = [
        *STAYS,
        f"pid-file={own}/{NAME}.pid",
        f"log-facility={own}/{NAME}.log",
        f"interface={BRIDGE}",
        "except-interface=lo",
        "bind-dynamic" if scope.instance.has_ipv6 else "bind-interfaces",
        # Names: nothing of the device's own /etc; private reverse zones and plain names stay here.
        "no-resolv",
        "no-hosts",
        f"servers-file={scope.etc}/servers",
        f"addn-hosts={scope.etc}/hosts",
        "domain-needed",
        "bogus-priv",
        "expand-hosts",
        f"domain={domain}",
        f"local=/{domain}/",
        "neg-ttl=10",
        "cache-size=1000",
        # With dnsmasq's own 150 one application whose names nobody answers for (each waits for 10 s) is enough to have all
        # others refused.  What one may ask is limited in the filter (`acl.limits`); a question takes 0.5 KiB.
        f"dns-forward-max={QUESTIONS}",
    ]
    ranges = _ranges(scope)
    if not ranges:
        return "\n".join(lines) + "\n"
    lines += [
        *ranges,
        f"dhcp-hostsfile={scope.etc}/dhcp-hosts",
        f"dhcp-leasefile={scope.lease_file}",
        "dhcp-authoritative",
        # Every client is known by its MAC, so nobody else can be hurt by a quick answer.  Without this each new lease
        # waits up to three seconds for an ICMP echo.
        "no-ping",
        # Whoever is in no host entry is no application's interface, and would only use up the range.
        "dhcp-ignore=tag:!known",
        # An application that asks for a lease again and again would fill the memory that /run is in.
        "quiet-dhcp",
        *_options4(scope),
        *_options6(scope),
    ]
    return "\n".join(lines) + "\n"


def _ranges(scope: InstanceScope) -> list[str]:
    """Return what is leased; nothing where there is no DHCP in any family."""
    instance, ranges = scope.instance, []
    if instance.spec.dhcp is not None and scope.net4 is not None:
        first, last = instance.dhcp_range(scope.net4.subnet)
        ranges.append(f"dhcp-range={first},{last},{scope.net4.subnet.netmask},{instance.lease_seconds}")
    if instance.addressing not in ("stateful", "stateless"):
        return ranges
    # "static" gives no address that is in no host entry.  It also answers those who ask for options alone, and sends no
    # router advertisements as "ra-stateless" would.
    if instance.delegated:
        return [*ranges, f"dhcp-range=::,static,constructor:{BRIDGE},64,{instance.lease_seconds}"]
    assert scope.net6 is not None
    # dnsmasq knows no larger subnets than /64.
    length = max(64, scope.net6.subnet.prefixlen)
    near = with_length(scope.net6.gateway, length).network
    return [*ranges, f"dhcp-range={near.network_address},static,{length},{instance.lease_seconds}"]


def _options4(scope: InstanceScope) -> list[str]:
    instance = scope.instance
    if scope.net4 is None or instance.spec.dhcp is None:
        return []
    lines = [f"dhcp-option=option:mtu,{scope.mtu}"]
    if instance.air_gapped:
        lines.append("dhcp-option=option:router")
        # Without a default route, one to the metadata service.  Only here: who takes it ignores the router (RFC 3442).
        lines.append(f"dhcp-option=option:classless-static-route,{metadata.ADDRESS}/32,{scope.net4.gateway}")
    if ntp := _ntp(scope, 4):
        lines.append(f"dhcp-option=option:ntp-server,{','.join(ntp)}")
    return lines


def _options6(scope: InstanceScope) -> list[str]:
    if scope.instance.addressing not in ("stateful", "stateless"):
        return []
    lines = [
        "quiet-dhcp6",
        # The bridge's own, of the prefix of now.
        "dhcp-option=option6:dns-server,[::]",
        f"dhcp-option=option6:domain-search,{scope.instance.domain}",
    ]
    if ntp := _ntp(scope, 6):
        given = ",".join(f"[{server}]" for server in ntp)
        # Clients ask for the one (RFC 5908) or the other (RFC 4075).
        lines += [f"dhcp-option=option6:{name},{given}" for name in ("ntp-server", "sntp-server")]
    return lines


def _ntp(scope: InstanceScope, version: int) -> list[str]:
    """Return the time servers of a family: the user's, else those of the ports; none where nothing leaves."""
    dhcp = scope.instance.spec.dhcp
    if scope.instance.air_gapped:
        return []
    servers = [str(server) for server in dhcp.ntp] if dhcp is not None and dhcp.ntp else list(scope.link.ntp)
    return [server for server in servers if (":" in server) == (version == 6)]
