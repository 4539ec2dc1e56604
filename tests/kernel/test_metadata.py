"""The metadata service itself in a real namespace: who asks is told by the mark, and what is whose."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from netnsmgr.features import dnsmasq, metadata
from tests.kernel.metadatastage import (
    GIVEN,
    SECRET,
    SUBNET,
    URL,
    app,
    configure,
    connect,
    curl,
    items,
    mark,
    processes,
    scope,
    served,
    until,
)
from tests.kernel.stage import DIRECTORY, sh
from tests.lab import isolated

pytestmark = pytest.mark.root  # the process changes its user


@isolated
async def test_each_is_told_its_own() -> None:
    """Two applications, neither of which has a default route, are told who they are and what is theirs."""
    async with served("app1", "app2") as (_, _):
        for name, address in (("app1", f"{SUBNET}.11"), ("app2", f"{SUBNET}.12")):
            status, body = curl(name, "/eve/v1/network.json")
            found = json.loads(body)
            assert (status, found["hostname"], found["device-name"]) == (200, name, "edge")
            assert re.fullmatch(rf"{re.escape(address)}:\d+", found["caller-ip"])
            assert found["external-ipv4"] == "192.0.2.7"  # a link-local address is nobody's way in
            assert found["app-instance-uuid"] == metadata.app_uuid("edge", name)
            assert found["device-uuid"] == metadata.device_uuid("edge")
        assert curl("app1", "/eve/v1/external_ipv4") == (200, "192.0.2.7\n")
        assert curl("app1", "/user-data") == (200, SECRET)
        assert curl("app2", "/user-data") == (200, "")
        assert curl("app2", "/openstack/latest/user_data")[0] == 404
        assert 'site: "north \\"1\\""\n' in curl("app1", "/meta-data")[1]
        assert json.loads(curl("app1", "/openstack/latest/meta_data.json")[1])["meta"] == GIVEN["metaData"]


@isolated
async def test_directly_on_the_link() -> None:
    """A client that has the address as on its own link (RFC 3927) is answered, too."""
    async with served("app1") as (_, _):
        sh("ip -n app1 route replace 169.254.169.254 dev eth0")
        assert curl("app1", "/eve/v1/hostname") == (200, "app1\n")


@isolated
async def test_a_forged_source_address() -> None:
    """Who takes another application's address is still told its own, and not what is the other's."""
    async with served("app1", "app2") as (_, _):
        sh(
            f"ip -n app1 link set eth0 down; ip -n app2 address replace {SUBNET}.11/32 dev lo; ip neigh flush all"
        )
        sh(f"ip -n app2 route replace 169.254.169.254 via {SUBNET}.1 src {SUBNET}.11")
        sh(
            f"ip neigh replace {SUBNET}.11 lladdr $(ip netns exec app2 cat /sys/class/net/eth0/address) dev bn0"
        )
        status, body = curl("app2", "/eve/v1/network.json")
        assert status == 200
        assert json.loads(body)["caller-ip"].startswith(f"{SUBNET}.11:")
        assert json.loads(body)["hostname"] == "app2"
        assert curl("app2", "/user-data") == (200, "")


@isolated
async def test_strangers_are_refused() -> None:
    """A packet without a mark, the instance's own namespace, and an unknown mark get 403 and a sentence."""
    async with served("app1") as (_, _):
        assert curl("app1", "/")[0] == 200
        argv = ["curl", "-sS", "-w", "%{http_code}", f"{URL}/user-data"]
        own = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert own.endswith("403")
        assert "no application's interface" in own
        for known in ({}, {"app1": 99}):
            mark(known)
            status, body = curl("app1", "/user-data")
            assert (status, "s3cr3t" in body) == (403, False)


@isolated
async def test_applications_come_and_go_without_a_restart() -> None:
    """Another application, and other data, are answered by the same process; an instance without any has none."""
    async with served("app1") as (agent, _):
        before = processes(agent)
        assert curl("app1", "/user-data")[0] == 200
        sh("ip netns add app2; ip -n app2 link set lo up")
        changed = app("app1", {"userData": "other"})
        done = await agent.bring(*items(scope(changed, app("app2"))))
        assert f"modify file/{DIRECTORY}/private/metadata.json" in done
        assert not [op for op in done if "process" in op]
        mark({"app1": 1, "app2": 2})
        configure("app2", 2)
        await until("app1", "/user-data", (200, "other"))
        await until("app2", "/eve/v1/hostname", (200, "app2\n"))
        assert processes(agent) == before
        await agent.bring(*items(scope()))
        assert list(agent.system.processes.running()) == []
        await agent.bring(*items(scope(app("app1"))))
        configure("app1", 1)
        await until("app1", "/user-data", (200, ""))


@isolated
async def test_an_id_that_is_given_to_another() -> None:
    """A connection that is open when its id becomes another's is told nothing of the other, and ends."""
    async with served("app1") as (agent, _):
        processes(agent)
        held = connect("app1")
        request = b"GET /user-data HTTP/1.1\r\nHost: x\r\n\r\n"
        held.sendall(request)
        assert b"s3cr3t" in held.recv(4096)
        # As if app1 had left, and its packets were still marked: the file is that of another set of applications.
        data = Path(f"{DIRECTORY}/private/metadata.json")
        data.write_text(data.read_text().replace('"app1"', '"app9"').replace("s3cr3t", "other"))
        agent.system.processes.signal("metadata", signal.SIGHUP)
        await until("app1", "/eve/v1/hostname", (200, "app9\n"))
        held.sendall(request)
        told = b"".join(iter(lambda: held.recv(4096), b""))
        assert told.startswith(b"HTTP/1.1 403 ")
        assert b"other" not in told
        held.close()


@isolated
async def test_dhcp_names_the_way() -> None:
    """An application of an air-gapped instance gets a route to the service and no other; another gets a router."""
    air_gapped, other = (dnsmasq._configuration(scope(app("app1"), air_gapped=gap)) for gap in (True, False))
    assert f"classless-static-route,169.254.169.254/32,{SUBNET}.1" in air_gapped
    assert "classless" not in other
