"""What the scenarios of tunnels share: gateways outside, documents of instances, and who sees anything in clear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.cloud import Cloud, keys
from tests.lab.host import Capture, Host
from tests.lab.process import Process
from tests.scenarios.documents import Document, instance
from tests.scenarios.world import World

PORTS = ("eth0", "eth1", "eth2")
SUBNET = "10.10.10"
BEHIND = "192.168.0.0/24"
SECRETS = "/etc/netnsmgr/secrets"

SWANCTL = """\
connections {{
  device {{
    version = 2
    local_addrs = {address}
    remote_addrs = %any
    encap = yes
    rekey_time = {rekey}
    local {{
      auth = psk
      id = {name}.example
    }}
    remote {{
      auth = psk
    }}
    children {{
      net {{
        local_ts = {behind}
        remote_ts = {subnet}.0/24
        rekey_time = {child_rekey}
      }}
    }}
  }}
}}
secrets {{
  ike-device {{
    secret = "{secret}"
  }}
}}
"""


def secret(w: World, name: str, text: str, mode: int = 0o600) -> dict[str, str]:
    """Write a secret on the device; what a document says of it."""
    path: Path = w.lab.path(f"{SECRETS}/{name}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return {"file": f"{SECRETS}/{name}"}


def gateway(
    w: World, name: str, psk: str, *, rekey: str = "4h", child_rekey: str = "1h", kernel: bool = False
) -> Cloud:
    """A plain strongSwan at ``name`` with BEHIND behind it, for who has SUBNET."""
    cloud = Cloud(w.lab.holder, w.lab.gw, name)
    cloud.charon(
        SWANCTL.format(
            address=cloud.address,
            name=name,
            behind=BEHIND,
            subnet=SUBNET,
            secret=psk,
            rekey=rekey,
            child_rekey=child_rekey,
        ),
        kernel=kernel,
    )
    return cloud


def ipsec(w: World, name: str, port: str, cloud: Cloud, psk: str, **vpn: Any) -> Document:
    """An instance whose applications reach BEHIND by IPsec with a cloud."""
    auth = {"auth": {"psk": secret(w, f"{name}.psk", psk)}, "remoteAuth": {"id": f"{cloud.name}.example"}}
    child = {"name": "net", "local": [f"{SUBNET}.0/24"], "remote": [BEHIND]}
    connection = {"name": cloud.name, "remote": cloud.address, **auth, "children": [child]}
    return instance(name, SUBNET, ports=[port], vpn={"ipsec": {"connections": [connection]}, **vpn})


def hub(
    w: World, name: str = "cloud1", *, interface: str = "wgp-hub", kernel: bool = False
) -> tuple[Cloud, str, str]:
    """A plain WireGuard gateway with BEHIND behind it, for one device; with its public key and the device's private one."""
    cloud = Cloud(w.lab.holder, w.lab.gw, name)
    (private, public), (own, theirs) = keys(cloud), keys(cloud)
    conf = f"""[Interface]
PrivateKey = {private}
ListenPort = 51820
[Peer]
PublicKey = {theirs}
AllowedIPs = {SUBNET}.0/24, 10.9.0.2/32
"""
    cloud.wireguard(interface, conf, ["10.9.0.1/24"], kernel=kernel)
    cloud.run(["ip", "route", "replace", f"{SUBNET}.0/24", "dev", interface])
    return cloud, public, own


def wireguard(
    w: World, name: str, port: str, cloud: Cloud, public: str, private: str, **more: Any
) -> Document:
    """An instance whose applications reach BEHIND by WireGuard."""
    peer = {
        "name": "hub",
        "publicKey": public,
        "endpoint": f"{cloud.address}:51820",
        "allowedIps": [BEHIND, "10.9.0.0/24"],
        "keepalive": 5,
    }
    tunnel = {
        "name": "wg0",
        "privateKey": secret(w, f"{name}.key", private + "\n"),
        "addresses": ["10.9.0.2/24"],
        "peers": [peer | more.pop("peer", {})],
        **more.pop("tunnel", {}),
    }
    vpn = {"wireguard": {"tunnels": [tunnel]}, **more.pop("vpn", {})}
    return instance(name, SUBNET, ports=[port], vpn=vpn, **more)


def pinging(host: Host) -> Process:
    """50 pings a second of what is behind the tunnel, at most for a minute."""
    ping = host.popen(["ping", "-n", "-q", "-i", "0.02", "-c", "3000", "-W", "1", "192.168.0.1"])
    ping.wait_line("PING")
    return ping


@contextmanager
def nothing_in_clear(w: World, port: str, carrier: str) -> Iterator[Capture]:
    """See to it that only ``carrier`` (a filter of tcpdump) passes a port of the device: beside what links tell of themselves."""
    with w.lab.gw.capture(port, f"not arp and not ip6 dst net ff02::/16 and not ({carrier})") as capture:
        yield capture
    seen = capture.stop()
    assert not seen, "in clear:\n" + "\n".join(seen)


IKE = "udp port 500 or udp port 4500"
WIREGUARD = "udp port 51820"
