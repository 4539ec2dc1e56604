"""Applications in containers of a real docker, whose engine runs in the lab: what the stand-in is taken for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.observe import lost, none_lost
from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.world import World

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.skipif(not shutil.which("dockerd"), reason="no dockerd is installed"),
]

GITHUB = "203.0.113.10"
CGROUP = f"/netnsmgr-test-{os.getpid()}"
DOCKERD = (
    "dockerd --data-root /run/dockerd --exec-root /run/docker --pidfile /run/docker.pid -H unix:///run/docker.sock "
    f"--storage-driver vfs --cgroup-parent {CGROUP} --bridge none --iptables=false --ip6tables=false --ip-forward=false"
)


class Docker:
    """dockerd in the lab, with one image that can sleep.  Its cgroups are the machine's: ``close`` removes them."""

    def __init__(self, w: World) -> None:
        self._w = w
        # The lab's own /sys hides them.
        lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        groups = [(m[1], m[2], m[3]) for m in lines if m[2] in ("cgroup", "cgroup2")]
        common = {"rw", "ro", "nosuid", "nodev", "noexec", "relatime"}
        mounts = [
            f"mkdir -p {place}; mount -t {kind} {'-o ' + chosen if chosen else ''} none {place}"
            for place, kind, options in groups
            if (chosen := ",".join(o for o in options.split(",") if o not in common)) or kind == "cgroup2"
        ]
        if len(groups) > 1:
            mounts.insert(0, "mount -t tmpfs none /sys/fs/cgroup")
        w.sh("\n".join(mounts))
        self.start()
        libraries = subprocess.run(["ldd", "/bin/sleep"], capture_output=True, text=True, check=True).stdout
        files = " ".join(["/bin/sleep", *re.findall(r"(/\S+) \(", libraries)])
        w.sh(f"mkdir /run/image; for f in {files}; do install -D $f /run/image$f; done")
        w.sh("tar -C /run/image -c . | docker import - lab")

    def start(self) -> None:
        self._w.lab.device.popen(DOCKERD.split(), log="dockerd")
        self._w.eventually(
            lambda: self._w.lab.device.run(["docker", "version"], check=False).returncode == 0, "docker"
        )

    def kill(self) -> None:
        self._w.sh("kill -9 $(cat /run/docker.pid); rm /run/docker.pid")

    def __call__(self, *arguments: str) -> str:
        return self._w.lab.device.run(["docker", *arguments], timeout=30.0).stdout

    def run(self, name: str, network: str = "none") -> None:
        self("run", "-d", "--network", network, "--name", name, "lab", "/bin/sleep", "1000")

    def inside(self, name: str) -> str:
        """The start of a command in a container's namespace."""
        pid = json.loads(self("inspect", name))[0]["State"]["Pid"]
        return f"nsenter --net=/proc/{pid}/ns/net"

    def online(self, name: str, address: str) -> None:
        """Wait for its interface, and use it."""
        enter = self.inside(name)
        self._w.eventually(lambda: "eth0" in self._w.sh(f"{enter} ip -br link"), f"{name} has eth0")
        self._w.sh(
            f"{enter} ip link set eth0 up; {enter} ip address add {address}/24 dev eth0; "
            f"{enter} ip route add default via 10.10.1.1; {enter} ping -c 1 -W 5 {GITHUB}"
        )

    def close(self) -> None:
        """End what runs in its cgroups, whether or not it still answers, and remove them."""
        found = f"find /sys/fs/cgroup -depth -path '*{CGROUP}*'"
        self._w.sh(f"{found} -name cgroup.procs -exec cat {{}} + | sort -u | xargs -r kill -9")
        # A process that was killed is in its cgroup until it has been waited for.
        self._w.eventually(
            lambda: self._w.sh(f"{found} -type d -exec rmdir {{}} + 2>&1 || true") == "", "no cgroups"
        )


@pytest.fixture
def w() -> Iterator[World]:
    with World(["eth0"]) as world:
        yield world


@pytest.fixture
def docker(w: World) -> Iterator[Docker]:
    engine = Docker(w)
    yield engine
    engine.close()


def contained(name: str, address: str) -> Document:
    return app(name, "ni1", attach={"container": name}, address=address)


def test_containers_of_docker(w: World, docker: Docker) -> None:
    """As with the stand-in: each start has the interface, with its MAC; who runs notices nothing of anybody's end."""
    docker.run("app2")
    w.apply(device(), instance("ni1"), contained("app2", "10.10.1.21"))
    docker.online("app2", "10.10.1.21")
    ping = w.lab.device.popen([*docker.inside("app2").split(), "ping", "-n", "-q", "-i", "0.02", GITHUB])
    ping.wait_line("PING")
    w.put(contained("app1", "10.10.1.20"))
    w.pending("ni1", "app1", "pending: there is no container app1")
    docker.run("app1")
    docker.online("app1", "10.10.1.20")
    mac = w.interface("ni1", "app1")["mac"]
    docker("restart", "-t", "0", "app1")
    docker.online("app1", "10.10.1.20")
    assert mac in w.sh(f"{docker.inside('app1')} ip link show eth0")
    docker("stop", "-t", "0", "app1")
    w.pending("ni1", "app1", "pending: container app1 is not running")
    docker("rm", "app1")
    w.pending("ni1", "app1", "pending: there is no container app1")
    docker.run("app1", "host")
    w.pending(
        "ni1",
        "app1",
        "pending: container app1 has the host's own network; "
        "run it with a network namespace of its own (--network none)",
    )
    docker("rm", "-f", "app1")
    w.crash()
    docker.run("app1")
    w.restart()
    docker.online("app1", "10.10.1.20")
    since = w.mark()
    docker.kill()
    w.eventually(lambda: w.logged(since, event="containers are not followed"), "that docker is away")
    assert none_lost(seen := lost(ping)), seen
