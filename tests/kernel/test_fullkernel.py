"""What the full kernel has and small ones lack, as later tests rely on it; and that the lab works in there."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab import isolated

pytestmark = [pytest.mark.root, pytest.mark.fullkernel]


def ip(text: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


@isolated
def test_a_bridge_filters_vlans() -> None:
    """A frame of VLAN 10 gets to the access port of VLAN 10 untagged, and not to that of VLAN 20."""
    ip(
        "link add bn0 type bridge vlan_filtering 1\nlink set bn0 up\n"
        "link add p type veth peer name trunk\nlink set p master bn0 up\nlink set trunk up\n"
        "link add trunk.10 link trunk type vlan id 10\naddress add 10.0.0.1/24 dev trunk.10\nlink set trunk.10 up\n"
    )
    for vlan in (10, 20):
        ip(f"netns add app{vlan}\nlink add v{vlan} type veth peer name eth0 netns app{vlan}\n")
        ip(f"link set v{vlan} master bn0 up\n")
        bridge(f"vlan del dev v{vlan} vid 1\nvlan add dev v{vlan} vid {vlan} pvid untagged\n")
        bridge(f"vlan add dev p vid {vlan}\n")
        run = ["ip", "-n", f"app{vlan}", "-batch", "-"]
        subprocess.run(
            run, input="address add 10.0.0.2/24 dev eth0\nlink set eth0 up\n", text=True, check=True
        )
    ping = ["ping", "-n", "-q", "-c", "1", "-W", "5", "10.0.0.2"]
    assert subprocess.run(ping, check=False).returncode == 0
    ip("link set v10 down\n")
    assert subprocess.run(["ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.0.2"], check=False).returncode == 1


def bridge(text: str) -> None:
    subprocess.run(["bridge", "-batch", "-"], input=text, text=True, check=True)


@isolated
def test_links_that_small_kernels_have_not() -> None:
    for number, kind in enumerate(("wireguard", "vrf table 10", "xfrm dev lo if_id 1")):
        ip(f"link add test{number} type {kind}\n")
