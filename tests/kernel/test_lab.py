"""The lab itself: that it is what the other tests take it for, and that nothing of it stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import CommandFailed, HttpFailed, Lab, LabError, NoLease, isolated
from tests.lab.lab import ROOT


@pytest.fixture(scope="module")
def site() -> Iterator[Lab]:
    with Lab(ports=("eth0", "eth1", "eth2"), addressed=True) as lab:
        yield lab


def bridge_with_dhcp(lab: Lab, app: str, subnet: str = "10.9.0") -> None:
    """In the device: a bridge with a throwaway dnsmasq, and a veth from it to the application."""
    lab.app(app)
    lab.device.run(
        ["sh", "-ec", f"""
        ip link add br0 type bridge
        ip address add {subnet}.1/24 dev br0
        ip link set br0 up
        ip link add {app}0 type veth peer name eth0 netns {app}
        ip link set {app}0 master br0 up
        dnsmasq -C /dev/null -i br0 -z --user=root --pid-file= -l /run/lab/try.leases --no-ping -R --no-hosts \
            -F {subnet}.50,{subnet}.60,2h --address=/printer/{subnet}.9 --log-facility=/run/lab/log/try \
            --dhcp-option=option:ntp-server,{subnet}.7 --dhcp-option=26,1400 --domain=lab.example \
            --dhcp-option=121,0.0.0.0/0,{subnet}.1,172.31.0.0/16,{subnet}.2
        """]
    )  # fmt: skip


class TestSite:
    def test_ports_reach_their_routers_and_the_internet(self, site: Lab) -> None:
        for number in range(3):
            assert site.device.addresses(f"eth{number}") == [f"192.168.{number}.2/24"]
            assert site.device.ping(f"192.168.{number}.1")
        assert site.device.http("http://203.0.113.10/") == "I am github.com, you are 192.168.0.2\n"
        assert "you are 203.0.113.1" in site.gw.http("http://203.0.113.20/")

    def test_names_resolve_at_every_port(self, site: Lab) -> None:
        for number in range(3):
            server = f"192.168.{number}.1"
            assert site.device.resolve("google.com", server) == ["203.0.113.20"]
            assert site.device.resolve("www.github.com", server) == ["203.0.113.10"]
            assert site.device.resolve("nowhere.example", server) == []

    def test_the_site_is_invisible_among_the_device_s_namespaces(self, site: Lab) -> None:
        assert site.device.run(["ip", "netns"]).stdout == ""

    def test_etc_and_var_lib_are_private_and_hold_what_the_machine_has(self, site: Lab) -> None:
        assert "root:" in site.device.run(["cat", "/etc/passwd"]).stdout
        site.device.run(["sh", "-c", "mkdir -p /etc/netns/x; touch /etc/netns/x/y /var/lib/netnsmgr/y"])
        assert site.path("/etc/netns/x/y").exists()
        assert not Path("/etc/netns/x").exists()
        assert site.device.run(["sh", "-c", "echo >>/etc/passwd"], check=False).returncode != 0

    def test_a_server_that_is_not_there_is_told_by_curl_s_code(self, site: Lab) -> None:
        with pytest.raises(HttpFailed) as failed:
            site.device.http("http://192.168.0.1:81/")
        assert failed.value.code == 7

    def test_a_failing_command_tells_what_it_said(self, site: Lab) -> None:
        with pytest.raises(CommandFailed, match="Cannot find device"):
            site.device.run(["ip", "link", "set", "nosuch", "up"])

    def test_a_hanging_command_is_given_up_with_all_its_children(self, site: Lab) -> None:
        with pytest.raises(LabError, match="longer than"):
            site.device.run(["sh", "-c", "sleep 77 & sleep 77"], timeout=0.2)
        assert "sleep 77" not in site.device.run(["ps", "ax"]).stdout

    def test_a_port_without_address_may_have_the_router_s_dhcp(self) -> None:
        with Lab(ports=("eth0", "eth1"), dhcp_ports=("eth1",)) as lab:
            lab.app("app")
            lab.device.run(["ip", "link", "set", "eth1", "netns", "app"])
            assert str(lab.app("app").dhcp("eth1").address).startswith("192.168.1.")


@pytest.mark.root  # dnsmasq, which drops its groups
class TestApp:
    def test_a_real_lease_configures_address_routes_names_and_mtu(self) -> None:
        with Lab() as lab:
            bridge_with_dhcp(lab, "app1")
            app = lab.app("app1")
            lease = app.dhcp("eth0")
            assert lease.address.network.with_prefixlen == "10.9.0.0/24"
            assert 50 <= int(str(lease.address.ip).rsplit(".", 1)[1]) <= 60
            assert (lease.seconds, lease.mtu, lease.ntp, lease.domain) == (
                7200,
                1400,
                ("10.9.0.7",),
                "lab.example",
            )
            assert app.addresses("eth0") == [str(lease.address)]
            routes = app.run(["ip", "route"]).stdout
            assert "default via 10.9.0.1 dev eth0 metric 100" in routes
            assert "172.31.0.0/16 via 10.9.0.2 dev eth0 metric 100" in routes
            assert (app.link("eth0") or {})["mtu"] == 1400
            assert app.lookup("printer") == ["10.9.0.9"]
            assert "nameserver 10.9.0.1" in app.run(["cat", "/etc/resolv.conf"]).stdout
            assert "10.9.0.9" in app.run(["getent", "ahostsv4", "printer"]).stdout

    def test_a_server_in_an_app_answers_by_name_and_is_captured(self) -> None:
        with Lab() as lab:
            bridge_with_dhcp(lab, "app1")
            lease = lab.app("app1").dhcp()
            lab.app("app1").serve_http()
            with lab.app("app1").capture("eth0", "tcp port 80") as capture:
                assert lab.device.http(f"http://{lease.address.ip}/") == "I am app1, you are 10.9.0.1\n"
            packets = capture.stop()
            assert any("Flags [S]," in packet and "10.9.0.1" in packet for packet in packets)
            assert any("Flags [F.]," in packet for packet in packets), "the end of the capture is missing"

    def test_without_a_server_the_failure_says_what_was_seen(self) -> None:
        with Lab() as lab:
            app = lab.app("app1")
            lab.device.run(
                ["ip", "link", "add", "x", "type", "veth", "peer", "name", "eth0", "netns", "app1"]
            )
            lab.device.run(["ip", "link", "set", "x", "up"])
            with pytest.raises(NoLease, match="broadcasting discover"):
                app.dhcp("eth0", timeout=1)
            with pytest.raises(LabError, match="no link eth7"):
                app.wait_link("eth7", timeout=0.3)

    def test_a_guest_behind_a_tap_takes_its_lease_with_its_own_mac(self) -> None:
        with Lab() as lab:
            bridge_with_dhcp(lab, "app1")
            lab.device.run(["sh", "-ec", """
                touch /run/netns/ni; mount --bind /proc/self/ns/net /run/netns/ni
                ip tuntap add tap0 mode tap; ip link set tap0 master br0 up"""])  # fmt: skip
            guest = lab.tap_app("app3")
            guest.plug("ni", "tap0", mac="02:16:3e:01:02:03")
            lease = guest.dhcp("eth0")
            assert (guest.link("eth0") or {})["address"] == "02:16:3e:01:02:03"
            guest.serve_http()
            assert lab.device.http(f"http://{lease.address.ip}/").startswith("I am app3")


OWNER = """
import os, sys, time
from tests.lab import Lab
with Lab() as lab:
    lab.app("app1").serve_http()
    lab.device.popen(["setsid", "sh", "-c", "sleep 88 & sleep 88"])
    print(lab.holder.pid, flush=True)
    if sys.argv[1] == "raise":
        raise RuntimeError("as a test fails")
    time.sleep(60)
"""


def inhabitants(pid_namespace: str) -> list[str]:
    """All processes of a PID namespace, by their command lines."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns/pid") == pid_namespace:
                command = (entry / "cmdline").read_text().replace("\0", " ")
                found += [command] if command else []  # none: a zombie, dead but not yet collected
        except OSError:
            continue
    return found


class TestNothingStays:
    @pytest.mark.parametrize("end", ["raise", "SIGINT", "SIGTERM", "SIGKILL"])
    def test_however_the_owner_ends(self, end: str) -> None:
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, end],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert owner.stdout is not None
        holder = int(owner.stdout.readline())
        namespace = None
        try:
            namespace = os.readlink(f"/proc/{holder}/ns/pid")
        except FileNotFoundError:  # already gone: "raise" doesn't wait for us
            assert end == "raise"
        gone = None
        try:
            gone = os.pidfd_open(holder)
        except ProcessLookupError:
            pass
        if end != "raise":
            owner.send_signal(getattr(signal, end))
        owner.wait(10)
        owner.stdout.close()
        if gone is not None:
            assert select.select([gone], [], [], 5)[0], "the holder still lives"
            os.close(gone)
        assert namespace is None or inhabitants(namespace) == []

    def test_the_machine_keeps_its_links_mounts_and_namespaces(self) -> None:
        def machine() -> tuple[str, str, list[str]]:
            links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
            netns = sorted(os.listdir("/run/netns")) if Path("/run/netns").exists() else []
            return links, Path("/proc/self/mounts").read_text(), netns

        before = machine()
        with Lab() as lab:
            lab.app("app1")
            assert machine() == before
        assert machine() == before


class TestIsolated:
    def test_has_its_own_run_and_only_lo(self) -> None:
        @isolated
        def inside() -> None:
            assert os.listdir("/sys/class/net") == ["lo"]
            assert sorted(os.listdir("/run")) == ["lock", "netns"]
            assert subprocess.run(["ip", "netns", "add", "x"], check=True).returncode == 0
            assert os.getpid() == 1

        inside()
        assert not Path("/run/netns/x").exists()

    def test_an_assertion_of_the_child_is_raised_with_its_traceback(self) -> None:
        @isolated
        async def inside() -> None:
            assert os.getpid() != 1, "told"

        with pytest.raises(AssertionError, match="told") as failed:
            inside()
        assert "test_lab.py" in "".join(failed.value.__notes__)

    def test_a_skip_stays_a_skip(self) -> None:
        @isolated
        def inside() -> None:
            pytest.skip("no such feature")

        with pytest.raises(pytest.skip.Exception, match="no such feature"):
            inside()

    def test_a_crash_and_a_hang_are_told_and_leave_nothing(self) -> None:
        def crash() -> None:
            os._exit(3)

        with pytest.raises(RuntimeError, match="without a word"):
            isolated(crash)()

        mine = f"99.{os.getpid()}"  # others on the machine may run the same test

        def hang() -> None:
            subprocess.Popen(["setsid", "sleep", mine])
            time.sleep(60)

        with pytest.raises(TimeoutError):
            isolated(hang, timeout=0.3)()
        ps = subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
        assert f"sleep {mine}" not in ps
