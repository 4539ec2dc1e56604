"""DHCP on a port of the device, by udhcpc: it speaks the protocol, and what it learns becomes our items.

udhcpc changes nothing itself.  Its script leaves the lease in a file, which the uplink agent reads like any other
fact: address and routes of a port are made, compared and repaired in one way, whoever named them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError
from shlex import quote

from netnsmgr.config.device import Port
from netnsmgr.core.item import Item
from netnsmgr.features.scope import UplinkScope, place
from netnsmgr.items.file import Directory, File
from netnsmgr.items.link import LinkUp, link_ref
from netnsmgr.items.process import Process, Rights

SCRIPT = """#!/bin/sh
# Called by udhcpc with what has happened; leaves the lease for netnsmgr.  "deconfig" comes at each start, too: a lease
# ends when its time is over, not because its client was started again.
case "$1" in
bound | renew)
    # Not the time of day: a device without a clock of its own gets that from the network, and it jumps by years.
    read -r now _ </proc/uptime
    {{
        echo "address=$ip/${{mask:-32}}"
        echo "gateways=$router"
        echo "dns=$dns"
        echo "ntp=$ntpsrv"
        echo "expires=$((${{now%.*}} + ${{lease:-3600}}))"
    }} >{file}.tmp && mv {file}.tmp {file}
    ;;
nak) rm -f {file} ;;
esac
"""


@dataclass(frozen=True)
class PortLease:
    """What a DHCP server gave to a port of the device; ``expires`` in seconds since the device's start."""

    address: IPv4Interface
    gateways: tuple[IPv4Address, ...]
    dns: tuple[IPv4Address, ...]
    ntp: tuple[IPv4Address, ...]
    expires: int


def items(scope: UplinkScope) -> list[Item]:
    """Return a DHCP client for each port that wants one."""
    clients = [item for port, _ in scope.ports if port.dhcp for item in _client(scope, port)]
    return [Directory(scope.etc), *clients] if clients else []


def lease_name(port: Port) -> str:
    """Return the name of the file, in the agent's lease directory, that holds the port's lease."""
    return port.ifname


def parse(text: str) -> PortLease | None:
    """Read a lease file; None where it makes no sense (a DHCP server may say anything)."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        return PortLease(
            IPv4Interface(fields["address"]),
            tuple(map(IPv4Address, fields["gateways"].split())),
            tuple(map(IPv4Address, fields["dns"].split())),
            tuple(map(IPv4Address, fields["ntp"].split())),
            int(fields["expires"]),
        )
    except (KeyError, AddressValueError, NetmaskValueError, ValueError):
        return None


def _client(scope: UplinkScope, port: Port) -> list[Item]:
    name = f"udhcpc-{port.l3}"
    text = SCRIPT.format(file=quote(f"{scope.lease_dir}/{lease_name(port)}"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    script = File(f"{scope.etc}/{name}.{scope.netns_inode}.{digest}.sh", text, mode=0o755)
    argv = ("udhcpc", "-f", "-i", port.l3, "-s", script.path, "-t", "4", "-T", "2", "-A", "5")
    needs = frozenset({script.ref, link_ref(port.l3), LinkUp(port.l3).ref})
    rights = Rights(
        ("CAP_NET_RAW", "CAP_NET_BIND_SERVICE"),
        reads=(scope.etc,),
        writes=(place(scope.etc, "udhcpc"), scope.lease_dir),
        programs=True,
    )
    return [script, Process(name, argv, needs, stays=True, rights=rights)]
