"""What dhcpcd's script leaves, and what is read of it; what dhcpcd is asked for."""

from __future__ import annotations

import subprocess
import time
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from netnsmgr.config.device import Device
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item
from netnsmgr.features import port_dhcp6
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.items.file import File
from netnsmgr.items.process import Process

LEASE = {
    "new_dhcp6_ia_na1_ia_addr1": "2001:db8::15",
    "new_dhcp6_ia_na1_ia_addr1_pltime": "400",
    "new_dhcp6_ia_na1_ia_addr1_vltime": "600",
    "new_dhcp6_ia_pd1_prefix1": "2001:db8:d000::",
    "new_dhcp6_ia_pd1_prefix1_length": "56",
    "new_dhcp6_ia_pd1_prefix1_pltime": "4294967295",
    "new_dhcp6_ia_pd1_prefix1_vltime": "4294967295",
    "new_dhcp6_ia_pd1_prefix2": "2001:db8:e000::",
    "new_dhcp6_ia_pd1_prefix2_length": "56",
    "new_dhcp6_ia_pd1_prefix2_pltime": "0",
    "new_dhcp6_ia_pd1_prefix2_vltime": "0",
    "new_dhcp6_name_servers": "2001:db8::53 2001:db8::54",
    "new_dhcp6_sntp_servers": "2001:db8::123",
}


def items(place: str = "/l", instances: int = 0, **port: object) -> list[Item]:
    """The items of a port that this many instances want prefixes of."""
    document = {"metadata": {"name": "d"}, "spec": {"ports": [{"name": "eth0.100", **port}]}}
    device = Device.model_validate(document)
    linked = tuple(
        LinkedInstance(
            NetworkInstance.model_validate(
                {
                    "metadata": {"name": f"ni{number}"},
                    "spec": {"ports": ["eth0.100"], "subnets": [], "ipv6": {"uplink": "delegated"}},
                }
            ),
            number,
            (),
        )
        for number in range(instances)
    )
    (only,) = device.spec.ports
    return port_dhcp6.items(
        UplinkScope(device, ((only, PortFacts("eth0.100", "eth0.100")),), linked, "/etc", place, 1)
    )


def files(made: list[Item]) -> dict[str, str]:
    return {item.path.rsplit(".", 1)[-1]: item.text for item in made if isinstance(item, File)}


def call(place: Path, reason: str, **environment: str) -> Path:
    """Run the script of a port as dhcpcd does; the file that it leaves."""
    hook = files(items(str(place), dhcp6=True))["hook"]
    given = {"PATH": "/bin:/usr/bin", "reason": reason} | environment
    subprocess.run(["sh", "-ec", hook], env=given, check=True)
    return place / "eth0.100.dhcp6"


def test_a_lease_is_left_and_read(tmp_path: Path) -> None:
    """Addresses, prefixes and servers are as given, times by a clock that does not jump; what is taken back is not there."""
    place = tmp_path / "a $(touch b); c"
    place.mkdir()
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    lease = port_dhcp6.parse(call(place, "BOUND6", **LEASE).read_text())
    assert lease is not None
    ((address, end),) = lease.addresses
    assert address == IPv6Address("2001:db8::15")
    assert 599 <= end - now <= 602
    (prefix,) = lease.prefixes
    assert (prefix.prefix, prefix.preferred_until, prefix.valid_until) == (
        IPv6Network("2001:db8:d000::/56"),
        0,
        0,
    )
    assert lease.dns == (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54"))
    assert lease.ntp == (IPv6Address("2001:db8::123"),)
    assert [str(each) for each, _ in lease.at(now + 599).addresses] == ["2001:db8::15"]
    assert lease.at(now + 700).addresses == ()


def test_what_ends_is_told_by_its_time(tmp_path: Path) -> None:
    """Neither a client that stops nor one that starts takes the lease away."""
    place = call(tmp_path, "BOUND6", **LEASE)
    before = place.read_text()
    for reason in ("PREINIT", "STOP6", "EXPIRE6", "RELEASE6"):
        call(tmp_path, reason)
    assert place.read_text() == before


def test_nonsense_is_no_lease() -> None:
    """A server may say anything."""
    good = "now=5\nia_pd1_prefix1=2001:db8::\nia_pd1_prefix1_length=56\nia_pd1_prefix1_pltime=1\nia_pd1_prefix1_vltime=2\n"
    assert port_dhcp6.parse(good) is not None
    for wrong in (
        "",
        "now=x",
        good.replace("56", "256"),
        good.replace("::", "::1"),
        good.replace("_vltime=2", ""),
    ):
        assert port_dhcp6.parse(wrong) is None


def test_what_is_asked_for() -> None:
    """An address where it is wanted, a prefix for instances with room for them all, and nothing without either."""
    assert items() == []
    assert "ia_na" in files(items(dhcp6=True))["conf"]
    assert "ia_pd" not in files(items(dhcp6=True))["conf"]
    only_prefix = files(items(instances=1))["conf"]
    assert "ia_na" not in only_prefix
    assert "/::/60\n" in only_prefix
    assert "/::/56\n" in files(items(instances=17, dhcp6=True))["conf"]
    (process,) = [item for item in items(dhcp6=True) if isinstance(item, Process)]
    assert process.argv[0] == "sh"
    assert process.program == "dhcpcd"
