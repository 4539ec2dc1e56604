"""DHCPv6 on a port of the device, by dhcpcd: an address for the port, prefixes for the instances, DNS and NTP servers.

dhcpcd is told to change nothing itself (``noconfigure``).  Its script leaves in a file what it has, and the uplink agent
reads that like any other fact.  Routers are never DHCPv6's to tell: the kernel learns them from advertisements.

The same prefix comes again after a reboot: dhcpcd keeps its DUID and its lease in ``/var/lib/dhcpcd``, and the IAID
depends on nothing but the port's name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address, IPv6Network, NetmaskValueError
from shlex import quote
from zlib import crc32

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.features.nets import Delegated
from netnsmgr.features.scope import PortFacts, UplinkScope, place
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import LinkUp, link_ref
from netnsmgr.items.process import Process, Rights
from netnsmgr.items.sysctl import Sysctl

CLIENT = "dhcpcd"
PLACES = "/run/dhcpcd", "/var/lib/dhcpcd", "/proc/sys/net"
"""Its process ids and sockets, what it remembers, and a parameter of IPv4 that it sets when it finds another (``if_init``)."""
HOOK = """#!/bin/sh
# Called by dhcpcd with what has happened; leaves the lease for netnsmgr.  What is over is over when its time is.
case "$reason" in
BOUND6 | RENEW6 | REBIND6 | REBOOT6)
    # Not the time of day: a device without a clock of its own gets that from the network, and it jumps by years.
    read -r now _ </proc/uptime
    {{
        echo "now=${{now%.*}}"
        env | sed -n 's/^new_dhcp6_//p'
    }} >{file}.tmp && mv {file}.tmp {file}
    ;;
esac
"""
RUN = """#!/bin/sh
# Runs dhcpcd.  It writes over its own argument vector, by which netnsmgr knows its helpers: this shell keeps one.
trap 'kill "$client"; wait "$client"; exit' TERM
# Of a shell that was killed one may be left.
{client} -6 -q -x {interface} 2>/dev/null
{client} -6 -q -B -f {config} -c {hook} {interface} &
client=$!
wait "$client"
# It ended by itself.  Not again and again at full speed.
sleep 5
"""
CONFIG = """ipv6only
noipv6rs
noconfigure
persistent
duid ll
option dhcp6_name_servers, dhcp6_sntp_servers
interface {interface}
{asked}
"""
INFINITE = 0xFFFFFFFF
"""A lifetime without end (RFC 8415, 7.7)."""
EUI64, NONE = 0, 1  # IN6_ADDR_GEN_MODE_…, linux/if_link.h
FEW = 16
HINTS = 60, 56
"""Length of the prefix that is asked for: room for ``FEW`` instances, or for 256.  The network gives what it likes."""


@dataclass(frozen=True)
class PortLease6:
    """What a DHCPv6 server gave to a port of the device; times in seconds since the device's start, 0: no end."""

    addresses: tuple[tuple[IPv6Address, int], ...] = ()
    """With the end of each."""
    prefixes: tuple[Delegated, ...] = ()
    dns: tuple[IPv6Address, ...] = ()
    ntp: tuple[IPv6Address, ...] = ()

    def at(self, now: float) -> PortLease6:
        """Return what is still valid of it."""
        return replace(
            self,
            addresses=tuple((each, end) for each, end in self.addresses if not end or end > now),
            prefixes=tuple(each for each in self.prefixes if not each.valid_until or each.valid_until > now),
        )

    def ends(self) -> list[int]:
        """Return the moments at which something of it is over."""
        times = [end for _, end in self.addresses]
        times += [end for each in self.prefixes for end in (each.preferred_until, each.valid_until)]
        return [end for end in times if end]


def items(scope: UplinkScope) -> list[Item]:
    """Return a DHCPv6 client for each port that wants an address, or whose instances want prefixes."""
    clients = [
        item
        for port, facts in scope.ports
        for wants in [wanting(scope, port)]
        if port.dhcp6 or wants
        for item in [*_client(scope, port, wants), _link_local(port, facts)]
    ]
    return [Directory(scope.etc), *clients] if clients else []


def wanting(scope: UplinkScope, port: Port) -> list[str]:
    """Return the instances that want a prefix from this port's network."""
    return [
        linked.instance.name
        for linked in scope.instances
        if linked.instance.wants_prefix
        and any(port.name == each.name for each, _ in scope.ports_of(linked.instance))
    ]


def lease_name(port: Port) -> str:
    """Return the name of the file, in the agent's lease directory, that holds what the port got."""
    return f"{port.ifname}.dhcp6"


def _client(scope: UplinkScope, port: Port, wants: list[str]) -> list[Item]:
    name = f"dhcp6-{port.l3}"
    iaid = crc32(port.ifname.encode())
    asked = [f"ia_na {iaid}"] * port.dhcp6
    if wants:
        asked.append(f"ia_pd {iaid}/::/{HINTS[len(wants) > FEW]}")
    hook = _file(scope, name, "hook", HOOK.format(file=quote(f"{scope.lease_dir}/{lease_name(port)}")))
    text = CONFIG.format(interface=port.l3, asked="\n".join(asked))
    config = _file(scope, name, "conf", text)
    command = RUN.format(
        client=CLIENT, config=quote(config.path), hook=quote(hook.path), interface=quote(port.l3)
    )
    run = _file(scope, name, "sh", command)
    needs = frozenset({hook.ref, config.ref, run.ref, link_ref(port.l3), LinkUp(port.l3).ref})
    rights = Rights(
        ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"),
        reads=(scope.etc, "/usr/share"),
        writes=(place(scope.etc, CLIENT), scope.lease_dir, *PLACES),
        unix=True,
        programs=True,
        signals=True,  # the client that a killed shell has left
    )
    return [
        hook,
        config,
        run,
        Process(name, ("sh", run.path), needs, stays=True, program=CLIENT, rights=rights),
    ]


def _link_local(port: Port, facts: PortFacts) -> Item:
    """Return that the kernel makes the port's link-local address when the link comes up again.

    The one thing that dhcpcd changes all the same: it takes that over, and does not do it (``noconfigure``).
    """
    mode = facts.addr_gen_mode if facts.addr_gen_mode != NONE else EUI64
    return Sysctl(f"net/ipv6/conf/{port.l3}/addr_gen_mode", str(mode), port.l3)


def _file(scope: UplinkScope, name: str, ending: str, text: str) -> File:
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return File(f"{scope.etc}/{name}.{scope.netns_inode}.{digest}.{ending}", text, mode=0o755)


_PREFIX = re.compile(r"ia_pd\d+_prefix\d+")
_ADDRESS = re.compile(r"ia_na\d+_ia_addr\d+")


def parse(text: str) -> PortLease6 | None:
    """Read what the script left; None where it makes no sense (a DHCP server may say anything)."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        now = int(fields["now"])
        prefixes = tuple(
            Delegated(IPv6Network(f"{value}/{fields[key + '_length']}"), *_ends(fields, key, now))
            for key, value in sorted(fields.items())
            if _PREFIX.fullmatch(key) and int(fields[key + "_vltime"])
        )
        addresses = tuple(
            (IPv6Address(value), _ends(fields, key, now)[1])
            for key, value in sorted(fields.items())
            if _ADDRESS.fullmatch(key) and int(fields[key + "_vltime"])
        )
        return PortLease6(
            addresses,
            prefixes,
            tuple(_addresses(fields.get("name_servers", ""))),
            tuple(_addresses(fields.get("sntp_servers", ""))),
        )
    except (KeyError, AddressValueError, NetmaskValueError, ValueError):
        return None


def _ends(fields: dict[str, str], key: str, now: int) -> tuple[int, int]:
    preferred, valid = int(fields[f"{key}_pltime"]), int(fields[f"{key}_vltime"])
    return _end(preferred, now), _end(valid, now)


def _end(life: int, now: int) -> int:
    return 0 if life >= INFINITE else now + life


def _addresses(written: str) -> Iterator[IPv6Address]:
    for each in written.split():
        yield IPv6Address(each)
