"""An instance with IPsec in this namespace, the device, and a cloud whose strongSwan its own files configure."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any, Self

import vici

from netnsmgr.core.item import Item
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn import ipsec
from netnsmgr.features.vpn.connections import certificates, connection, private_key, remotes, shared
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.ipsec import vici_socket
from netnsmgr.features.vpn.marks import OUTSIDE, OUTSIDE_MASK, OUTSIDE_TABLE
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink
from netnsmgr.kernel.backends import probe
from netnsmgr.kernel.namespace import enter
from tests.kernel.stage import DIRECTORY, Stage, sh
from tests.kernel.told import told
from tests.lab.patience import patient

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
CLOUD, CLOUD6 = "198.51.100.1", "2001:db8::1"
GATEWAY, NEAR = "10.11.12.1", "10.11.12.0/24"
FAR, OTHER = "10.20.0.0/24", "10.30.0.0/24"
BEHIND, BEHIND_OTHER = "10.20.0.1", "10.30.0.1"
PSK = "correct horse battery staple"
INNER = ("169.254.100.1/31", "fd6e:6d00::1/127")
CHARON = """\
charon-systemd {{
  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints kdf drbg {esp} kernel-netlink socket-default vici
  plugins {{
    vici {{
      socket = unix:///run/cloud/charon.vici
    }}
    kernel-netlink {{
      fwmark = !0x42
    }}
    socket-default {{
      fwmark = 0x42
    }}
    kernel-libipsec {{
      allow_peer_ts = yes
    }}
  }}
  filelog {{
    log {{
      path = /run/cloud/log
      default = 1
      flush_line = yes
    }}
  }}
}}
"""
Document = dict[str, Any]


@cache
def backend() -> str:
    """Who encrypts here."""
    return probe()["esp"]


def child(name: str = "net", remote: Sequence[str] = (FAR,), **more: Any) -> Document:
    return {"name": name, "remote": list(remote), **more}


def tunnel(*children: Document, name: str = "cloud1", remote: str = CLOUD, **more: Any) -> Document:
    """A connection by a secret."""
    auth = {"localAuth": {"id": "device7", "psk": {"file": "/run/psk"}}, "remoteAuth": {"id": name}}
    return {"name": name, "remote": remote, **auth, "children": list(children or (child(),)), **more}


def scope(*tunnels: Document, facts: VpnFacts | None = None, mtu: int = 1500, **spec: Any) -> InstanceScope:
    """What the instance is told."""
    wanted = {
        "subnets": [NEAR],
        "ports": ["eth0"],
        "vpn": {"ipsec": {"connections": list(tunnels or (tunnel(),))}},
    } | spec
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": wanted}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    hosts = {each["remote"]: (ip_address(each["remote"]),) for each in wanted["vpn"]["ipsec"]["connections"]}
    vpn = facts or VpnFacts(esp=backend(), endpoints=hosts)
    return told(device, instance, link=LinkFacts(mtu=mtu), vpn=vpn)


def items(of: InstanceScope) -> list[Item]:
    """IPsec, and what this namespace has beside it."""
    inner = [Address("uplink", ip_interface(each)) for each in INNER]
    there = [
        ExternalLink("uplink"),
        ExternalLink("bn0"),
        *inner,
        Address("bn0", ip_interface(f"{GATEWAY}/24")),
    ]
    return [*there, *ipsec.items(of)]


async def bring(agent: Stage, of: InstanceScope, *more: Item) -> None:
    """Two passes: with libipsec the link comes with charon."""
    await agent.once(*items(of), *more)
    await asyncio.to_thread(until, lambda: Path("/sys/class/net/ipsec0").exists())
    await agent.once(*items(of), *more)
    assert await agent.once(*items(of), *more) == []


@contextmanager
def surroundings(swanctl: str, *, mtu: int = 1500) -> Iterator[None]:
    """Everything around the instance, and its links: the ways around the tunnel are made by hand here."""
    Path(DIRECTORY).mkdir(exist_ok=True)
    Path("/run/psk").write_text(PSK)
    sh(f"""
    for n in device cloud; do ip netns add $n; ip -n $n link set lo up; done
    ip link add bn0 type bridge; ip link set bn0 up
    ip -n device link add nm-agent mtu {mtu} type veth peer name uplink mtu {mtu} netns $$
    ip -n device link add eth0 mtu {mtu} type veth peer name eth0 mtu {mtu} netns cloud
    ip -n device address add 169.254.100.0/31 dev nm-agent; ip -n device link set nm-agent up
    ip -n device -6 address add fd6e:6d00::/127 dev nm-agent nodad
    ip -n device address add 198.51.100.254/24 dev eth0
    ip -n device -6 address add 2001:db8::fe/64 dev eth0 nodad; ip -n device link set eth0 up
    ip netns exec device sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip netns exec device nft 'table inet t {{ chain p {{ type nat hook postrouting priority 100; oifname eth0 masquerade; }}; }}'
    ip -n cloud address add {CLOUD}/24 dev eth0; ip -n cloud -6 address add {CLOUD6}/64 dev eth0 nodad
    ip -n cloud link set eth0 up
    ip -n cloud address add {BEHIND}/24 dev lo; ip -n cloud address add {BEHIND_OTHER}/24 dev lo
    ip -n cloud rule add pref 100 lookup main suppress_prefixlength 0
    ip link set uplink up
    ip address add {INNER[0]} dev uplink; ip -6 address add {INNER[1]} dev uplink nodad
    for v in 4 6; do ip -$v rule add pref 100 fwmark {OUTSIDE:#x}/{OUTSIDE_MASK:#x} lookup {OUTSIDE_TABLE}; done
    ip route add default via 169.254.100.0 dev uplink table {OUTSIDE_TABLE}
    ip -6 route add default via fd6e:6d00:: dev uplink table {OUTSIDE_TABLE}
    """)
    cloud = start_cloud(swanctl)
    try:
        yield
    finally:
        cloud.kill()
        cloud.wait()


def start_cloud(swanctl: str) -> subprocess.Popen[bytes]:
    for folder in ("x509", "x509ca", "private"):
        os.makedirs(f"/run/cloud/{folder}", exist_ok=True)
    esp = "" if backend() == "kernel" else "kernel-libipsec"
    Path("/run/cloud/strongswan.conf").write_text(CHARON.format(esp=esp))
    Path("/run/cloud/swanctl.conf").write_text(swanctl)
    env = os.environ | {"STRONGSWAN_CONF": "/run/cloud/strongswan.conf", "SWANCTL_DIR": "/run/cloud"}
    cloud = subprocess.Popen(
        ["ip", "netns", "exec", "cloud", "charon-systemd"],
        env=env, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: Path("/run/cloud/charon.vici").exists())
    uri = ("--uri", "unix:///run/cloud/charon.vici")
    done = subprocess.run(
        ["swanctl", "--load-all", "--noprompt", *uri], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return cloud


def accepts(*children: str, name: str = "cloud1", more: str = "") -> str:
    """The cloud's swanctl.conf: a connection by the secret; ``children`` as it has them."""
    return f"""
connections {{
  {name} {{
    version = 2
    {more}
    local {{
      auth = psk
      id = {name}
    }}
    remote {{
      auth = psk
    }}
    children {{
      {"".join(children)}
    }}
  }}
}}
secrets {{
  ike {{
    secret = "{PSK}"
  }}
}}
"""


def far_child(
    name: str = "net",
    local: str = FAR,
    remote: str = NEAR,
    esp: str = "aes256gcm16,aes128gcm16,aes256-sha256",
) -> str:
    return f"""
      {name} {{
        local_ts = {local}
        remote_ts = {remote}
        esp_proposals = {esp}
      }}
"""


class Door:
    """What drives the instance's charon, in few words."""

    def __init__(self, of: InstanceScope) -> None:
        self.scope = of
        until(lambda: Path(vici_socket(of)).exists())
        door = socket.socket(socket.AF_UNIX)
        until(lambda: door.connect_ex(vici_socket(of)) == 0)
        self.session = vici.Session(door)

    def load(self) -> None:
        spec = self.scope.instance.spec.vpn
        assert spec is not None
        for each in spec.connections:
            (remote, *_) = remotes(self.scope, each)
            if (secret := shared(self.scope, each, remote)) is not None:
                self.session.load_shared(secret[1] | {"data": Path(secret[0]).read_bytes()})
            if (key := private_key(each)) is not None:
                self.session.load_key({"type": "any", "data": Path(key).read_bytes()})
            files = {path: Path(path).read_bytes() for path in certificates(each)}
            self.session.load_conn({each.name: connection(self.scope, each, remote, files)})

    def initiate(self, child: str = "net", ike: str = "cloud1") -> None:
        """Raises what charon says where it fails."""
        said: list[str] = []
        try:
            said.extend(
                each["msg"].decode()
                for each in self.session.initiate(
                    {"child": child, "ike": ike, "timeout": f"{patient(10.0) * 1000:.0f}"}
                )
            )
        except Exception as error:
            error.add_note("\n".join(said))
            raise

    def sas(self) -> dict[str, Any]:
        return {name: sa for each in self.session.list_sas() for name, sa in each.items()}


def until(true: Any, seconds: float = 20.0) -> None:
    """Wait for something of which nobody tells."""
    end = time.monotonic() + patient(seconds)
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Sizes(threading.Thread):
    """Sizes of the IP packets that arrive at a link of another namespace, ESP in UDP only; ``within`` a ``with``."""

    def __init__(self, netns: str, link: str) -> None:
        super().__init__(daemon=True)
        self._netns, self._link = netns, link
        self._ready = threading.Event()
        self.seen: list[int] = []

    def __enter__(self) -> Self:
        self.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self) -> None:
        enter(f"/run/netns/{self._netns}")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((self._link, 3))
        self._ready.set()
        with_ports = {4: (20, 9), 6: (40, 6)}
        while True:
            try:
                data = self._socket.recv(65536)[14:]
            except OSError:
                return
            header, protocol = with_ports.get(data[0] >> 4, (0, 0))
            udp = data[header : header + 8]
            if header and data[protocol] == 17 and 4500 in (udp[0] << 8 | udp[1], udp[2] << 8 | udp[3]):
                self.seen.append(len(data))
