"""DHCPv6 and DNS over IPv6 by dnsmasq, with the configuration that an instance gives it, for clients as they are."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.core.item import Item, Ref
from netnsmgr.features import bridge, dnsmasq, leases, vif
from netnsmgr.features.nets import Learned
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.lease import Lease, parse
from tests.kernel.netstage import PREFIX, app, scope
from tests.kernel.stage import Stage, sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.root  # dnsmasq drops its groups

LEASES = Path("/run/state/leases/agent/dnsmasq.leases")
STATEFUL = {"ipv6": {"addressing": "stateful"}}
DELEGATED = {"subnets": [], "ipv6": {"uplink": "delegated", "addressing": "stateful"}}
NEW, OLD = "2001:db8:7::/64", "2001:db8:6::/64"
SCRIPT = """#!/bin/sh
[ "$reason" != PREINIT6 ] || exit 0
env | grep -E '^(reason|new_)' >/run/$interface.$$.told
mv /run/$interface.$$.told "/run/told"
[ -z "$new_ip6_address" ] || ip address replace $new_ip6_address/128 dev $interface
"""


def read() -> tuple[Lease, ...]:
    return tuple(parse(LEASES.read_text(), bridge.BRIDGE, Ref("process", dnsmasq.NAME)))


def items(of: InstanceScope) -> list[Item]:
    far = [item for name, interface in of.interfaces for item in vif.items(of, name, interface)]
    return [*bridge.items(of), *far, *dnsmasq.items(of), *leases.items(of)]


async def begin(
    agent: Stage, *names: str, interface: dict[str, str] | None = None, **more: Any
) -> InstanceScope:
    """Applications whose interfaces are up; the first one's is as ``interface`` says."""
    os.chmod("/run", 0o755)
    LEASES.parent.mkdir(parents=True)
    LEASES.touch()
    Path("/run/script").write_text(SCRIPT)
    os.chmod("/run/script", 0o755)
    for name in names:
        sh(f"ip netns add {name}; ip -n {name} link set lo up")
    apps = [app(name, **(interface or {}) if name == names[0] else {}) for name in names]
    of = scope(*apps, leases=read(), **more)
    await agent.bring(*items(of))
    for name in names:
        sh(f"ip netns exec {name} sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip -n {name} link set eth0 up")
    return of


def ask(name: str, *options: str) -> dict[str, str]:
    """What a DHCPv6 client in an application's namespace is told; nothing if nobody answers."""
    Path("/run/told").unlink(missing_ok=True)
    argv = [
        "ip",
        "netns",
        "exec",
        name,
        "timeout",
        "8",
        "dhclient",
        "-6",
        "-1",
        "-sf",
        "/run/script",
        *options,
    ]
    argv += ["-lf", f"/run/{name}.leases", "-pf", f"/run/{name}.pid", "eth0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if not Path("/run/told").exists():
        return {}
    assert done.returncode in (0, 2), done
    return dict(line.split("=", 1) for line in Path("/run/told").read_text().splitlines())


def lookup(name: str, server: str = f"{PREFIX}::1") -> set[str]:
    return set(sh(f"dig +short +tries=1 +time=2 @{server} {name}").splitlines())


async def until_known(answer: set[str], *question: str) -> None:
    for _ in range(100):
        if lookup(*question) == answer:
            return
        await asyncio.sleep(0.02)  # SIGHUP has no answer
    raise AssertionError(lookup(*question))


@isolated
async def test_addresses_by_dhcp() -> None:
    """A fixed one by the MAC, another from the range, names of both, and nothing for a stranger."""
    async with stage(leases=read) as agent:
        of = await begin(
            agent, "app1", "app2", interface={"address6": f"{PREFIX}::20"},
            spec={**STATEFUL, "dhcp": {"ntp": ["192.0.2.1", f"{PREFIX}::123"]}},
        )  # fmt: skip
        told = ask("app1")
        assert told["new_ip6_address"] == f"{PREFIX}::20"
        assert told["new_dhcp6_name_servers"] == f"{PREFIX}::1"
        assert told["new_dhcp6_domain_search"] == "internal."
        assert told.get("new_dhcp6_sntp_servers", f"{PREFIX}::123") == f"{PREFIX}::123"
        second = ask("app2")["new_ip6_address"]
        assert IPv6Address(f"{PREFIX}::1000") <= IPv6Address(second) <= IPv6Address(f"{PREFIX}::1fff")
        for name, address in (("app1", f"{PREFIX}::20"), ("app2", second)):
            assert lookup(f"{name}.internal AAAA") == {address}
            assert lookup(f"-x {address}") == {f"{name}.internal."}
        both = scope(app("app1", address6=f"{PREFIX}::20"), app("app2"), spec=STATEFUL, leases=read())
        macs = {interface.mac_for(a.name): a.name for a, interface in both.interfaces}
        assert {macs[lease.mac]: str(lease.address) for lease in both.leases_now} == {
            "app1": f"{PREFIX}::20", "app2": second,
        }  # fmt: skip
        # app2 leaves: its lease goes, and it is answered no more.
        left = scope(app("app1", address6=f"{PREFIX}::20"), spec=of.instance.spec.model_dump(
            mode="json", by_alias=True, exclude_defaults=True), leases=read())  # fmt: skip
        done = await agent.once(*items(left))
        assert [op for op in done if "lease/" in op] == [
            f"delete lease/{next(each.key() for each in both.leases_now if str(each.address) == second)}"
        ], done
        assert [str(lease.address) for lease in read()] == [f"{PREFIX}::20"]


@isolated
async def test_a_client_that_names_itself_by_its_duid() -> None:
    """Known by its DUID, behind whatever MAC."""
    duid = "00:02:00:00:ab:11:01:02:03:04"
    async with stage(leases=read) as agent:
        await begin(
            agent, "app1", interface={"address6": f"{PREFIX}::20", "duid": duid}, spec=STATEFUL,
        )  # fmt: skip
        sh("ip -n app1 link set eth0 down address 02:00:00:00:00:99; ip -n app1 link set eth0 up")
        octal = "".join(f"\\{int(octet, 16):03o}" for octet in duid.split(":"))
        Path("/run/app1.leases").write_text(f'default-duid "{octal}";\n')
        assert ask("app1")["new_ip6_address"] == f"{PREFIX}::20"
        (lease,) = read()
        assert (lease.duid, lease.hostname) == (duid, "app1")
        of = scope(
            app("app1", address6=f"{PREFIX}::20", duid=duid),
            spec=STATEFUL,
            leases=(replace(lease, hostname=""),),
        )
        assert of.leases_now[0].mac == of.interfaces[0][1].mac_for("app1")


@isolated
async def test_options_alone() -> None:
    """ "stateless": who asks for options gets them and no address; who asks for an address gets none."""
    async with stage(leases=read) as agent:
        await begin(agent, "app1")
        told = ask("app1", "-S")
        assert (told["new_dhcp6_name_servers"], "new_ip6_address" in told) == (f"{PREFIX}::1", False)
        assert "new_ip6_address" not in ask("app1")
        assert read() == ()


@isolated
async def test_names_of_addresses_that_applications_made() -> None:
    """Learnt ones are in the DNS, forwards and backwards; other questions about the subnet ask nobody outside."""
    async with stage(leases=read) as agent:
        subnet = {"subnets": ["2001:db8:5::/64"], "dns": {"hosts": {"printer": ["2001:db8:5::9"]}}}
        of = await begin(agent, "app1", spec=subnet)
        question = ("app1.internal AAAA", "2001:db8:5::1")
        assert lookup(*question) == set()
        (before,) = agent.system.processes.running()
        (number,) = of.numbers.vifs.values()
        known = replace(of, learned=(Learned(number, IPv6Address("2001:db8:5::77")),))
        await agent.bring(*items(known))
        await until_known({"2001:db8:5::77"}, *question)
        assert lookup("-x 2001:db8:5::77", "2001:db8:5::1") == {"app1.internal."}
        assert lookup("printer.internal AAAA", "2001:db8:5::1") == {"2001:db8:5::9"}
        for address, status in (("2001:db8:5::3:1", "NXDOMAIN"), ("2001:db9::1", "REFUSED")):
            assert f"status: {status}" in sh(f"dig +tries=1 @2001:db8:5::1 -x {address}")
        assert list(agent.system.processes.running()) == [before]


@isolated
async def test_another_delegated_prefix() -> None:
    """dnsmasq stays the same process, answers at the new address, gives addresses of the new prefix and lets the old go.

    The instance's own address of the old one is still there, so that applications that have not moved are answered.
    """
    async with stage(leases=read) as agent:
        await begin(agent, "app1", spec=DELEGATED, delegated=(OLD,))
        (before,) = agent.system.processes.running()
        assert ask("app1")["new_ip6_address"].startswith("2001:db8:6::1")
        assert lookup("app1.internal AAAA", "2001:db8:6::1")
        later = scope(app("app1"), spec=DELEGATED, delegated=(NEW, OLD), leases=read())
        await agent.bring(*items(later))
        # The application goes on with the old address until it asks again.
        assert [str(lease.address)[:12] for lease in read()] == ["2001:db8:6::"]
        told = ask("app1")
        assert told["new_ip6_address"].startswith("2001:db8:7::1")
        assert told["new_dhcp6_name_servers"] == "2001:db8:7::1"
        assert told["new_ip6_address"] in lookup("app1.internal AAAA", "2001:db8:7::1")
        await agent.once(*items(scope(app("app1"), spec=DELEGATED, delegated=(NEW,), leases=read())))
        await until_known({told["new_ip6_address"]}, "app1.internal AAAA", "2001:db8:7::1")
        assert list(agent.system.processes.running()) == [before]


@isolated
async def test_a_prefix_that_comes_later() -> None:
    """DNS and DHCPv6 begin with it; what waited for it is not started anew."""
    async with stage(leases=read) as agent:
        await begin(agent, "app1", spec=DELEGATED)
        (before,) = agent.system.processes.running()
        await agent.bring(*items(scope(app("app1"), spec=DELEGATED, delegated=(NEW,))))
        began = time.monotonic()
        assert ask("app1")["new_ip6_address"].startswith("2001:db8:7::1")
        assert time.monotonic() - began < 5
        assert list(agent.system.processes.running()) == [before]


@isolated
async def test_both_versions_from_one_dnsmasq() -> None:
    """Names of both, asked at either address, also by the instance itself; what an application has of each is found."""
    async with stage(leases=read) as agent:
        spec = {"subnets": ["10.10.1.0/24", f"{PREFIX}::/64"], **STATEFUL}
        await begin(agent, "app1", interface={"address": "10.10.1.20"}, spec=spec)
        address = ask("app1")["new_ip6_address"]
        for server in ("10.10.1.1", f"{PREFIX}::1"):
            assert lookup("app1.internal A", server) == {"10.10.1.20"}
            assert lookup("app1.internal AAAA", server) == {address}
        assert lookup("-x 10.10.1.20") == {"app1.internal."} == lookup(f"-x {address}")
        (resolv,) = Path("/run/agent/etc").glob("resolv.conf")
        assert resolv.read_text() == f"nameserver 10.10.1.1\nnameserver {PREFIX}::1\nsearch internal\n"


GREEDY = r"""
import socket, struct, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 546)); s.settimeout(5)
place = ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0"))
def option(code, body): return struct.pack("!HH", code, len(body)) + body
def options(data):
    while data:
        code, length = struct.unpack("!HH", data[:4])
        yield code, data[4 : 4 + length]
        data = data[4 + length :]
for n in range(40):
    client = option(1, b"\0\4" + bytes([n % 2]) * 16)
    s.sendto(b"\1\0\0\1" + client + option(3, struct.pack("!III", n, 0, 0)) + option(8, b"\0\0"), place)
    said = dict(options(s.recv(2000)[4:]))
    if 3 not in said or 5 not in dict(options(said[3][12:])): continue
    s.sendto(b"\3\0\0\2" + client + option(2, said[2]) + option(3, said[3]) + option(8, b"\0\0"), place)
    s.recv(2000)
"""


@isolated
async def test_one_application_takes_the_addresses_of_none() -> None:
    """Whoever asks again and again, as another client each time, gets the addresses that are kept for its interface."""
    async with stage(leases=read) as agent:
        await begin(agent, "app1", "app2", spec=STATEFUL)
        Path("/run/greedy.py").write_text(GREEDY)
        sh(f"ip netns exec app1 {sys.executable} /run/greedy.py")
        assert len(read()) == 4
        assert ask("app2")["new_ip6_address"]
        assert [lease.hostname for lease in read()].count("app2") == 1
