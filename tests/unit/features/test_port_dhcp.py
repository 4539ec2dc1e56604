"""What udhcpc's script leaves, and what is read of it."""

from __future__ import annotations

import subprocess
import time
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from netnsmgr.config.device import Device
from netnsmgr.features import port_dhcp
from netnsmgr.features.scope import PortFacts, UplinkScope
from netnsmgr.items.file import File

DEVICE = {"metadata": {"name": "d"}, "spec": {"ports": [{"name": "eth0.100", "dhcp": True}]}}
LEASE = {"ip": "192.0.2.5", "mask": "24", "router": "192.0.2.1", "dns": "192.0.2.1 192.0.2.2", "lease": "600"}


def call(place: Path, event: str, **environment: str) -> Path:
    """Run the script of a port as udhcpc does; the file that it leaves."""
    device = Device.model_validate(DEVICE)
    (port,) = device.spec.ports
    scope = UplinkScope(device, ((port, PortFacts(port.name, port.ifname)),), (), "/etc", str(place), 1)
    (script,) = [item for item in port_dhcp.items(scope) if isinstance(item, File)]
    subprocess.run(
        ["sh", "-ec", script.text, "sh", event], env={"PATH": "/bin:/usr/bin"} | environment, check=True
    )
    return place / port_dhcp.lease_name(port)


def test_a_lease_is_left_and_read(tmp_path: Path) -> None:
    """Address, gateway and servers are as given, and its end is told by a clock that does not jump, whatever the
    directory is called."""
    place = tmp_path / "a $(touch b); c"
    place.mkdir()
    lease = port_dhcp.parse(call(place, "bound", **LEASE).read_text())
    assert lease is not None
    assert lease.address == IPv4Interface("192.0.2.5/24")
    assert lease.gateways == (IPv4Address("192.0.2.1"),)
    assert lease.dns == (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))
    assert 590 < lease.expires - time.clock_gettime(time.CLOCK_BOOTTIME) <= 600


def test_a_start_keeps_the_lease_and_a_refusal_ends_it(tmp_path: Path) -> None:
    """A client that starts says "deconfig", which means nothing; a server's refusal does."""
    call(tmp_path, "bound", **LEASE)
    assert call(tmp_path, "deconfig").exists()
    assert not call(tmp_path, "nak").exists()
