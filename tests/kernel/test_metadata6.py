"""The metadata service over IPv6: at both addresses, and who asks is told by the mark as ever."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, metadata, radvd, vif
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.file import Directory
from tests.kernel.metadatastage import mark
from tests.kernel.netstage import PREFIX, app, scope
from tests.kernel.stage import ETC, Stage, sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.root  # the process changes its user

ON_LINK, ROUTED = "[fe80::a9fe:a9fe%25eth0]", "[fd00:ec2::254]"


def items(of: InstanceScope) -> list[Item]:
    far = [item for name, interface in of.interfaces for item in vif.items(of, name, interface)]
    return [Directory(ETC), *bridge.items(of), *far, *radvd.items(of), *metadata.items(of)]


@asynccontextmanager
async def served(*names: str, **more: Any) -> AsyncIterator[tuple[Stage, InstanceScope]]:
    """Applications that take what they are advertised, and the marks of their packets."""
    os.chmod("/run", 0o755)  # a helper of another user has to get there
    for name in names:
        sh(f"ip netns add {name}; ip -n {name} link set lo up")
    of = replace(scope(*map(app, names), **more), python=sys.executable)
    async with stage() as agent:
        assert "create process/metadata" in await agent.bring(*items(of))
        mark({name: n for n, name in enumerate(names, 1)})
        for name in names:
            parameters = " ".join(
                f"net.ipv6.conf.eth0.{what}" for what in ("accept_dad=0", "accept_ra_rt_info_max_plen=128")
            )
            sh(f"ip netns exec {name} sysctl -qw {parameters}; ip -n {name} link set eth0 up")
        yield agent, of


def curl(name: str, host: str, path: str) -> tuple[int, str]:
    """Ask from an application's namespace; status and body.  The service and the way to it may yet have to come."""
    argv = ["ip", "netns", "exec", name, "curl", "-sS", "-m10", "--retry", "20", "--retry-all-errors"]
    argv += ["--retry-delay", "1", "--retry-max-time", "8", "-w", "\n%{http_code}", f"http://{host}{path}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done, sh(f"ip -n {name} -6 route; ss -ltn"))
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@isolated
async def test_each_is_told_its_own() -> None:
    """At OpenStack's address on the link and at the one of AWS, by a process that is nobody."""
    async with served("app1", "app2") as (_, _):
        for name in ("app1", "app2"):
            for host in (ON_LINK, ROUTED):
                status, body = curl(name, host, "/eve/v1/network.json")
                found = json.loads(body)
                assert (status, found["hostname"], found["external-ipv4"]) == (200, name, "")
                assert re.fullmatch(r"\[(fe80|fd00):[0-9a-f:]+\]:\d+", found["caller-ip"]), found
        network = json.loads(curl("app1", ROUTED, "/openstack/latest/network_data.json")[1])
        (only,) = network["networks"]
        assert only == {"id": "network0", "link": "eth0", "type": "ipv6_dhcpv6-stateless"}
        assert network["services"] == [{"type": "dns", "address": f"{PREFIX}::1"}]
        assert curl("app1", ROUTED, "/eve/v1/hostname") == (200, "app1\n")
        # Nobody listens at the other addresses of the instance.
        assert {line.split()[3] for line in sh("ss -Hltn").splitlines()} == {
            "[fe80::a9fe:a9fe]%bn0:80", "[fd00:ec2::254]:80",
        }  # fmt: skip


@isolated
async def test_both_versions_from_one_process() -> None:
    """An instance of both versions: the same service at all three addresses; and without a port it is found, too."""
    spec = {"subnets": ["10.10.1.0/24", f"{PREFIX}::/64"], "ports": []}
    async with served("app1", spec=spec) as (agent, _):
        sh(
            "ip -n app1 address add 10.10.1.11/24 dev eth0; ip -n app1 route add 169.254.169.254 via 10.10.1.1"
        )
        for host in (ON_LINK, ROUTED, "169.254.169.254"):
            assert curl("app1", host, "/eve/v1/hostname") == (200, "app1\n")
        assert "default" not in sh("ip -6 -n app1 route")
        assert [info.name for info in agent.system.processes.running()].count("metadata") == 1
        network = json.loads(curl("app1", ROUTED, "/openstack/latest/network_data.json")[1])
        assert [each["type"] for each in network["networks"]] == ["ipv4_dhcp", "ipv6_dhcpv6-stateless"]


@isolated
async def test_it_comes_and_goes_with_ipv6() -> None:
    """An instance that gets IPv6 serves at its addresses, one that loses it has none of them left."""
    plain, both = {"subnets": ["10.10.1.0/24"]}, {"subnets": ["10.10.1.0/24", f"{PREFIX}::/64"]}
    async with served("app1", spec=plain) as (agent, _):
        assert "a9fe:a9fe" not in sh("ip address")
        for spec in (both, plain):
            of = replace(scope(app("app1"), spec=spec), python=sys.executable)
            await agent.bring(*items(of))
            assert ("a9fe:a9fe" in sh("ip address")) == (spec is both)
            if spec is both:
                assert curl("app1", ON_LINK, "/eve/v1/hostname") == (200, "app1\n")
