"""IPsec instances while something goes wrong or changes.  What they do when nothing does: rows 14 to 18 of the scenario."""

from __future__ import annotations

import pytest

from tests.lab.observe import lost, none_lost
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.vpn import IKE, PORTS, SUBNET, gateway, ipsec, nothing_in_clear, pinging
from tests.scenarios.world import World

pytestmark = pytest.mark.root


def test_killed() -> None:
    """charon, the agents and the daemon are killed in turn while an application asks: it comes back, nothing in clear."""
    with World(PORTS) as w:
        cloud, host = gateway(w, "cloud1", "s3cret"), w.lab.app("app4")
        with nothing_in_clear(w, "eth1", IKE):
            w.apply(device(port(0), port(1)), ipsec(w, "ni4", "eth1", cloud, "s3cret"), app("app4", "ni4"))
            w.ready("ni4")
            host.dhcp("eth0")
            pings = pinging(host)
            (pid,) = w.pids("^/run/netnsmgr/instances/ni4/etc/charon")
            w.kill(pid)
            w.eventually(lambda: host.ping("192.168.0.1"), "the tunnel is back", timeout=40)
            spi = _spi(w)
            w.kill_agent("ni4")
            w.kill_agent("uplink")
            w.ready("ni4")
            assert _spi(w) == spi  # whoever drives it may go
            w.command("delete", "app", "app4")
            w.command("delete", "ni", "ni4")
            pings.stop()


def _spi(w: World) -> str:
    said = w.sh("swanctl --list-sas --raw --uri unix:///run/netnsmgr/instances/ni4/charon/charon.vici", "ni4")
    return said.partition("spi-in=")[2].partition(" ")[0]


def test_rekeyed() -> None:
    """New keys for child and IKE, begun by the other end, lose no packet."""
    with World(PORTS) as w:
        cloud, host = gateway(w, "cloud1", "s3cret"), w.lab.app("app4")
        w.apply(device(port(0), port(1)), ipsec(w, "ni4", "eth1", cloud, "s3cret"), app("app4", "ni4"))
        w.ready("ni4")
        host.dhcp("eth0")
        with nothing_in_clear(w, "eth1", IKE):
            pings = pinging(host)
            for what in (("--child", "net"), ("--ike", "device")):
                before = cloud.swanctl("--list-sas", "--raw").stdout
                cloud.swanctl("--rekey", *what)
                w.eventually(lambda b=before: cloud.swanctl("--list-sas", "--raw").stdout != b, "new keys")  # type: ignore[misc]
            assert none_lost(lost(pings))


def test_from_clear() -> None:
    """An instance that gets a tunnel while its applications talk: from then on no packet of theirs leaves in clear."""
    with World(PORTS) as w:
        cloud, host = gateway(w, "cloud1", "s3cret"), w.lab.app("app4")
        w.apply(device(port(0), port(1)), instance("ni4", SUBNET, ports=["eth1"]), app("app4", "ni4"))
        host.dhcp("eth0")
        assert host.ping("192.168.0.1")  # the site's router
        pings = pinging(host)
        w.apply(ipsec(w, "ni4", "eth1", cloud, "s3cret"))
        with nothing_in_clear(w, "eth1", IKE):
            w.ready("ni4")
            assert host.http("http://192.168.0.1").startswith("I am cloud1")
            pings.stop()


@pytest.mark.parametrize(
    ("psk", "words"), [("another", "authentication"), ("s3cret", "")], ids=["wrong secret", "silent"]
)
def test_what_is_wrong(psk: str, words: str) -> None:
    """A wrong secret and a gateway that is silent are told in words, and are no longer when it is mended."""
    with World(PORTS) as w:
        cloud = gateway(w, "cloud1", "s3cret")
        if not words:
            cloud.run(["ip", "link", "set", "eth0", "down"])
        with nothing_in_clear(w, "eth1", IKE):
            w.put(device(port(0), port(1)), ipsec(w, "ni4", "eth1", cloud, psk), app("app4", "ni4"))
            said = words or "answer"
            w.until(
                lambda: any(said in reason for reason in w.instance("ni4").get("reasons", ())),
                said,
                timeout=60,
            )
            w.until(lambda: w.instance("ni4")["state"] == "degraded", "ni4 is degraded")
            if words:
                w.put(ipsec(w, "ni4", "eth1", cloud, "s3cret"))
            else:
                cloud.run(["ip", "link", "set", "eth0", "up"])
                cloud.run(["ip", "route", "replace", "default", "via", "192.168.111.2"])
            w.until(lambda: w.instance("ni4")["state"] == "ready", "ni4 is ready", timeout=90)
