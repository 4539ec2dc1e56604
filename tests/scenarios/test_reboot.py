"""What is configured is on disk: after a restart everything goes on, after a reboot everything comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.scenarios.documents import app, device, instance
from tests.scenarios.traffic import Flow
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


REVISIONS = "/var/lib/netnsmgr/revisions"


def reasons(w: World) -> list[str]:
    told = json.loads(w.command("events", "-o", "json").stdout)
    return [event["reason"] for event in told["items"]]


def test_all_is_damaged(w: World) -> None:
    """Of a lost configuration nothing is deleted: what runs goes on, events say so, and applying the file mends it."""
    app1 = w.lab.app("app1")
    documents = (device(), instance("ni1"), app("app1", "ni1"))
    w.apply(*documents)
    app1.dhcp("eth0")
    w.stop()
    w.sh(f"truncate -s '<100' {REVISIONS}/*")
    w.restart()
    assert app1.http("http://github.com").startswith("I am github.com")
    assert {"ConfigDamaged", "ConfigIncomplete"} <= set(reasons(w))
    w.apply(*documents)
    w.ready("ni1")
    assert app1.http("http://github.com").startswith("I am github.com")
    assert "ConfigComplete" in reasons(w)


def test_the_newest_revision_is_damaged(w: World) -> None:
    """The one before it is used; what only the newest had goes on working and is not deleted; a new change counts."""
    app1, app2 = w.lab.app("app1"), w.lab.app("app2")
    first = (device(), instance("ni1"), app("app1", "ni1"))
    more = (app("app2", "ni1"),)
    w.apply(*first)
    w.apply(*more)
    app1.dhcp("eth0")
    app2.dhcp("eth0")
    newest = w.sh(f"ls {REVISIONS} | tail -1").strip()
    w.crash()
    w.sh(f"dd if=/dev/zero of={REVISIONS}/{newest} bs=1 seek=200 count=1 conv=notrunc")
    with Flow(app1) as flow1, Flow(app2) as flow2:
        since = w.mark()
        w.restart()
        w.looked("ni1", since)
        w.looked("uplink", since)
        w.ready("ni1")
        w.put(instance("ni3", "10.10.3"))  # a change that says nothing of what was lost
        w.ready("ni3")
    # What sets say of an application that is not in the configuration is not kept: its flows are asked about again.
    assert flow1.lost == 0
    assert flow2.lost <= 5, w.operations(since)
    assert flow2.downloaded == "1000000 bytes"
    assert newest + ".damaged" in w.sh(f"ls {REVISIONS}")
    w.apply(*first, *more)
    w.ready("ni1")
    w.attached("ni1", "app2")
    assert app2.http("http://github.com").startswith("I am github.com")
    since = w.mark()
    w.crash()
    w.restart()
    w.ready("ni1")
    assert reasons(w)[-1] != "ConfigIncomplete"
    assert w.operations(since) == []


def test_after_a_power_cut(w: World) -> None:
    """What was acknowledged is there after a reboot, whatever else was being written, and so is the instance's number."""
    app1 = w.lab.app("app1")
    w.apply(device(), instance("ni0", "10.10.9"), instance("ni1"), app("app1", "ni1"))
    w.put(remove=(instance("ni0", "10.10.9"),))
    w.until(lambda: not w.instance("ni0"), "ni0 is gone")
    lease, number = app1.dhcp("eth0"), w.instance("ni1")["number"]
    reboot(w)
    # What the next change had begun to write, and what nobody had synced.
    w.sh(
        f"head -c 300 /dev/zero >{REVISIONS}/new; : >/var/lib/netnsmgr/events.jsonl; rm -f {REVISIONS}/../*.tmp"
    )
    w.lab.apps.clear()
    app1 = w.lab.app("app1")
    w.restart()
    w.ready("ni1")
    w.attached("ni1", "app1")
    assert (app1.dhcp("eth0").address, w.instance("ni1")["number"]) == (lease.address, number)
    assert "ConfigDamaged" not in reasons(w)


def test_a_full_disk(w: World) -> None:
    """A change that cannot be stored is refused and does nothing; a restart goes on with what was; then it works."""
    app1 = w.lab.app("app1")
    documents = (device(), instance("ni1"), app("app1", "ni1"))
    w.apply(*documents)
    app1.dhcp("eth0")
    w.sh(
        "mount -t tmpfs -o size=64k full /mnt && cp -a /var/lib/netnsmgr/. /mnt && mount --move /mnt /var/lib/netnsmgr"
    )
    w.sh("head -c 1M /dev/zero >/var/lib/netnsmgr/others || true")
    refused = w.apply(instance("ni2", "10.10.2"), code=2)
    assert "No space left" in refused.stderr
    assert not w.agent("ni2")
    w.crash()
    w.restart()
    w.ready("ni1")
    assert app1.http("http://github.com").startswith("I am github.com")
    w.sh("rm /var/lib/netnsmgr/others")
    w.apply(instance("ni2", "10.10.2"))
    w.ready("ni1", "ni2")
