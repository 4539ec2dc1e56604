"""DHCP and DNS of an instance, by a dnsmasq of its own.

What changes while applications come and go lies in files that dnsmasq reads again on SIGHUP, which interrupts no query
and no lease.  (Its directories watched by inotify would take one of the 128 inotify instances that a user has on the
whole machine, ``fs.inotify.max_user_instances``; without them dnsmasq takes none.)  Only a change of the instance's
own configuration starts a new dnsmasq.
"""

from __future__ import annotations

import hashlib

from netnsmgr.core.ip import IPAddress
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import metadata
from netnsmgr.features.bridge import BRIDGE, gateway_address
from netnsmgr.features.names import forwarding
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.upstream import servers
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import link_ref
from netnsmgr.items.process import Process

NAME = "dnsmasq"


def items(scope: InstanceScope) -> list[Item]:
    """Return dnsmasq, its configuration and the instance's static names."""
    etc = scope.etc
    hosts = File(f"{etc}/hosts", _hosts(scope), reload=NAME)
    dhcp_hosts = File(f"{etc}/dhcp-hosts", _dhcp_hosts(scope), reload=NAME)
    upstream = File(f"{etc}/servers", servers(scope) + forwarding(scope), reload=NAME)
    text = _configuration(scope)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    main = File(f"{etc}/{NAME}.{scope.netns_inode}.{digest}.conf", text)
    needs: set[Ref] = {
        main.ref,
        upstream.ref,
        hosts.ref,
        dhcp_hosts.ref,
        link_ref(BRIDGE),
        *(gateway_address(net).ref for net in scope.nets),
    }
    return [
        Directory(etc),
        hosts,
        dhcp_hosts,
        upstream,
        main,
        # For "netnsmgr exec": names resolve there as they do for the applications.
        File(f"{etc}/resolv.conf", f"nameserver {scope.nets[0].gateway}\nsearch {scope.instance.domain}\n"),
        Process(NAME, (NAME, f"--conf-file={main.path}"), frozenset(needs)),
    ]


def leases(scope: InstanceScope) -> list[Item]:
    """Return the leases that may stay: of a known interface, at its own address where that is fixed, at nobody else's."""
    known = {interface.mac_for(app.name): interface.address for app, interface in scope.interfaces}
    owners: dict[IPAddress, str] = {address: mac for mac, address in known.items() if address is not None}
    return [
        lease
        for lease in scope.leases_now
        if lease.mac in known
        and known[lease.mac] in (None, lease.address)
        and owners.get(lease.address, lease.mac) == lease.mac
    ]


def _hosts(scope: InstanceScope) -> str:
    """Return the names that do not come from leases: the user's, and those of applications with a fixed address."""
    static = scope.instance.spec.dns.hosts
    lines = [f"{address} {name}" for name in sorted(static) for address in static[name]]
    for app, interface in scope.interfaces:
        if interface.address is not None:
            lines.append(f"{interface.address} {scope.hostnames[app.name, interface.name]}")
    return "".join(f"{line}\n" for line in lines)


def _dhcp_hosts(scope: InstanceScope) -> str:
    """Return the host entry of each application interface: its name, and its address where that is fixed."""
    lines = []
    for app, interface in scope.interfaces:
        # "id:*": a client identifier changes with the image that an application boots; its MAC does not.
        entry = [interface.mac_for(app.name), "id:*"]
        if interface.address is not None:
            entry.append(str(interface.address))
        # With the domain: alone, "ignore" and "infinite" are words of dnsmasq, and "1d" is the time of a lease.
        entry.append(f"{scope.hostnames[app.name, interface.name]}.{scope.instance.domain}")
        lines.append(",".join(entry) + "\n")
    return "".join(lines)


def _configuration(scope: InstanceScope) -> str:
    instance = scope.instance
    dhcp = instance.spec.dhcp
    domain = instance.domain
    run = scope.etc.rsplit("/", 1)[0]
    lines = [
        f"user={scope.helper_user}",
        f"pid-file={run}/{NAME}.pid",
        f"log-facility={run}/{NAME}.log",
        f"interface={BRIDGE}",
        "except-interface=lo",
        "bind-interfaces",
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
    ]
    net = scope.net4
    if dhcp is None or net is None:
        return "\n".join(lines) + "\n"
    first, last = instance.dhcp_range(net.subnet)
    lines += [
        # Leases: every client is known by its MAC, so nobody else can be hurt by a quick answer.  Without
        # "no-ping" each new lease waits up to three seconds for an ICMP echo.
        f"dhcp-range={first},{last},{net.subnet.netmask},{instance.lease_seconds}",
        f"dhcp-hostsfile={scope.etc}/dhcp-hosts",
        f"dhcp-leasefile={scope.lease_file}",
        "dhcp-authoritative",
        "no-ping",
        # Whoever is in no host entry is no application's interface, and would only use up the range.
        "dhcp-ignore=tag:!known",
        # An application that asks for a lease again and again would fill the memory that /run is in.
        "quiet-dhcp",
        f"dhcp-option=option:mtu,{scope.mtu}",
    ]
    if instance.air_gapped:
        lines.append("dhcp-option=option:router")
        # Without a default route, one to the metadata service.  Only here: who takes it ignores the router (RFC 3442).
        lines.append(f"dhcp-option=option:classless-static-route,{metadata.ADDRESS}/32,{net.gateway}")
    ntp = [str(server) for server in dhcp.ntp] if dhcp.ntp else list(scope.link.ntp)
    if ntp and not instance.air_gapped:
        lines.append(f"dhcp-option=option:ntp-server,{','.join(ntp)}")
    return "\n".join(lines) + "\n"
