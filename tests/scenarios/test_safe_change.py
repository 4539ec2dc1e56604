"""Changes of a device that nobody can reach: they wait for confirmation, come back by themselves, and can be taken back."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
import yaml

from netnsmgr.client import ConfigError, NetnsmgrError
from netnsmgr.client.history import Revision, revisions
from netnsmgr.pubsub.tables import EVENT
from tests.lab import Host
from tests.lab.patience import patient
from tests.scenarios.documents import Document, app, device, instance, port
from tests.scenarios.supervisors import client
from tests.scenarios.test_reboot import reboot
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root

BESIDE = (instance("ni2", "10.10.2", ports=["eth1"]), app("app2", "ni2"))
"""What no test here changes."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture
def w(world: World) -> World:
    """The same configuration before each test, and nothing that waits."""
    if any(each.left is not None for each in history(world)):
        world.command("rollback", "--no-wait")
    app2 = world.lab.app("app2")
    world.apply(device(port(0), port(1)), *BESIDE, options=("--prune", "--takeover"))
    world.attached("ni2", "app2")
    app2.dhcp("eth0")
    return world


def rebooted(w: World) -> None:
    """The power was cut and is back; the daemon is not started yet."""
    reboot(w)
    w.lab.apps.clear()
    w.sh(
        "cat /proc/sys/kernel/random/uuid >/run/boot_id; "
        "mount --bind /run/boot_id /proc/sys/kernel/random/boot_id"
    )


def newest(w: World) -> int:
    """The number of the present revision."""
    return history(w)[-1].number


SERVER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="


class Reach:
    """The device as somebody at the site reaches it: pinged 100 times a second."""

    outages: list[float]
    """Seconds between two answers, where they were more than a quarter."""


@contextmanager
def reaching(host: Host, address: str) -> Iterator[Reach]:
    reach = Reach()
    ping = host.popen(["ping", "-n", "-D", "-i", "0.01", "-W", "1", address])
    ping.wait_line("bytes from")
    try:
        yield reach
    finally:
        ping.stop(signal.SIGINT)
        times = [float(at) for at in re.findall(r"^\[([\d.]+)\] \d+ bytes from", ping.output, re.MULTILINE)]
        reach.outages = [later - at for at, later in pairwise(times) if later - at > 0.25]


def history(w: World) -> list[Revision]:
    """The oldest first.  Not by the command line, whose every start takes a good part of a second."""
    return list(revisions(w.client.call("history")))[::-1]


def events(w: World, reason: str) -> list[dict[str, Any]]:
    rows = w.client.snapshot(EVENT)
    return [rows[key] for key in sorted(rows) if rows[key]["reason"] == reason]


def outcome(w: World, number: int) -> str:
    return str(next(each.outcome for each in history(w) if each.number == number))


def text(*documents: Document) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)


MOVED = device(port(0, addresses=["192.168.0.77/24"]), port(1))


def test_who_cuts_himself_off_is_back_by_himself(w: World) -> None:
    """The operator's address goes, and is back when the time is over; an instance on another port loses nothing."""
    n = newest(w) + 1
    with Flow(w.lab.apps["app2"]) as flow, reaching(w.lab.gw, "192.168.0.2") as reach:
        since = w.mark()
        said = w.apply(MOVED, options=("--confirm", "4s", "--no-wait")).stdout
        assert (
            f"revision {n} waits for confirmation: it is taken back in 4 s unless you run 'netnsmgr confirm {n}'"
            in said
        )
        assert history(w)[-1].left
        w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.77/24"], "the new address")
        w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.2/24"], "the old address")
        assert w.lab.gw.ping("192.168.0.2")
    assert flow.lost == 0
    (outage,) = reach.outages
    print(
        f"unreachable for {outage:.2f} s, with 4 s to confirm; the old address {_back(w, since):.0f} ms after them"
    )
    assert 3 < outage < patient(8)
    assert outcome(w, n) == "taken back: nobody confirmed it within 4 s"
    event = events(w, "RolledBack")[-1]
    assert (event["object"], event["type"]) == ("Daemon", "Warning")
    assert "nobody confirmed it within 4 s" in event["message"]
    # Too late, and said so.
    late = w.command("confirm", str(n), code=1).stderr
    assert (
        f"nothing waits for confirmation; revision {n} was taken back: nobody confirmed it within 4 s" in late
    )


def test_killed_while_it_waits(w: World) -> None:
    """A daemon that comes back too late has taken it back before an agent could act on it; nothing else is touched."""
    app2 = w.lab.apps["app2"]
    with Flow(app2, seconds=6) as flow:
        w.apply(MOVED, instance("ni3", "10.10.3"), options=("--confirm", "5s", "--no-wait"))
        w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.77/24"], "the new address")
        w.crash()
        time.sleep(5)
        assert w.lab.device.addresses("eth0") == ["192.168.0.77/24"]
        since = w.mark()
        w.restart()
        w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.2/24"], "the old address")
        w.until(lambda: not w.instance("ni3") and not w.agent("ni3"), "ni3 is gone")
        w.looked("ni2", since)
    assert flow.lost == 0
    assert outcome(w, newest(w) - 1) == "taken back: the time was over before the daemon was back"
    assert [line for line in w.operations(since) if line.startswith("ni2:")] == []


def test_others_while_it_waits(w: World) -> None:
    """Another operator and a supervisor change other things, which stay; what touches or needs what waits is refused."""
    for name in ("app3", "app9"):
        w.lab.app(name)
    with client(w, "zedagent") as zedagent:
        changed = instance("ni2", "10.10.2", ports=["eth1"], dns={"hosts": {"printer": ["10.10.2.9"]}})
        w.apply(changed, instance("ni9", "10.10.9"), options=("--confirm", "60s"))
        n = newest(w)
        waits = f"revision {n} waits for confirmation"
        # The second operator: the same object, a change of his own to be confirmed, one that rests on ni9, another thing.
        refused = w.command("apply", "-f", "-", text=text(instance("ni2", "10.10.22")), code=2).stderr
        assert re.search(
            rf"<stdin>:\d+:\d+: .*NetworkInstance/ni2 was changed by what waits: {waits}", refused
        )
        assert (
            waits
            in w.command("apply", "--confirm", "5s", "-f", "-", text=text(instance("ni4")), code=2).stderr
        )
        with pytest.raises(ConfigError, match=rf"right without what waits, too: .*ni9.*{waits}"):
            zedagent.publish([app("app9", "ni9")])
        published = zedagent.publish([instance("ni3", "10.10.3"), app("app3", "ni3")], replace=True)
        assert zedagent.applied(published) == ()
        app3 = w.lab.apps["app3"]
        app3.dhcp("eth0")
        w.apply(instance("ni5", "10.10.5"))
        with pytest.raises(NetnsmgrError, match="waits for confirmation, and not 1"):
            zedagent.confirm(1)
        with Flow(app3) as flow:
            said = w.command("rollback").stdout
            assert "network-instance/ni9 deleted" in said
            assert f"revision {n} is taken back (revision {n + 3})" in said
    assert flow.lost == 0
    w.ready("ni2", "ni3", "ni5")
    assert "printer" not in w.command("get", "ni", "ni2", "-o", "yaml").stdout
    assert [each.writer for each in history(w)[-4:]] == ["cli", "zedagent", "cli", "cli"]


def test_a_deletion_on_trial(w: World) -> None:
    """What was deleted comes back with its leases and the keys that were made for it; confirmed, they go, too."""
    w.lab.app("app3")
    peer = {
        "name": "hub",
        "publicKey": SERVER,
        "endpoint": "192.168.0.1:51820",
        "allowedIps": ["192.168.44.0/24"],
    }
    tunnel = {"name": "wg0", "addresses": ["10.9.0.2/24"], "peers": [peer]}
    # Nobody answers there, so that it does not become ready; it has a key all the same.
    w.put(instance("ni3", "10.10.3", vpn={"wireguard": {"tunnels": [tunnel]}}), app("app3", "ni3"))

    def key() -> str:
        rows = w.instance("ni3").get("vpn", {}).get("wireguard", [{}])
        return str(rows[0].get("publicKey") or "") if rows else ""

    w.until(key, "the tunnel's key")
    w.attached("ni3", "app3")
    app3 = w.lab.apps["app3"]
    lease = app3.dhcp("eth0").address
    known, files = key(), "ls -d /var/lib/netnsmgr/secrets/ni3 /var/lib/netnsmgr/leases/ni3 || true"
    both = w.sh(files)
    w.command(
        "delete", "-f", "-", "--confirm", "60s", text=text(app("app3", "ni3"), instance("ni3", "10.10.3"))
    )
    assert w.sh(files) == both
    w.command("rollback", "--no-wait")
    w.attached("ni3", "app3")
    w.until(key, "the tunnel's key")
    assert key() == known
    assert app3.dhcp("eth0").address == lease
    w.command(
        "delete", "-f", "-", "--confirm", "60s", text=text(app("app3", "ni3"), instance("ni3", "10.10.3"))
    )
    w.command("confirm")
    assert w.sh(files) == ""


def test_an_apply_that_fails_half_way(w: World) -> None:
    """What is ready and what is not is said, it is tried on, and all of it can be taken back without harm to others."""
    w.lab.app("app1")
    w.apply(instance("ni1"), app("app1", "ni1"))
    n = newest(w) + 1
    site = [
        device(port(0), port(1), {"name": "eth7"}),
        instance("ni1", dns={"hosts": {"printer": ["10.10.1.9"]}}),
        instance("ni3", "10.10.3", ports=["eth7"]),
    ]
    result = w.apply(*site, options=("--timeout", f"{patient(3):g}s"), code=1)
    assert "  network-instance/ni3: pending: " in result.stderr
    assert "ready: network-instance/ni1\n" in result.stderr
    assert (
        f"all of it stays configured as revision {n} and goes on being tried; 'netnsmgr rollback' takes it back"
        in result.stderr
    )
    w.lab.apps["app1"].dhcp("eth0")
    with Flow(w.lab.apps["app2"]) as flow:
        # It is tried on: the port comes.
        w.sh(
            "ip link add eth7 type veth peer name eth7peer; ip link set eth7peer up; ip link set eth7 up; ip address add 192.168.7.2/24 dev eth7"
        )
        w.ready("ni3")
        w.sh("ip link del eth7")
        w.until(lambda: w.instance("ni3").get("state") != "ready", "ni3 misses its port")
        said = w.command("rollback").stdout
    assert "network-instance/ni3 deleted" in said
    assert f"rolled back to revision {n - 1} (revision {n + 1})" in said
    assert flow.lost == 0
    w.ready("ni1", "ni2")
    assert "ni3" not in w.sh("ls /run/netns").split()
    assert "printer" not in w.command("get", "ni", "ni1", "-o", "yaml").stdout
    assert w.command("diff", "--revision", str(n - 1)).stdout == "no differences\n"


def test_history_and_rollback(w: World) -> None:
    """Every step forth and back: a rollback is shown beforehand, done, and taken back; what is another's stays."""
    n = newest(w)
    first, second = str(n + 1), str(n + 2)
    w.lab.app("app1")
    app1 = w.lab.apps["app1"]
    secret = app("app1", "ni1")
    secret["spec"]["metadata"] = {"userData": "#cloud-config\npassword: pomegranate\n"}
    w.apply(instance("ni1"), app("app1", "ni1"))
    app1.dhcp("eth0")
    w.apply(secret, instance("ni4", "10.10.4"))
    with client(w, "zedagent") as zedagent:
        assert zedagent.applied(zedagent.publish([instance("ni3", "10.10.3")])) == ()
        shown = w.command("diff", "--revision", first, code=1).stdout
        assert "~ app/app1" in shown
        assert "- network-instance/ni4" in shown
        assert "ni3" not in shown
        assert "pomegranate" not in shown
        assert "pomegranate" not in w.command("history").stdout
        assert "ni3" in w.command("diff", "--revision", first, "--all", code=1).stdout
        between = w.command("diff", "--revision", str(n), second, code=1).stdout
        assert re.findall(r"^. \S+", between, re.MULTILINE) == [
            "+ network-instance/ni1",
            "+ network-instance/ni4",
            "+ app/app1",
        ]
        with Flow(app1) as flow, Flow(w.lab.apps["app2"]) as beside:
            said = w.command("rollback").stdout
            print(said.splitlines()[-1])
        assert (flow.lost, beside.lost) == (0, 0)
        assert f"rolled back to revision {first} (revision {n + 4})" in said
        assert re.findall(r"\bni\d", w.sh("ls /run/netns")) == ["ni1", "ni2", "ni3"]
        # Twice the same could mean two things.
        assert (
            f"revision {n + 4}, was itself a rollback to {first}; say which"
            in w.command("rollback", code=1).stderr
        )
        w.command("rollback", second)
        assert "pomegranate" in w.command("get", "app", "app1", "-o", "yaml").stdout
        w.ready("ni4", "ni3")
        said = w.command("rollback", first, "--all").stdout
        assert "network-instance/ni3 deleted" in said
        assert (
            f"there is no revision 9999; kept are 1 to {n + 6}"
            in w.command("rollback", "9999", code=1).stderr
        )
        assert len(zedagent.documents(n + 1)) == 5
    done = [f"rollback to {number}" for number in (first, second, first)]
    assert [each.what.partition(":")[0] for each in history(w)[-6:]] == ["apply", "apply", "apply", *done]


def test_a_rollback_that_cannot_be(w: World) -> None:
    """To what is not right any more there is no way back, and all that is wrong is said; nothing has changed."""
    n = newest(w)
    w.sh(
        "mkdir -p /etc/secrets; head -c 32 /dev/urandom | base64 >/etc/secrets/wg.key; chmod 600 /etc/secrets/wg.key"
    )
    tunnel = {
        "name": "wg0",
        "privateKey": {"file": "/etc/secrets/wg.key"},
        "addresses": ["10.9.0.2/24"],
        "peers": [
            {
                "name": "hub",
                "publicKey": SERVER,
                "endpoint": "192.168.0.1:51820",
                "allowedIps": ["192.168.44.0/24"],
            }
        ],
    }
    w.put(instance("ni4", "10.10.4", vpn={"wireguard": {"tunnels": [tunnel]}}))
    w.put(remove=[instance("ni4")])
    w.until(lambda: not w.instance("ni4") and not w.agent("ni4"), "ni4 is gone")
    w.sh("rm /etc/secrets/wg.key")
    for command in ("rollback", str(n + 1)), ("diff", "--revision", str(n + 1)):
        refused = w.command(*command, code=2).stderr
        assert f"ni4, as in revision {n + 1}: " in refused
        assert "/etc/secrets/wg.key" in refused
        assert "[0].privateKey.file" in refused
    assert newest(w) == n + 2
    # An application of another writer now needs what a rollback would delete.
    w.lab.app("app3")
    w.apply(instance("ni3", "10.10.3"))
    with client(w, "zedagent") as zedagent:
        zedagent.publish([app("app3", "ni3")])
        assert "app3" in w.command("rollback", str(n + 2), code=2).stderr
        assert w.command("rollback", str(n + 2), "--all").stdout.count("deleted") >= 2


def _back(w: World, since: int) -> float:
    """Milliseconds from the decision to take a change back until the old address was there."""
    (decided,) = w.logged(since, event="a change was taken back")
    added = w.logged(since, op="create address/192.168.0.2/24 dev eth0")[-1]
    at = [datetime.fromisoformat(each["timestamp"]) for each in (decided, added)]
    return (at[1] - at[0]).total_seconds() * 1000


def test_confirmed(w: World) -> None:
    """Confirmed, twice, while the daemon was killed between: it stays, also when the device starts again."""
    w.apply(MOVED, options=("--confirm", "60s"))
    n = newest(w)
    w.crash()
    w.restart()
    assert 0 < (history(w)[-1].left or 0) < 60
    assert w.command("confirm").stdout == f"revision {n} is confirmed\n"
    assert w.command("confirm", str(n)).stdout == f"revision {n} was confirmed already\n"
    assert outcome(w, n) == "confirmed"
    rebooted(w)
    w.restart()
    w.ready("ni2")
    w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.77/24"], "the confirmed address")
    assert newest(w) == n


def test_the_device_starts_again_while_it_waits(w: World) -> None:
    """Nobody confirmed it before the power was cut: what comes up is what was there before, and never the other."""
    w.apply(MOVED, instance("ni3", "10.10.3"), options=("--confirm", "1h"))
    rebooted(w)
    since = w.mark()
    w.restart()
    w.ready("ni2")
    w.eventually(lambda: w.lab.device.addresses("eth0") == ["192.168.0.2/24"], "the old address")
    assert outcome(w, newest(w) - 1) == "taken back: the device has been restarted"
    assert [line for line in w.operations(since) if "ni3" in line or "192.168.0.77" in line] == []
    assert "the device has been restarted" in events(w, "RolledBack")[-1]["message"]
