"""The two that are compared: netnsmgr, and the shell script; each adds instances in a lab of its own.

Instance N of either has the subnet of ``floor.sh``, leaves by eth0, and has two applications, in the namespaces
aN.1 and aN.2, which exist before the clock starts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any, Self

from tests.lab import Lab, LabError
from tests.lab.lab import ROOT

FLOOR = str(ROOT / "tests" / "bench" / "floor.sh")
CLIENT = str(ROOT / "tests" / "bench" / "client.py")

PORT: dict[str, Any] = {
    "name": "eth0",
    "addresses": ["192.168.0.2/24"],
    "gateways": ["192.168.0.1"],
    "dns": ["192.168.0.1"],
}


def subnet(number: int) -> str:
    """The first three octets."""
    return f"10.{number // 250}.{number % 250 + 1}"


def make_apps(lab: Lab, numbers: Iterable[int]) -> None:
    """The namespaces of two applications each."""
    names = [f"netns add a{n}.{i}" for n in numbers for i in (1, 2)]
    # "ip netns add" mounts; packed in one process it takes a third of the time.
    lab.device.run(["ip", "-batch", "-"], text="\n".join(names) + "\n", timeout=120.0)


class Clients:
    """The applications' DHCP and DNS clients of one instance: started before the clock, asked when it stops."""

    def __init__(self, lab: Lab, number: int, apps: Iterable[int] = (1, 2)) -> None:
        argv = [sys.executable, "-I", "-S", CLIENT, "eth0", "github.com"]
        self._apps = [
            subprocess.Popen(
                [*lab.holder.enter(f"/run/netns/a{number}.{i}"), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for i in apps
        ]
        self._expect("waiting")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for app in self._apps:
            app.communicate()

    def ask(self) -> None:
        """All get a lease, and an outside name resolved; at once."""
        for app in self._apps:
            assert app.stdin is not None
            app.stdin.write("now\n")
            app.stdin.flush()
        self._expect("answered")

    def _expect(self, word: str) -> None:
        for app in self._apps:
            assert app.stdout is not None
            said = app.stdout.readline()
            if said.strip() != word:
                raise LabError(f"the client said: {said}{app.communicate()[0]}")


class Script:
    """``floor.sh`` in a lab whose ports are configured already; packed or a command for each step."""

    def __init__(self, lab: Lab, *, packed: bool = False) -> None:
        self.lab = lab
        self._env = {"PACKED": "1" if packed else ""}
        self._run("init")

    def add(self, first: int, last: int) -> None:
        self._run("add", str(first), str(last), "eth0")

    def remove(self, first: int, last: int) -> None:
        self._run("del", str(first), str(last))

    def _run(self, *arguments: str) -> None:
        self.lab.device.run([FLOOR, *arguments], timeout=300.0, env=self._env)


class Netnsmgr:
    """The daemon and its command line; documents are kept so that an apply can be repeated."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.daemon = lab.daemon()
        self.apply([DEVICE], 30.0)

    def add(self, first: int, last: int) -> None:
        self.apply(self.documents(first, last), 60.0 + (last - first))

    def remove(self, first: int, last: int) -> None:
        text = "\n---\n".join(json.dumps(d) for d in self.documents(first, last))
        self.lab.netnsmgr("delete", "-f", "-", text=text, check=True, timeout=60.0 + (last - first))

    def documents(self, first: int, last: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for n in range(first, last + 1):
            net = subnet(n)
            spec = {
                "type": "local",
                "ports": ["eth0"],
                "subnets": [f"{net}.0/24"],
                "dhcp": {"range": f"{net}.50-{net}.150", "leaseTime": "1h"},
                "dns": {"hosts": {"printer": [f"{net}.9"]}},
            }
            found.append(document("NetworkInstance", f"n{n}", spec))
            for i in (1, 2):
                interfaces = [{"name": "eth0", "network": f"n{n}"}]
                attach = {"netns": f"a{n}.{i}"}
                found.append(document("App", f"a{n}-{i}", {"attach": attach, "interfaces": interfaces}))
        return found

    def operations(self, first: int, last: int) -> float:
        """What applying the same documents again would do, counted by the agents."""
        text = "\n---\n".join(json.dumps(d) for d in [DEVICE, *self.documents(first, last)])
        said = self.lab.netnsmgr("diff", "-f", "-", "-o", "json", text=text, timeout=120.0)
        answer = json.loads(said.stdout)
        plans = sum(len(plan["operations"]) for plan in answer["agents"].values())
        return float(plans + len(answer["documents"]))

    def apply_again(self, first: int, last: int) -> float:
        """Apply the same documents once more; how long that took, in seconds."""
        start = time.monotonic()
        self.apply([DEVICE, *self.documents(first, last)], 120.0)
        return time.monotonic() - start

    def apply(self, documents: list[dict[str, Any]], timeout: float) -> None:
        """``netnsmgr apply``, until all is ready."""
        # JSON is YAML; one document after the other, as a person's file has them.
        text = "\n---\n".join(json.dumps(d) for d in documents)
        arguments = ("apply", "-f", "-", "--timeout", f"{timeout:.0f}s")
        self.lab.netnsmgr(*arguments, text=text, check=True, timeout=timeout + 10)

    # --- its processes, by the process ids of the lab

    def processes(self) -> dict[str, list[int]]:
        """agents, supervisor (with the fork server and whatever else), and the instances' dnsmasq."""
        objects = json.loads(self.lab.netnsmgr("get", "agents", "-o", "json", check=True).stdout)["items"]
        agents = [o["status"]["pid"] for o in objects if o["metadata"]["name"] != "uplink"]
        found: dict[str, list[int]] = {"agents": agents, "supervisor": [], "dnsmasq": []}
        for entry in self.lab.path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in agents:
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if re.match(r"\S*dnsmasq .*/run/netnsmgr", command):
                found["dnsmasq"].append(int(entry.name))
            elif "netnsmgr" in command or "forkserver" in command:
                found["supervisor"].append(int(entry.name))
        return found

    def pss(self, pid: int) -> float:
        """Proportional set size in MiB."""
        rollup = self.lab.path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[0]) / 1024

    def cpu(self, pids: Iterable[int]) -> float:
        """Seconds of processor time that the processes have used so far."""
        total = 0
        for pid in pids:
            fields = self.lab.path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / 100  # USER_HZ, which is the same on all architectures that matter


def document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


DEVICE = document("Device", "edge", {"ports": [PORT]})
