"""The metadata service itself in a real namespace: who asks is told by the mark, and nobody is kept from asking."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.config.check import check
from netnsmgr.core.item import Item
from netnsmgr.features import bridge, dnsmasq, metadata, vif
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope, LinkFacts
from netnsmgr.items.file import Directory
from netnsmgr.kernel.namespace import inode
from netnsmgr.pubsub.tables import APP_CONFIG, DEVICE_CONFIG, INSTANCE_CONFIG
from netnsmgr.supervisor.slices import Slicer
from tests.kernel.stage import ETC, Stage, sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.root  # the process changes its user

Document = dict[str, Any]
URL = "http://169.254.169.254"
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
SUBNET = "10.10.1"
SECRET = "#cloud-config\npassword: s3cr3t-ü\n"
GIVEN = {"userData": SECRET, "metaData": {"site": 'north "1"'}}


def app(name: str, given: Document | None = None) -> Document:
    interface = {"name": "eth0", "network": "agent"}
    spec = {"attach": {"netns": name}, "interfaces": [interface]} | ({"metadata": given} if given else {})
    return HEAD | {"kind": "App", "metadata": {"name": name}, "spec": spec}


def scope(*apps: Document, user: str = "nobody", air_gapped: bool = True) -> InstanceScope:
    ports = [] if air_gapped else ["eth0"]
    spec = {"subnets": [f"{SUBNET}.0/24"], "ports": ports, "dhcp": {}}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": spec}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    config, problems = check([device, instance, *apps], {})
    assert not problems, problems
    rows = {
        DEVICE_CONFIG: {"edge": device},
        INSTANCE_CONFIG: {"agent": instance},
        APP_CONFIG: {a["metadata"]["name"]: a for a in apps},
    }
    row = Slicer().cut(config, rows, {"agent": 0}, 1)["agent"]
    made = instance_scope(
        row, LinkFacts(addresses=(IPv4Address("192.0.2.7"), IPv4Address("169.254.3.3"))), run_dir="/run",
        state_dir="/run/state", netns_inode=inode() or 0, helper_user=user, python=sys.executable,
    )  # fmt: skip
    return replace(made, etc=ETC)


def items(of: InstanceScope) -> list[Item]:
    far = [item for app, interface in of.interfaces for item in vif.items(of, app, interface)]
    return [Directory(ETC), *bridge.items(of), *far, *metadata.items(of)]


@asynccontextmanager
async def served(*names: str, **more: Any) -> AsyncIterator[tuple[Stage, InstanceScope]]:
    """A service for these applications, each with its own address and the marks of its packets.

    The first one has user data; the namespaces are those of applications without a default route.
    """
    os.chmod("/run", 0o755)  # a helper of another user has to get there
    for name in names:
        sh(f"ip netns add {name}; ip -n {name} link set lo up")
    of = scope(*(app(name, GIVEN if n == 0 else None) for n, name in enumerate(names)), **more)
    async with stage() as agent:
        assert "create process/metadata" in await agent.bring(*items(of))
        mark({name: n for n, name in enumerate(names, 1)})
        for n, name in enumerate(names, 1):
            configure(name, n)
        yield agent, of


def mark(ids: dict[str, int]) -> None:
    """Mark packets by the interface that they come in by, as the table of the access lists does."""
    rules = "\n".join(f'iifname "{name}.eth0" meta mark set {n}' for name, n in ids.items())
    table = f"table bridge marks {{ chain p {{ type filter hook prerouting priority -300\n{rules}\n}}\n}}"
    sh(f"nft 'add table bridge marks; delete table bridge marks; {table}'")


def configure(name: str, host: int) -> None:
    sh(
        f"ip -n {name} address add {SUBNET}.{10 + host}/24 dev eth0; ip -n {name} link set eth0 up\n"
        f"ip -n {name} route add 169.254.169.254 via {SUBNET}.1"
    )


def listening() -> None:
    """Wait until the service is there: a helper that stays counts as ready from its start."""
    for _ in range(100):
        if "169.254.169.254:80" in sh("ss -Hltn"):
            return
        time.sleep(0.02)
    raise AssertionError(sh("ss -ltn; ps ax"))


def curl(name: str, path: str, *options: str) -> tuple[int, str]:
    """Ask from an application's namespace; status and body."""
    listening()
    argv = ["ip", "netns", "exec", name, "curl", "-sS", "-m10", "-w", "\n%{http_code}", *options, URL + path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


async def until(name: str, path: str, answer: tuple[int, str]) -> None:
    for _ in range(100):
        if (found := curl(name, path)) == answer:
            return
        await asyncio.sleep(0.02)  # SIGHUP has no answer
    raise AssertionError(found)


def processes(agent: Stage) -> tuple[int, int]:
    """The process that holds the files, and the one that answers; both are there when anybody is answered."""
    own = subprocess.run(
        ["curl", "-sS", "--retry", "9", "--retry-connrefused", URL], check=True, capture_output=True
    )
    assert b"netnsmgr" in own.stdout
    (info,) = [info for info in agent.system.processes.running() if info.name == "metadata"]
    children = Path(f"/proc/{info.pid}/task/{info.pid}/children").read_text().split()
    return info.pid, int(children[0])


def connect(name: str) -> socket.socket:
    """A connection from an application's namespace, made by a process of its own that hands it over."""
    ours, theirs = socket.socketpair()
    script = (
        "import socket,sys\n"
        "s=socket.create_connection(('169.254.169.254',80),5)\n"
        "socket.send_fds(socket.socket(fileno=int(sys.argv[1])),[b'x'],[s.fileno()])\n"
    )
    argv = ["ip", "netns", "exec", name, sys.executable, "-c", script, str(theirs.fileno())]
    subprocess.run(argv, check=True, pass_fds=[theirs.fileno()])
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    theirs.close()
    made = socket.socket(fileno=fds[0])
    made.settimeout(20)
    return made


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
        assert "modify file/" + ETC + "/metadata.json" in done
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
        data = Path(f"{ETC}/metadata.json")
        data.write_text(data.read_text().replace('"app1"', '"app9"').replace("s3cr3t", "other"))
        agent.system.processes.signal("metadata", signal.SIGHUP)
        await until("app1", "/eve/v1/hostname", (200, "app9\n"))
        held.sendall(request)
        told = b"".join(iter(lambda: held.recv(4096), b""))
        assert told.startswith(b"HTTP/1.1 403 ")
        assert b"other" not in told
        held.close()


@isolated
async def test_the_process_has_no_privileges_and_the_file_is_root_s() -> None:
    """Who answers has given up root and all capabilities; what it answers from only root may read."""
    async with served("app1") as (agent, of):
        assert curl("app1", "/user-data") == (200, SECRET)
        keeper, server = processes(agent)
        status = Path(f"/proc/{server}/status").read_text()
        uid = int(sh("id -u nobody"))
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
        assert "CapEff:\t0000000000000000" in status
        assert "CapPrm:\t0000000000000000" in status
        assert re.search(r"Groups:\s*\n", status)
        assert sh(f"stat -c '%a %u' {ETC}/metadata.json") == "600 0"
        for pid in (keeper, server):
            for name in ("cmdline", "environ"):
                assert b"s3cr3t" not in Path(f"/proc/{pid}/{name}").read_bytes()
        reading = ["setpriv", f"--reuid={uid}", "--clear-groups", "cat", f"/proc/{server}/environ"]
        assert subprocess.run(reading, capture_output=True, check=False).returncode != 0
        assert "s3cr3t" not in repr(items(of))


@isolated
async def test_who_answers_may_crash_alone() -> None:
    """The process that answers is replaced when it ends; when both end, the agent starts them again."""
    ended = asyncio.Event()
    async with served("app1") as (agent, of):
        agent.system.processes._changed = ended.set
        assert curl("app1", "/")[0] == 200
        keeper, server = processes(agent)
        os.kill(server, signal.SIGKILL)
        assert curl("app1", "/user-data") == (200, SECRET)
        assert processes(agent)[0] == keeper
        os.kill(keeper, signal.SIGKILL)
        await asyncio.wait_for(ended.wait(), 5)
        assert await agent.bring(*items(of)) == ["create process/metadata"]
        assert curl("app1", "/user-data") == (200, SECRET)


@isolated
async def test_a_restarted_agent_finds_it() -> None:
    """Another agent of the same namespace takes the running one for its own, and can end it."""
    async with served("app1") as (agent, of):
        before = processes(agent)
        async with stage(fresh=False) as restarted:
            assert await restarted.bring(*items(of)) == []
            assert processes(restarted) == before
            await restarted.bring(*items(scope()))
            assert not Path(f"/proc/{before[1]}").exists()
            await restarted.bring(*items(of))
            configure("app1", 1)
            assert curl("app1", "/")[0] == 200


FLOOD = """
import socket, threading, sys
def flood():
    while True:
        try:
            s = socket.create_connection(("169.254.169.254", 80), 2)
            for _ in range(50):
                s.sendall(b"GET /user-data HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                if not s.recv(65536): break
            s.close()
        except OSError: pass
for _ in range(16): threading.Thread(target=flood, daemon=True).start()
idle = []
for _ in range(64):
    try: idle.append(socket.create_connection(("169.254.169.254", 80), 2))
    except OSError: pass
print("flooding", flush=True)
threading.Event().wait()
"""


@isolated
async def test_one_floods_and_another_is_served() -> None:
    """While one application asks with all its might and holds connections open, another is answered in time."""
    async with served("app1", "app2") as (_, _):
        assert curl("app2", "/")[0] == 200
        argv = ["ip", "netns", "exec", "app1", sys.executable, "-c", FLOOD]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as flood:
            try:
                assert flood.stdout is not None
                assert flood.stdout.readline() == b"flooding\n"
                slowest = 0.0
                for _ in range(30):
                    begun = time.monotonic()
                    assert curl("app2", "/eve/v1/hostname", "-m5") == (
                        200,
                        "app2\n",
                    )
                    slowest = max(slowest, time.monotonic() - begun)
                assert slowest < 2.0, slowest
            finally:
                flood.kill()
        assert curl("app1", "/", "--retry", "10")[0] == 200  # 429 is tried again, as Retry-After says


@isolated
async def test_too_much_and_too_slow() -> None:
    """Headers and bodies have bounds, requests have a rate, and a client that never ends its request is closed."""
    async with served("app1") as (_, _):
        assert curl("app1", "/user-data", "-H", f"X: {'x' * 20000}")[0] == 431
        assert curl("app1", "/eve/v1/kubeconfig", "-d", "x" * 60000)[0] == 404
        assert curl("app1", "/eve/v1/kubeconfig", "-d", "x" * 70000)[0] == 413
        assert curl("app1", "/eve/v1/hostname", "-d", "x")[0] == 405
        assert curl("app1", "/eve/v1/hostname", "-I")[0] == 200
        slow = connect("app1")
        begun = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHo")
        assert slow.recv(1) == b""
        assert 9 < time.monotonic() - begun < 13
        many = connect("app1")
        many.sendall(b"GET /eve/v1/hostname HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        seen = b""
        while data := many.recv(65536):
            seen += data
        assert 90 <= seen.count(b"200 OK") <= 130
        assert seen.count(b"429 Too Many Requests") == 1
        assert b"Retry-After: 1" in seen


@isolated
async def test_dhcp_names_the_way() -> None:
    """An application of an air-gapped instance gets a route to the service and no other; another gets a router."""
    air_gapped, other = (dnsmasq._configuration(scope(app("app1"), air_gapped=gap)) for gap in (True, False))
    assert f"classless-static-route,169.254.169.254/32,{SUBNET}.1" in air_gapped
    assert "classless" not in other
