"""Where tunnels' ends are: names that lead elsewhere later, and by which of the device's ports peers are answered."""

from __future__ import annotations

import functools
import signal
from typing import Any

import pytest

from tests.lab.cloud import Cloud, keys
from tests.lab.host import Host
from tests.lab.process import LabError
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.vpn import BEHIND, PORTS, SUBNET, secret
from tests.scenarios.world import World

pytestmark = pytest.mark.root

OUR_PEER = f"""\
[Peer]
PublicKey = {{public}}
AllowedIPs = {SUBNET}.0/24, 10.9.0.2/32
"""


def tunnel(w: World, private: str, public: str, peer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A tunnel of ours to one peer, which has BEHIND."""
    hub = {"name": "hub", "publicKey": public, "allowedIps": [BEHIND, "10.9.0.0/24"], **peer}
    key = secret(w, "ni4.key", private + "\n")
    return {"name": "wg0", "privateKey": key, "addresses": ["10.9.0.2/24"], "peers": [hub], **more}


def who(host: Host) -> str:
    """Who answers behind the tunnel; nobody: empty."""
    try:
        return host.http("http://192.168.0.1").removeprefix("I am ").partition(",")[0]
    except LabError:
        return ""


def test_a_name_that_leads_elsewhere() -> None:
    """The name is asked of the port's own server; when it leads to another gateway, so does the tunnel."""
    with World(PORTS) as w:
        clouds = [Cloud(w.lab.holder, w.lab.gw, name) for name in ("cloud1", "cloud2")]
        (hubs, public), (ours, our_public) = keys(clouds[0]), keys(clouds[0])
        for n, cloud in enumerate(clouds):
            conf = f"[Interface]\nPrivateKey = {hubs}\nListenPort = 51820\n" + OUR_PEER.format(
                public=our_public
            )
            cloud.wireguard(f"wgp-{n}", conf, ["10.9.0.1/24"])
        hosts = w.lab.path("/run/lab/hub.hosts")
        hosts.write_text(f"{clouds[0].address} hub.example.com\n")
        server = clouds[1].popen(
            [
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-hosts",
                "--no-resolv",
                "--user=root",
                "--pid-file=",
                "--bind-interfaces",
                "--listen-address=192.168.222.1",
                "--addn-hosts=/run/lab/hub.hosts",
                "--local=/example.com/",
                "--local-ttl=1",
            ],
            log="hub-dns",
        )
        wg0 = tunnel(w, ours, public, {"endpoint": "hub.example.com:51820", "keepalive": 1})
        host = w.lab.app("app4")
        w.apply(
            device(port(0), port(1, dns=["192.168.222.1"])),
            instance("ni4", SUBNET, ports=["eth1"], vpn={"wireguard": {"tunnels": [wg0]}}),
            app("app4", "ni4"),
        )
        w.ready("ni4")
        host.dhcp("eth0")
        assert who(host) == "cloud1"
        # Still there it would go on sending, and a peer is where its last packet came from.
        clouds[0].run(["ip", "link", "set", "eth0", "down"])
        hosts.write_text(f"{clouds[1].address} hub.example.com\n")
        server.send(signal.SIGHUP)
        w.eventually(
            lambda: who(host) == "cloud2",
            "the tunnel leads to where the name does",
            timeout=60,
        )
        hosts.write_text("")
        server.send(signal.SIGHUP)
        w.eventually(
            lambda: any("there is no hub.example.com" in each for each in w.instance("ni4")["reasons"]),
            "the status says that the name is gone",
            timeout=30,
        )
        assert who(host) == "cloud2"


def test_who_calls_is_answered_by_the_port_that_he_called() -> None:
    """A peer calls the address of the dearer port: no answer leaves by the cheaper one."""
    with World(PORTS) as w:
        cloud = Cloud(w.lab.holder, w.lab.gw, "cloud1")
        (theirs, public), (ours, our_public) = keys(cloud), keys(cloud)
        wg0 = tunnel(w, ours, public, {}, listenPort=51821)
        with w.lab.gw.capture("eth1", "udp port 51821") as elsewhere:
            host = w.lab.app("app4")
            w.apply(
                device(port(0), port(1, cost=1), port(2, cost=20)),
                instance("ni4", SUBNET, ports=["eth1", "eth2"], vpn={"wireguard": {"tunnels": [wg0]}}),
                app("app4", "ni4"),
            )
            conf = f"[Interface]\nPrivateKey = {theirs}\n" + OUR_PEER.format(public=our_public)
            cloud.wireguard(
                "wgp-caller",
                f"{conf}Endpoint = 192.168.2.2:51821\nPersistentKeepalive = 1\n",
                ["10.9.0.1/24"],
            )
            cloud.run(["ip", "route", "replace", f"{SUBNET}.0/24", "dev", "wgp-caller"])
            w.ready("ni4")
            host.dhcp("eth0")
            assert host.http("http://192.168.0.1") == "I am cloud1, you are 10.9.0.2\n"
        assert elsewhere.stop() == []


def test_the_cheapest_port_goes() -> None:
    """What the tunnel sends takes the next port, and the first one again when it is back, as all of the instance does."""
    with World(PORTS) as w:
        cloud = Cloud(w.lab.holder, w.lab.gw, "cloud1")
        (theirs, public), (ours, our_public) = keys(cloud), keys(cloud)
        conf = f"[Interface]\nPrivateKey = {theirs}\nListenPort = 51820\n"
        cloud.wireguard("wgp-hub", conf + OUR_PEER.format(public=our_public), ["10.9.0.1/24"])
        wg0 = tunnel(w, ours, public, {"endpoint": f"{cloud.address}:51820", "keepalive": 1})
        host = w.lab.app("app4")
        w.apply(
            device(port(0), port(1, cost=1), port(2, cost=20)),
            instance("ni4", SUBNET, ports=["eth1", "eth2"], vpn={"wireguard": {"tunnels": [wg0]}}),
            app("app4", "ni4"),
        )
        w.ready("ni4")
        host.dhcp("eth0")

        def passes(name: str) -> bool:
            with w.lab.gw.capture(name, "udp port 51820") as capture:
                reached = host.ping("192.168.0.1")
            return reached and bool(capture.stop())

        assert passes("eth1")
        assert not passes("eth2")
        for old, new, used in (("eth1", "away", "eth2"), ("away", "eth1", "eth1")):
            w.lab.device.run(["sh", "-c", f"ip link set {old} down; ip link set {old} name {new}"])
            w.eventually(functools.partial(passes, used), f"the tunnel goes by {used}", timeout=15)
