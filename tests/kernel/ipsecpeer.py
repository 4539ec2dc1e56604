"""An IPsec instance in the test's own namespace, and a plain strongSwan as its other end, without any agent."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netnsmgr.agent.ipsec import IpsecWatch
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import LinkEnds
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import ipsec
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.items.file import Directory, File
from netnsmgr.items.process import Process
from netnsmgr.items.xfrm import XfrmLink
from netnsmgr.kernel.backends import probe
from tests.kernel.stage import Stage, sh, stage
from tests.kernel.told import told
from tests.lab.patience import patient

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
OWN, PEER = "192.0.2.2", "192.0.2.1"
GATEWAY, BEHIND = "10.11.12.1", "10.20.0.1"
SECRETS = "/run/secrets"
PSK = f"{SECRETS}/cloud1.psk"

STRONGSWAN = """
charon-systemd {
  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf drbg kernel-libipsec kernel-netlink socket-default updown vici
  install_routes = no
  journal { default = -1
  }
  filelog { log { path = /run/peer.log
    flush_line = yes
    default = 1
  }
  }
  plugins {
    kernel-libipsec { allow_peer_ts = yes
    }
    vici { socket = unix:///run/peer.vici
    }
  }
}
"""

SWANCTL = """
connections {
  device {
    version = 2
    local_addrs = 192.0.2.1
    remote_addrs = %any
    encap = yes
    unique = replace
    @more@
    local { @local@
    }
    remote { @remote@
    }
    children { @children@
    }
  }
}
pools { pool { addrs = 10.99.0.0/24
  dns = 10.20.0.53, 10.20.0.54
} }
secrets { @secrets@
}
"""
NET = "net { local_ts = 10.20.0.0/24\n remote_ts = 10.11.12.0/24\n @child@\n }"
OWN_AUTH, THEIR_AUTH = "auth = psk\n id = cloud", "auth = psk\n id = device"


class Peer:
    """A strongSwan that nobody told of netnsmgr."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        Path("/run/peer.conf").write_text(STRONGSWAN)
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", "peer", "charon-systemd"],
            env=os.environ | {"STRONGSWAN_CONF": "/run/peer.conf"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await until(lambda: swanctl("--stats", check=False) == 0, "the peer answers")
        sh("ip -n peer link set ipsec0 up; ip -n peer route replace 10.11.12.0/24 dev ipsec0 src 10.20.0.1")

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        Path("/run/peer.vici").unlink(missing_ok=True)

    async def load(
        self,
        *,
        psk: str = "s3cret",
        local: str = OWN_AUTH,
        remote: str = THEIR_AUTH,
        children: str = NET,
        child: str = "",
        more: str = "",
    ) -> None:
        """Give it a configuration file, and that alone."""
        text = SWANCTL.replace("@local@", local).replace("@remote@", remote).replace("@more@", more)
        text = text.replace("@children@", children).replace("@child@", child)
        secret = f'ike-device {{ secret = "{psk}"\n }}' if psk else ""
        Path("/run/swanctl").mkdir(exist_ok=True)
        Path("/run/swanctl/swanctl.conf").write_text(text.replace("@secrets@", secret))
        # Not in this thread: the instance goes on meanwhile.
        await asyncio.to_thread(swanctl, "--load-all", "--clear", "--file", "/run/swanctl/swanctl.conf")

    def log(self) -> str:
        return Path("/run/peer.log").read_text()


def swanctl(*arguments: str, check: bool = True) -> int:
    """Drive the peer; its certificates and keys lie where swanctl looks for them."""
    argv = ["ip", "netns", "exec", "peer", "swanctl", *arguments, "--uri", "unix:///run/peer.vici"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env=os.environ | {"SWANCTL_DIR": "/run/swanctl"}
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.returncode


async def until(what: Callable[[], Any], words: str | Callable[[], str], timeout: float = 15.0) -> None:
    """Wait for it; the state of others has no event."""
    end = time.monotonic() + patient(timeout)
    while not what():
        assert time.monotonic() < end, (
            f"not within {timeout:g} s: {words if isinstance(words, str) else words()}"
        )
        await asyncio.sleep(0.02)


def connection(name: str = "cloud1", **more: Any) -> Document:
    """A connection to the peer, by PSK; ``more`` says what is different."""
    return {
        "name": name,
        "remote": PEER,
        "localAuth": {"id": "device"},
        "remoteAuth": {"id": "cloud", "psk": {"file": PSK}},
        "children": [child()],
    } | more


def child(name: str = "net", remote: str = "10.20.0.0/24", **more: Any) -> Document:
    return {"name": name, "remote": [remote]} | more


def secret(text: str, path: str = PSK) -> None:
    """Write a secret as one does: a new file in the place of the old one."""
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(f"{path}.new").write_text(text)
    Path(f"{path}.new").chmod(0o600)
    Path(f"{path}.new").rename(path)


def scope(*connections: Document) -> InstanceScope:
    """What an instance with these connections is told."""
    vpn = {"ipsec": {"connections": list(connections)}}
    wanted = {"subnets": ["10.11.12.0/24"], "dhcp": {}, "ports": ["eth0"], "vpn": vpn}
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": wanted}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    link = LinkFacts(state="ready")
    made = told(device, instance, link=link)
    ends = (LinkEnds(ip_address(PEER), ip_address(OWN)),)
    names = dict.fromkeys((each["remote"] for each in connections), (ip_address(PEER),))
    return replace(made, links=ends, vpn=VpnFacts(esp=probe()["esp"], endpoints=names))


class Instance:
    """What the agent's passes do, by hand: charon runs, ``watch`` follows."""

    def __init__(self, agent: Stage, watch: IpsecWatch) -> None:
        self._agent = agent
        self.watch = watch
        self.changes = 0
        self._scope: InstanceScope | None = None
        self._linked = False
        watch.changed = self._count

    def _count(self) -> None:
        self.changes += 1

    async def follow(self, scope: InstanceScope) -> None:
        self._scope = scope
        await self.charon()
        self.watch.follow(scope)

    async def charon(self) -> None:
        """Start it unless it runs."""
        assert self._scope is not None
        for item in ipsec.items(self._scope):
            if isinstance(item, File):
                # A minute of tests is long.
                text = item.text.replace("retransmit_timeout = 2.0", "retransmit_timeout = 0.3")
                await replace(item, text=text).create(self._agent.system)
            elif isinstance(item, Directory | Process) or (isinstance(item, XfrmLink) and not self._linked):
                self._linked |= isinstance(item, XfrmLink)
                await item.create(self._agent.system)

    def pid(self) -> int:
        (found,) = [info.pid for info in self._agent.system.processes.running() if info.name == "charon"]
        return found

    async def kill(self) -> None:
        """End charon without a word, and have it started again as the agent does."""
        os.kill(self.pid(), signal.SIGKILL)
        await until(lambda: not self._agent.system.processes.running(), "charon has ended")
        await self.charon()

    def row(self, name: str = "cloud1") -> Document:
        (found,) = [row for row in self.watch.rows() if row["name"] == name]
        return found

    async def up(self, name: str = "cloud1", timeout: float = 15.0) -> Document:
        await until(
            lambda: self.row(name)["state"] == "up", lambda: f"{name} is up: {self.watch.reasons()}", timeout
        )
        sh("ip link set ipsec0 up; ip route replace 10.20.0.0/16 dev ipsec0 src 10.11.12.1")
        return self.row(name)

    async def says(self, words: str, timeout: float = 15.0) -> str:
        await until(
            lambda: any(words in reason for reason in self.watch.reasons()),
            lambda: f"{words!r} in {self.watch.reasons()}",
            timeout,
        )
        return next(reason for reason in self.watch.reasons() if words in reason)

    def again(self) -> None:
        """The agent ends, and another one begins, which knows nothing."""
        assert self._scope is not None
        self.watch.close()
        self.watch = IpsecWatch()
        self.watch.changed = self._count
        self.watch.follow(self._scope)


@asynccontextmanager
async def ipsec_stage() -> AsyncIterator[tuple[Instance, Peer]]:
    """An instance in this namespace, and a peer in another, on one wire, which runs and has no configuration yet."""
    sh(
        f"""ip netns add peer
        ip link add uplink type veth peer name eth0 netns peer
        ip addr add {OWN}/24 dev uplink; ip link set uplink up; ip addr add {GATEWAY}/32 dev lo
        ip -n peer addr add {PEER}/24 dev eth0; ip -n peer link set eth0 up; ip -n peer link set lo up
        ip -n peer addr add {BEHIND}/32 dev lo; ip -n peer addr add 10.20.1.1/32 dev lo; ip -n peer addr add 10.20.2.1/32 dev lo"""
    )
    secret("s3cret")
    peer = Peer()
    await peer.start()
    async with stage() as agent:
        instance = Instance(agent, IpsecWatch())
        try:
            yield instance, peer
        finally:
            instance.watch.close()


def spis() -> dict[str, str]:
    """Our SPIs by child, as another client of charon's socket is told."""
    said = sh("swanctl --list-sas --raw --uri unix:///run/agent/charon/charon.vici")
    return {
        part.partition(" ")[0]: part.partition("spi-in=")[2].partition(" ")[0]
        for part in said.split("{name=")[1:]
    }


def ping(count: int = 1, address: str = BEHIND) -> str:
    """Ping through the tunnel; the summary."""
    argv = shlex.split(f"ping -n -c {count} -i 0.02 -W 2 -I {GATEWAY} {address}")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return next((line for line in done.stdout.splitlines() if "received" in line), done.stdout + done.stderr)
