"""WireGuard instances beside gateways that plain `wg` has set up."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import app, device, port
from tests.scenarios.vpn import PORTS, WIREGUARD, hub, nothing_in_clear, wireguard
from tests.scenarios.world import World

pytestmark = pytest.mark.root


def test_two_instances_with_one_network() -> None:
    """Equal subnets, equal addresses in the tunnel, equal networks behind: each application reaches its own cloud."""
    with World(PORTS) as w:
        apps = [w.lab.app("app4"), w.lab.app("app5")]
        hubs = [hub(w, "cloud1", interface="wgp-one"), hub(w, "cloud2", interface="wgp-two")]
        with nothing_in_clear(w, "eth1", WIREGUARD), nothing_in_clear(w, "eth2", WIREGUARD):
            w.apply(
                device(port(0), port(1), port(2)),
                wireguard(w, "ni4", "eth1", *hubs[0]),
                wireguard(w, "ni5", "eth2", *hubs[1]),
                app("app4", "ni4"),
                app("app5", "ni5"),
            )
            w.ready("ni4", "ni5")
            for name, cloud, host in zip(("ni4", "ni5"), ("cloud1", "cloud2"), apps, strict=True):
                (row,) = w.instance(name)["vpn"]["wireguard"]
                assert (row["name"], row["state"]) == ("wg0", "up")
                host.dhcp("eth0")
                assert host.http("http://192.168.0.1") == f"I am {cloud}, you are 10.9.0.2\n"
            w.command("delete", "app", "app4", "app5")
            w.command("delete", "ni", "ni4", "ni5")


def test_killed() -> None:
    """wireguard-go, the agents and the daemon are killed in turn, while an application asks: nothing leaves in clear."""
    with World(PORTS) as w:
        cloud, public, own = hub(w)
        host = w.lab.app("app4")
        with nothing_in_clear(w, "eth1", WIREGUARD):
            w.apply(
                device(port(0), port(1)), wireguard(w, "ni4", "eth1", cloud, public, own), app("app4", "ni4")
            )
            w.ready("ni4")
            host.dhcp("eth0")
            pings = host.popen(["ping", "-n", "-q", "-i", "0.02", "-W", "1", "192.168.0.1"])
            pids = w.lab.device.run(["pgrep", "-f", "nmw-ni4"], check=False).stdout.split()
            for pid in pids:
                w.kill(int(pid))
            w.eventually(lambda: host.ping("192.168.0.1"), "the tunnel is back", timeout=30)
            w.kill_agent("ni4")
            w.kill_agent("uplink")
            w.eventually(lambda: host.ping("192.168.0.1"), "the tunnel goes on", timeout=30)
            w.ready("ni4")
            w.command("delete", "app", "app4")
            w.command("delete", "ni", "ni4")
            pings.stop()


def test_the_largest_packets_leave_whole() -> None:
    """What fills the tunnel's MTU is one packet outside, with whatever is added to it; one byte more is told."""
    with World(PORTS) as w:
        cloud, public, own = hub(w)
        host = w.lab.app("app4")
        w.apply(device(port(0), port(1)), wireguard(w, "ni4", "eth1", cloud, public, own), app("app4", "ni4"))
        w.ready("ni4")
        host.dhcp("eth0")
        mtu = w.instance("ni4")["vpn"]["wireguard"][0]["mtu"]
        cloud.run(["ip", "link", "set", "wgp-hub", "mtu", str(mtu)])
        with w.lab.gw.capture("eth1", "src host 192.168.1.2 and ip[6:2] & 0x3fff != 0") as fragments:
            ping = ["ping", "-n", "-c", "1", "-W", "5", "-M", "do", "192.168.0.1", "-s"]
            for size in range(mtu - 32, mtu + 1):
                host.run([*ping, str(size - 28)])
            assert host.run([*ping, str(mtu - 27)], check=False).returncode
        assert fragments.stop() == []
