"""The other ends of tunnels: strongSwan and WireGuard gateways that are configured by their own files, not by netnsmgr."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.holder import Holder
from tests.lab.host import Host
from tests.lab.process import LabError, Process

#: Where each cloud is, seen from the site's router, and the router seen from there.
PLACES = {"cloud1": ("192.168.111.1", "192.168.111.2"), "cloud2": ("192.168.222.1", "192.168.222.2")}
#: The network that is behind each of them, the same one.
BEHIND = "192.168.0.1"

#: With @directory@, @log@ and @esp@ to be replaced, here or by the role of a cloud (poc/site/cloud).
STRONGSWAN = Path(__file__).with_name("strongswan.conf").read_text()


class Cloud(Host):
    """A host behind the site's router (``PLACES``), which also has BEHIND and serves HTTP there: "I am cloud1, …"."""

    def __init__(self, holder: Holder, gw: Host, name: str) -> None:
        super().__init__(holder, name, f"/run/lab/{name}")
        self.address, router = PLACES[name]
        self.directory = f"/run/lab/{name}.d"
        self._charon: Process | None = None
        device = Host(holder, "device", None)
        device.run(
            ["sh", "-ec", f"mkdir -p {self.directory}; touch {self.netns}; unshare --net={self.netns} true"]
        )
        gw.run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.netns or ""])
        gw.run(["ip", "-batch", "-"], text=f"address add {router}/24 dev {name}\nlink set {name} up\n")
        self.run(
            ["ip", "-batch", "-"],
            text=f"link set lo up\naddress add {self.address}/24 dev eth0\naddress add {BEHIND}/24 dev lo\n"
            f"link set eth0 up\nroute add default via {router}\n",
        )
        self.run(
            [
                "sh",
                "-c",
                "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter",
            ]
        )
        self.web = self.serve_http(address="0.0.0.0")

    def path(self, name: str) -> Path:
        """A file of its own directory, from outside."""
        return self.holder.path(f"{self.directory}/{name}")

    # --- strongSwan

    def charon(self, swanctl: str, files: dict[str, str] | None = None, *, kernel: bool = False) -> Process:
        """Start a charon with this swanctl.conf; ``kernel``: with ESP of the kernel, else its own behind a TUN."""
        esp = "" if kernel else "kernel-libipsec"
        log = f"/run/lab/log/{self.name}-ike"
        text = STRONGSWAN.replace("@directory@", self.directory).replace("@log@", log).replace("@esp@", esp)
        self.path("strongswan.conf").write_text(text)
        swan = self.path("swanctl")
        for folder in ("x509", "x509ca", "private"):
            (swan / folder).mkdir(parents=True, exist_ok=True)
        (swan / "swanctl.conf").write_text(swanctl)
        for name, text in (files or {}).items():
            (swan / name).write_text(text)
        env = {
            "STRONGSWAN_CONF": f"{self.directory}/strongswan.conf",
            "SWANCTL_DIR": f"{self.directory}/swanctl",
        }
        self._charon = self.popen(["charon-systemd"], env=env, log=f"{self.name}-charon")
        if not self.eventually(lambda: self.path("charon.vici").exists(), timeout=10):
            raise LabError(f"the charon of {self.name} does not listen")
        if not kernel:
            # Its own default route leads its IKE packets, not into the TUN.
            self.run(["ip", "rule", "add", "pref", "100", "lookup", "main", "suppress_prefixlength", "0"])
        self.swanctl("--load-all", "--noprompt")
        return self._charon

    def swanctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run swanctl against its charon."""
        env = {
            "STRONGSWAN_CONF": f"{self.directory}/strongswan.conf",
            "SWANCTL_DIR": f"{self.directory}/swanctl",
        }
        uri = f"unix://{self.directory}/charon.vici"
        return self.run(["swanctl", *arguments, "--uri", uri], env=env, check=check, timeout=20)

    # --- WireGuard

    def wireguard(self, name: str, conf: str, addresses: Sequence[str], *, kernel: bool = False) -> str:
        """Make a WireGuard interface from a configuration file of `wg setconf`; its public key.

        Names have to be unique in the lab: the sockets of all wireguard-go lie in one directory.
        """
        if kernel:
            self.run(["ip", "link", "add", name, "type", "wireguard"])
        else:
            self.popen(["wireguard-go", "-f", name], log=f"{self.name}-{name}")
            self.wait_link(name)
            self.eventually(lambda: self.holder.path(f"/run/wireguard/{name}.sock").exists())
        self.path(f"{name}.conf").write_text(conf)
        self.run(["wg", "setconf", name, f"{self.directory}/{name}.conf"])
        for address in addresses:
            self.run(["ip", "address", "add", address, "dev", name])
        self.run(["ip", "link", "set", name, "up"])
        return self.run(["wg", "show", name, "public-key"]).stdout.strip()


def keys(host: Host) -> tuple[str, str]:
    """A new pair of WireGuard keys: private, public."""
    private = host.run(["wg", "genkey"]).stdout.strip()
    return private, host.run(["wg", "pubkey"], text=private).stdout.strip()
