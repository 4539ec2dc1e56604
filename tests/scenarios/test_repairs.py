"""What somebody breaks by hand, or what dies, is put right again, and traffic flows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device, instance
from tests.scenarios.traffic import fetches
from tests.scenarios.world import World, uncounted

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        made.leased("ni1", "app1")
        yield made


@pytest.fixture
def app1(w: World) -> AppHost:
    return w.lab.apps["app1"]


BREAKAGES = {
    "bridge deleted": ("ni1", "ip link del bn0"),
    "bridge down": ("ni1", "ip link set bn0 down"),
    "bridge's MTU": ("ni1", "ip link set bn0 mtu 1300"),
    "VIF taken off the bridge": ("ni1", "ip link set app1.eth0 nomaster"),
    "gateway address": ("ni1", "ip address flush dev bn0"),
    "instance's default route": ("ni1", "ip route del default"),
    "link deleted inside": ("ni1", "ip link del uplink"),
    "link deleted outside": (None, "ip link del nm-ni1"),
    "link down outside": (None, "ip link set nm-ni1 down"),
    "link's address outside": (None, "ip address flush dev nm-ni1"),
    "port down": (None, "ip link set eth0 down"),
    "port's address": (None, "ip address flush dev eth0"),
    "rule": (None, "ip rule del priority 50"),
    "all rules": (None, "for p in 50 100; do ip rule del priority $p; done"),
    "instance's table": (None, "ip route flush table 800"),
    "device's routes": (None, "ip route flush table main proto 110"),
    "nft table inside": ("ni1", "nft delete table inet netnsmgr_nat"),
    "nft chain inside": ("ni1", "nft flush chain inet netnsmgr_nat postrouting"),
    "ruleset inside": ("ni1", "nft flush ruleset"),
    "ruleset outside": (None, "nft flush ruleset"),
    "foreign nft rule in our table": ("ni1", "nft insert rule inet netnsmgr_mss forward drop"),
    "a stray address": ("ni1", "ip address add 10.10.1.99/24 dev bn0"),
    "configuration file": (None, "rm /run/netnsmgr/instances/ni1/etc/*; ip -n ni1 route del default"),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_broken_by_hand(w: World, app1: AppHost, what: str) -> None:
    """Whatever is deleted, emptied or changed by hand comes back by itself, and the application sees no more of it."""
    network, script = BREAKAGES[what]
    before = app1.link("eth0")
    intact = picture(w)
    assert before
    w.sh(script, network)
    repaired = w.lab.device.eventually(lambda: picture(w) == intact, timeout=5)
    if not repaired:
        assert picture(w) == intact
    w.eventually(lambda: fetches(app1), "traffic")
    w.ready("ni1")
    after = app1.link("eth0")
    assert after
    assert after["ifindex"] == before["ifindex"]


def picture(w: World) -> str:
    """Both namespaces as commands show them, without what the kernel numbers anew."""
    links = r"ip -o link | sed 's/^[0-9]*: //; s/@[^:]*//; s/state [A-Z]*//; s/link\/.*//'"
    addresses = "ip -br -4 address | sed 's/@[^ ]*//; s/UNKNOWN/UP/; s/  */ /g'"
    shown = f"{links}; {addresses}; ip rule; ip -4 route show table all; nft -s list ruleset | sed '/set hits/,/^\t}}/d'"
    lines = [line for network in ("ni1", None) for line in uncounted(w.sh(shown, network))]
    return "\n".join(sorted(line for line in lines if "linkdown" not in line))


def test_a_deleted_vif_comes_back_for_the_application_to_ask_for_its_lease_again(
    w: World, app1: AppHost
) -> None:
    """A VIF deleted by hand is made again with the same MAC, so that the application gets the same address."""
    old = app1.link("eth0")
    w.sh("ip link del app1.eth0", "ni1")
    new = app1.wait_link("eth0")
    assert old
    assert new["address"] == old["address"]
    address = app1.leases["eth0"].address
    assert app1.dhcp("eth0").address == address
    assert fetches(app1)


def test_killed_dnsmasq(w: World, app1: AppHost) -> None:
    """A dnsmasq that dies is started again, answers, and knows the leases that it gave."""
    address = app1.leases["eth0"].address
    pid = w.dnsmasq("ni1")
    since = w.mark()
    w.kill(pid)
    w.eventually(lambda: w.pids("^dnsmasq .*/ni1/") not in ([], [pid]), "another dnsmasq")
    w.looked("ni1", since)
    assert app1.lookup("github.com") == ["203.0.113.10"]
    assert app1.lookup("app1") == [str(address.ip)]
    assert app1.dhcp("eth0").address == address
    assert w.operations(since) == ["ni1: create process/dnsmasq"]
    w.ready("ni1")


def test_forwarding_that_is_switched_off_by_hand_is_switched_on_again(w: World) -> None:
    """`sysctl net.ipv4.ip_forward=0` would stop every instance: it is noticed without any other event, and told."""
    w.lab.device.run(["sysctl", "-qw", "net.ipv4.ip_forward=0"], check=True)
    w.lab.device.eventually(
        lambda: w.lab.device.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout.strip() == "1"
    )
    assert "sysctl/net/ipv4/ip_forward" in w.lab.logs()


def test_a_second_daemon_in_the_same_namespace_is_refused(w: World) -> None:
    """Also with directories of its own it would take the first one's links and rules for its own strays."""
    done = w.lab.netnsmgr(
        "--run-dir", "/run/second", "--state-dir", "/run/second.state", "daemon", timeout=20
    )
    assert done.returncode == 1
    assert "another netnsmgr daemon runs in this network namespace" in done.stderr
