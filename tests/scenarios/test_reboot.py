"""What is configured is on disk: after a restart everything goes on, after a reboot everything comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        yield made


def reboot(w: World) -> None:
    """What a reboot leaves of the device: the disk, and bare ports."""
    w.crash()
    w.sh("pkill -9 -f '^dnsmasq .*/run/netnsmgr' || true")
    w.sh("ip -all netns del; rm -rf /run/netnsmgr /run/netns/*")
    w.sh("for l in $(ip -br link | sed -n 's/^\\(nm-[^@ ]*\\).*/\\1/p'); do ip link del $l || true; done")
    w.sh("for p in 50 60 100; do while ip rule del priority $p 2>/dev/null; do :; done; done")
    w.sh(
        "ip rule add priority 0 lookup local; nft flush ruleset; ip route flush table 800; ip route flush table 500"
    )
    w.sh(
        "for p in eth0 eth1; do ip address flush dev $p; ip link set $p down; done; echo 0 >/proc/sys/net/ipv4/ip_forward"
    )


def test_after_a_reboot(w: World) -> None:
    """From the disk alone everything comes up as it was, and the application gets the address that it had."""
    app1 = w.lab.app("app1")
    documents = (device(), instance("ni1"), instance("ni2", "10.10.2", ports=[]), app("app1", "ni1", "ni2"))
    w.apply(*documents)
    lease, numbers = app1.dhcp("eth0"), [w.instance(name)["number"] for name in ("ni1", "ni2")]
    reboot(w)
    w.lab.apps.clear()
    app1 = w.lab.app("app1")
    w.restart()
    w.ready("ni1", "ni2")
    w.attached("ni1", "app1")
    assert app1.dhcp("eth0").address == lease.address
    # The signal by which dnsmasq hears of the port's servers may still be under way.
    w.eventually(lambda: app1.lookup("github.com"), "a name of the outside")
    assert app1.http("http://github.com") == "I am github.com, you are 192.168.0.2\n"
    assert [w.instance(name)["number"] for name in ("ni1", "ni2")] == numbers
    assert "nothing to change" in w.apply(*documents).stdout


def test_a_restarted_daemon_finishes_a_deletion(w: World) -> None:
    """An instance whose deletion was accepted is gone after the next start, however the daemon ended."""
    w.lab.app("app1")
    documents = (instance("ni1"), app("app1", "ni1"))
    w.apply(device(), *documents)
    w.put(remove=documents)
    w.crash()
    w.restart()
    w.until(lambda: not w.instance("ni1") and not w.agent("ni1"), "ni1 is gone")
    assert "ni1" not in w.sh(
        "ip netns; ip link; ip rule; ip route show table all; ls /run/netnsmgr/instances"
    )
    assert w.pids("^dnsmasq .*/ni1/") == []


def test_damaged_state(w: World) -> None:
    """Of a damaged state nothing is deleted: what runs goes on, the log says so, and applying the file mends it."""
    app1 = w.lab.app("app1")
    documents = (device(), instance("ni1"), app("app1", "ni1"))
    w.apply(*documents)
    app1.dhcp("eth0")
    w.stop()
    w.sh("truncate -s '<100' /var/lib/netnsmgr/revisions/*")
    w.restart()
    assert app1.http("http://github.com").startswith("I am github.com")
    w.apply(*documents)
    w.ready("ni1")
    assert app1.http("http://github.com").startswith("I am github.com")
