"""What an instance with a tunnel costs beside one made by hand with the same programs (``hand_vpn.sh``)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, samples
from tests.bench.subject import Netnsmgr, document
from tests.lab import Host, Lab, LabError
from tests.lab.cloud import STRONGSWAN, Cloud, keys
from tests.lab.lab import ROOT

HAND = str(ROOT / "tests" / "bench" / "hand_vpn.sh")
BEHIND, OURS = "192.168.0.0/24", "10.50.0.0/16"
TARGET, HUB = "192.168.0.1", 51000
GOOD = 0.95
SECONDS = 3
PORTS = ("eth0", "eth1")
SWANCTL = """\
connections {{
  peer {{
    version = 2
    {where}
    encap = yes
    local {{
      auth = psk
      id = {own}
    }}
    remote {{
      auth = psk
      id = {other}
    }}
    children {{
      net {{
        local_ts = {local}
        remote_ts = {remote}
      }}
    }}
  }}
}}
secrets {{
  ike-peer {{
    secret = "of the benchmark"
  }}
}}
"""


def prefix(number: int) -> str:
    """The first three octets of an instance's subnet; another for each, because all have one IPsec gateway."""
    return f"10.50.{number}"


def tunnel_address(number: int) -> str:
    """Our address in tunnel ``number``."""
    return f"10.9.{number}.2"


class Bench:
    """A lab with one cloud, and ways into it: instances of netnsmgr and such made by hand, numbered from 1."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cloud = Cloud(lab.holder, lab.gw, "cloud1")
        self.manager = Netnsmgr(lab)
        ports = [_port(0), _port(1)]
        self.manager.apply([document("Device", "edge", {"ports": ports})], 30.0)
        # From a port whose network is not the one behind the tunnel; by hand and by netnsmgr alike.
        lab.device.run(["ip", "route", "replace", "192.168.111.0/24", "via", "192.168.1.1"])
        self.secrets = lab.path("/etc/netnsmgr/secrets")
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ike = False

    def app(self, number: int) -> Host:
        """Application ``number``, in a namespace that is there before the clock starts."""
        return Host(self.lab.holder, f"a{number}", f"/run/netns/a{number}")

    # --- WireGuard

    def wireguard_peer(self, number: int) -> tuple[str, str]:
        """Another end at the cloud for instance ``number``; its public key and our private one."""
        (private, public), (own, theirs) = keys(self.cloud), keys(self.cloud)
        conf = (
            f"[Interface]\nPrivateKey = {private}\nListenPort = {51820 + number}\n"
            f"[Peer]\nPublicKey = {theirs}\nAllowedIPs = 10.9.0.2/32\n"
        )
        self.cloud.wireguard(f"wgp-{number}", conf, [])
        return public, own

    def wireguard_hub(self, numbers: Iterable[int]) -> dict[int, tuple[str, str]]:
        """One other end for many instances, by number: each has the key of the one and a private one of its own.

        One, because each wireguard-go takes one of the machine's few inotify instances (fs.inotify.max_user_instances).
        """
        private, public = keys(self.cloud)
        conf, found = f"[Interface]\nPrivateKey = {private}\nListenPort = {HUB}\n", {}
        for number in numbers:
            own, theirs = keys(self.cloud)
            conf += f"[Peer]\nPublicKey = {theirs}\nAllowedIPs = {tunnel_address(number)}/32\n"
            found[number] = public, own
        self.cloud.wireguard("wgp-hub", conf, [])
        self.cloud.run(["ip", "route", "add", "10.9.0.0/16", "dev", "wgp-hub"])
        return found

    def wireguard(
        self, number: int, public: str, own: str, *, udp: int = 0, address: str = "10.9.0.2"
    ) -> list[dict[str, Any]]:
        """The documents of an instance of netnsmgr."""
        key = self.secrets / f"w{number}.key"
        key.write_text(own + "\n")
        key.chmod(0o600)
        peer = {
            "name": "hub",
            "publicKey": public,
            "endpoint": f"{self.cloud.address}:{udp or 51820 + number}",
            "allowedIps": [BEHIND],
            "keepalive": 25,
        }
        tunnel = {
            "name": "wg0",
            "addresses": [f"{address}/24"],
            "privateKey": {"file": f"/etc/netnsmgr/secrets/w{number}.key"},
            "peers": [peer],
        }
        return self._instance(number, {"wireguard": {"tunnels": [tunnel]}})

    def wireguard_by_hand(self, number: int, public: str, own: str) -> list[str]:
        """The command line."""
        directory = self._directory(number)
        (directory / "wg.conf").write_text(
            f"[Interface]\nPrivateKey = {own}\n[Peer]\nPublicKey = {public}\nAllowedIPs = {BEHIND}\n"
            f"Endpoint = {self.cloud.address}:{51820 + number}\nPersistentKeepalive = 25\n"
        )
        return [HAND, "wireguard", str(number), f"/run/lab/hand{number}", prefix(number)]

    # --- IPsec

    def ike_peer(self) -> None:
        """The cloud's charon, once."""
        if not self._ike:
            where = f"local_addrs = {self.cloud.address}\n    remote_addrs = %any"
            conf = SWANCTL.format(where=where, own="cloud1.example", other="%any", local=BEHIND, remote=OURS)
            self.cloud.charon(conf)
            self._ike = True

    def ipsec(self, number: int) -> list[dict[str, Any]]:
        """The documents of an instance of netnsmgr."""
        secret = self.secrets / f"i{number}.psk"
        secret.write_text("of the benchmark")
        secret.chmod(0o600)
        psk = {"file": f"/etc/netnsmgr/secrets/i{number}.psk"}
        connection = {
            "name": "cloud1",
            "remote": self.cloud.address,
            "localAuth": {"id": f"d{number}.example"},
            "remoteAuth": {"id": "cloud1.example", "psk": psk},
            "children": [{"name": "net", "local": [f"{prefix(number)}.0/24"], "remote": [BEHIND]}],
        }
        return self._instance(number, {"ipsec": {"connections": [connection]}})

    def ipsec_by_hand(self, number: int) -> list[str]:
        """The command line."""
        directory = self._directory(number)
        inside = f"/run/lab/hand{number}"
        (directory / "strongswan.conf").write_text(
            STRONGSWAN.format(directory=inside, name=f"hand{number}", esp="kernel-libipsec")
        )
        (directory / "swanctl").mkdir()
        conf = SWANCTL.format(
            where=f"remote_addrs = {self.cloud.address}",
            own=f"d{number}.example",
            other="cloud1.example",
            local=f"{prefix(number)}.0/24",
            remote=BEHIND,
        )
        (directory / "swanctl" / "swanctl.conf").write_text(conf)
        return [HAND, "ipsec", str(number), inside, prefix(number)]

    def _directory(self, number: int) -> Path:
        directory = self.lab.path(f"/run/lab/hand{number}")
        directory.mkdir()
        return directory

    def _instance(self, number: int, vpn: dict[str, Any]) -> list[dict[str, Any]]:
        spec = {"type": "local", "ports": ["eth1"], "subnets": [f"{prefix(number)}.0/24"], "vpn": vpn}
        interfaces = [{"name": "eth0", "network": f"n{number}", "address": f"{prefix(number)}.9"}]
        attach = {"netns": f"a{number}"}
        return [
            document("NetworkInstance", f"n{number}", spec),
            document("App", f"a{number}", {"attach": attach, "interfaces": interfaces}),
        ]

    # --- doing

    def until_answered(self, number: int) -> None:
        """Wait until the cloud answers the application's ping; asked 200 times a second."""
        argv = ["ping", "-n", "-i", "0.005", "-c", "6000", "-W", "1", TARGET]
        ping = self.app(number).popen(argv)
        ping.wait_line("bytes from", timeout=40.0)
        ping.stop()

    def configure(self, number: int) -> None:
        """Give an application of netnsmgr's instance its address, as its own client would."""
        app = self.app(number)
        app.wait_link("eth0")
        app.run(
            ["ip", "-batch", "-"],
            text=f"address add {prefix(number)}.9/24 dev eth0\nlink set eth0 up\nroute add default via {prefix(number)}.1\n",
        )

    def stream(self, number: int) -> float:
        """Bits per second of one TCP stream from the application into the cloud."""
        argv = ["iperf3", "-c", TARGET, "-t", str(SECONDS), "-J"]
        said = self.app(number).run(argv, timeout=SECONDS + 20, check=False)
        found = json.loads(said.stdout)
        if "error" in found:
            raise LabError(f"iperf3: {found['error']}")
        return float(found["end"]["sum_received"]["bits_per_second"]) / 1e6


def _port(number: int) -> dict[str, Any]:
    return {
        "name": f"eth{number}",
        "addresses": [f"192.168.{number}.2/24"],
        "gateways": [f"192.168.{number}.1"],
        "dns": [f"192.168.{number}.1"],
    }


def figures(repeat: int, wireguards: int = 100, ipsecs: int = 20) -> Iterator[Figure]:
    """One more instance of each kind, a stream through it, its memory; then many at once."""
    for kind in ("WireGuard", "IPsec"):
        with Lab(PORTS) as lab:
            yield from _one(Bench(lab), kind, repeat)
    for kind, count in (("WireGuard", wireguards), ("IPsec", ipsecs)):
        with Lab(PORTS) as lab:
            yield from _many(Bench(lab), kind, count)


def _one(bench: Bench, kind: str, repeat: int) -> Iterator[Figure]:
    lab, first, floor = bench.lab, list[float](), list[float]()
    lab.device.run(["ip", "-batch", "-"], text="".join(f"netns add a{n}\n" for n in range(1, 2 * repeat + 1)))
    if kind == "IPsec":
        bench.ike_peer()
    for number in range(1, 2 * repeat + 1, 2):
        bench_peer = bench.wireguard_peer(number) if kind == "WireGuard" else None
        documents = bench.wireguard(number, *bench_peer) if bench_peer else bench.ipsec(number)
        _behind(bench, number, kind)
        start = time.monotonic()
        bench.manager.apply(documents, 60.0)
        bench.configure(number)
        bench.until_answered(number)
        first.append(1000 * (time.monotonic() - start))
        hand_peer = bench.wireguard_peer(number + 1) if kind == "WireGuard" else None
        argv = (
            bench.wireguard_by_hand(number + 1, *hand_peer) if hand_peer else bench.ipsec_by_hand(number + 1)
        )
        if number + 2 <= 2 * repeat:
            _behind(bench, number + 1, kind)
            start = time.monotonic()
            lab.device.run(argv, timeout=60.0)
            bench.until_answered(number + 1)
            floor.append(1000 * (time.monotonic() - start))
    yield Figure(
        f"one more {kind} instance, until the first packet is answered", "ms", samples(first), samples(floor)
    )
    yield from _memory(bench, kind, repeat)
    server = bench.cloud.popen(["iperf3", "-s", "-B", TARGET], log="iperf3")
    bench.cloud.eventually(lambda: ":5201" in bench.cloud.run(["ss", "-tln"]).stdout)
    streams, beside = [], []
    for _ in range(repeat):
        _behind(bench, 1, kind)
        streams.append(bench.stream(1))
        _behind(bench, 2, kind)
        beside.append(bench.stream(2))
    server.stop()
    yield Figure(
        f"one TCP stream by {kind}", "Mbit/s", samples(streams), samples(beside), at_least=GOOD, paired=True
    )


def _behind(bench: Bench, number: int, kind: str) -> None:
    """Have the cloud answer instance ``number``: all have the same addresses."""
    if kind == "WireGuard":
        bench.cloud.run(["ip", "route", "replace", "10.9.0.2/32", "dev", f"wgp-{number}"])


def _memory(bench: Bench, kind: str, count: int) -> Iterator[Figure]:
    """Memory of everything that an instance runs, each process's share of what it shares counted in (PSS)."""
    words = {"WireGuard": rb"nmw-|wireguard-n", "IPsec": rb"charon"}[kind]
    helpers = [
        int(entry.name)
        for entry in bench.lab.path("/proc").iterdir()
        if entry.name.isdigit() and re.search(rb"/run/netnsmgr\S*" + words, (entry / "cmdline").read_bytes())
    ]
    agents = bench.manager.processes()["agents"]
    own = [bench.manager.pss(pid) for pid in agents]
    theirs = [bench.manager.pss(pid) for pid in helpers] or [0.0]
    yield Figure(
        f"memory of the agent of a {kind} instance (PSS), of {count}",
        "MiB",
        samples(own),
        note=f"what encrypts for it: {sorted(theirs)[len(theirs) // 2]:.1f} MiB ({len(helpers)} processes)",
        details={"helper": theirs},
    )


def _many(bench: Bench, kind: str, count: int) -> Iterator[Figure]:
    numbers = range(1, count + 1)
    bench.lab.device.run(
        ["ip", "-batch", "-"], text="".join(f"netns add a{n}\n" for n in numbers), timeout=120
    )
    documents: list[dict[str, Any]] = []
    if kind == "IPsec":
        bench.ike_peer()
    hub = bench.wireguard_hub(numbers) if kind == "WireGuard" else {}
    for number in numbers:
        documents += (
            bench.wireguard(number, *hub[number], udp=HUB, address=tunnel_address(number))
            if hub
            else bench.ipsec(number)
        )
    start = time.monotonic()
    bench.manager.apply(documents, 300.0)
    seconds = time.monotonic() - start
    for number in (1, count // 2, count):
        bench.configure(number)
        bench.until_answered(number)
    yield Figure(f"{count} {kind} instances in one apply, until all tunnels are up", "s", samples([seconds]))
