"""What is not there yet is said and waited for: ports, namespaces of applications, processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import AppHost
from tests.lab.process import Process
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        yield made


def add_port(w: World, name: str, number: int) -> None:
    """Plug a cable from the site's router into the device: 192.168.<number>.1 is at the other end."""
    w.sh(f"ip link add {name} type veth peer name {name} netns /run/lab/gw")
    w.lab.gw.run(["ip", "address", "add", f"192.168.{number}.1/24", "dev", name])
    w.lab.gw.run(["ip", "link", "set", name, "up"])


def test_a_port_that_does_not_exist(w: World) -> None:
    """An instance says which port it waits for, works when the port appears, says when it goes, and works again."""
    w.lab.app("app1")
    seven = port(7, name="eth7")
    result = w.apply(
        device(port(), seven),
        instance("ni1", ports=["eth7"]),
        app("app1", "ni1"),
        options=("--timeout", "1s"),
        code=1,
    )
    reason = "pending: port eth7"
    assert f"network-instance/ni1: {reason}" in result.stderr
    assert reason in w.command("get", "ni").stdout
    assert f"because {reason}" in w.command("describe", "ni", "ni1").stdout
    assert w.device()["ports"][1]["state"] == "missing"
    # Meanwhile everything works that needs no port.
    app1 = w.lab.apps["app1"]
    address = app1.dhcp("eth0").address
    assert app1.lookup("app1") == [str(address.ip)]

    for _ in range(2):
        add_port(w, "eth7", 7)
        w.ready("ni1")
        assert w.instance("ni1")["reasons"] == []
        w.eventually(
            lambda: app1.http("http://github.com") == "I am github.com, you are 192.168.7.2\n", "web"
        )
        w.sh("ip link del eth7")
        w.until(lambda: w.instance("ni1")["reasons"] == [reason], "that the port has gone")
        assert w.instance("ni1")["state"] != "ready"


def test_a_namespace_of_an_application(w: World) -> None:
    """An interface waits for the application's namespace, and is put into each one that appears under the name."""
    result = w.apply(device(), instance("ni1"), app("app1", "ni1"), options=("--timeout", "1s"), code=1)
    reason = "pending: network namespace app1"
    assert f"app/app1/eth0: {reason}" in result.stderr
    assert reason in w.command("get", "apps").stdout
    w.ready("ni1")  # which does not wait for its applications
    for _ in range(3):
        app1 = AppHost(w.lab.holder, "app1")
        w.attached("ni1", "app1")
        app1.dhcp("eth0")
        assert app1.http("http://github.com").startswith("I am github.com")
        app1.remove()
        w.pending("ni1", "app1", reason)


def test_a_namespace_replaced_while_a_process_still_lives_in_the_old_one(w: World) -> None:
    """What counts is the namespace that has the name now, even while a process keeps the old one alive."""
    app1 = w.lab.app("app1")
    w.apply(device(), instance("ni1"), app("app1", "ni1"))
    app1.dhcp("eth0")
    process = app1.popen(["sleep", "60"])
    w.eventually(lambda: process.pid, "the process")
    app1.remove()
    app1 = AppHost(w.lab.holder, "app1")
    app1.dhcp("eth0")
    assert app1.http("http://github.com").startswith("I am github.com")


def started(w: World, script: str) -> tuple[Process, int]:
    """A process in a namespace of its own, and its id in the device."""
    process = Process(w.lab.holder.enter(), ["unshare", "--net", "sh", "-c", f"echo here $$; {script}"])
    return process, int(process.wait_line("here").split()[1])


def test_a_process_to_attach_to(w: World) -> None:
    """By its id an application is attached to the namespace of a process; when that ends, the interface waits."""
    process, pid = started(w, "exec sleep 60")
    w.apply(device(), instance("ni1"), app("app1", "ni1", attach={"pid": pid}))
    inside = f"nsenter --net=/proc/{pid}/ns/net"
    w.sh(f"{inside} ip link set eth0 up")
    w.sh(f"{inside} ip address add 10.10.1.60/24 dev eth0; {inside} ip route add default via 10.10.1.1")
    assert "github.com" in w.sh(f"{inside} curl -sS -m 5 http://203.0.113.10")
    process.stop()
    w.pending("ni1", "app1", f"pending: network namespace of process {pid}")


def test_a_process_that_ends_while_another_keeps_its_namespace(w: World) -> None:
    """The interface is of the process that was named: it goes with it."""
    _, pid = started(w, "sleep 61 & exec sleep 60")
    w.apply(device(), instance("ni1"), app("app1", "ni1", attach={"pid": pid}))
    w.kill(pid)
    w.pending("ni1", "app1", f"pending: network namespace of process {pid}")


def test_a_virtual_machine(w: World) -> None:
    """A TAP waits for its virtual machine, which comes and goes; it keeps its lease."""
    guest = w.lab.tap_app("app1")
    w.apply(device(), instance("ni1"), app("app1", "ni1", attach={"tap": True}))
    row = w.interface("ni1", "app1")
    leases = []
    for _ in range(2):
        guest.plug("ni1", row["vif"], mac=row["mac"])
        leases.append(guest.dhcp("eth0").address)
        assert guest.http("http://github.com").startswith("I am github.com")
        guest.unplug()
    assert leases[0] == leases[1]
    assert w.interface("ni1", "app1")["state"] == "ready"


def test_without_a_port_nothing_leaves(w: World) -> None:
    """An air-gapped instance has DHCP, names and its applications; not a packet of it is seen on a port."""
    app1, app2 = w.lab.app("app1"), w.lab.app("app2")
    hosts = {"hosts": {"printer": ["10.10.1.9"]}}
    w.apply(device(), instance("ni1", ports=[], dns=hosts), app("app1", "ni1"), app("app2", "ni1"))
    ports = [w.lab.gw.capture(name, "not arp and not ip6") for name in ("eth0", "eth1")]
    lease, other = app1.dhcp("eth0"), app2.dhcp("eth0")
    assert lease.routers == ()
    assert "router" not in lease.raw
    assert app1.run(["ip", "route", "show", "default"]).stdout == ""
    assert app1.lookup("app2") == [str(other.address.ip)]
    assert app1.lookup("printer") == ["10.10.1.9"]
    assert app1.lookup("github.com") == []
    server = app2.serve_http()
    assert app1.http("http://app2").startswith("I am app2")
    # It tries to get out: by a route of its own making, too.
    app1.run(["ip", "route", "add", "default", "via", "10.10.1.1"])
    for address in ("203.0.113.10", "192.168.0.1", "192.168.0.2"):
        assert not app1.ping(address, timeout=1), address
    said = w.command("exec", "ni1", "--", "curl", "-sS", "-m", "5", "http://app2").stdout
    assert said.startswith("I am app2")
    # Only the device's own ping and its answer are seen on its port, which shows that the captures work.
    assert w.lab.device.ping("192.168.0.1")
    seen = [capture.stop() for capture in ports]
    assert [len(packets) for packets in seen] == [2, 0], seen
    server.stop()
