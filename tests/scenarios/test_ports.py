"""Ports of the device: by DHCP, as found, with several to choose from."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.lab import Lab

pytestmark = pytest.mark.root

INSTANCE = """
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni1}
spec: {type: local, ports: [%s], subnets: [10.10.1.0/24], dhcp: {range: 10.10.1.50-10.10.1.150}}
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app1}
spec: {attach: {netns: app1}, interfaces: [{name: eth0, network: ni1}]}
"""
DEVICE = """
apiVersion: netnsmgr/v1alpha1
kind: Device
metadata: {name: edge}
spec:
  ports:
%s
---
"""


def apply(lab: Lab, ports: str, instance_ports: str) -> None:
    done = lab.netnsmgr("apply", "-f", "-", text=DEVICE % ports + INSTANCE % instance_ports)
    assert done.returncode == 0, done.stdout + done.stderr


def port(lab: Lab, name: str) -> dict[str, Any]:
    status = json.loads(lab.netnsmgr("get", "device", "edge", "-o", "json", check=True).stdout)["status"]
    found: dict[str, Any] = next(p for p in status["ports"] if p["name"] == name)
    return found


@pytest.mark.bothkernels
def test_a_port_gets_address_gateway_and_dns_by_dhcp_and_an_instance_leaves_by_it() -> None:
    """With `dhcp: true` the site's DHCP server decides, and the application resolves and fetches through the port."""
    with Lab(ports=("eth0",), dhcp_ports=("eth0",)) as lab:
        lab.daemon()
        app = lab.app("app1")
        apply(lab, "    - {name: eth0, dhcp: true}", "eth0")
        seen = port(lab, "eth0")
        assert seen["state"] == "up"
        assert seen["gateways"] == ["192.168.0.1"]
        assert seen["dns"] == ["192.168.0.1"]
        address = seen["addresses"][0].split("/")[0]
        app.dhcp("eth0")
        assert app.http("http://github.com").strip() == f"I am github.com, you are {address}"


def test_a_killed_dhcp_client_is_started_again_and_the_address_stays() -> None:
    """Between the death of udhcpc and its successor's lease the port keeps its address: pings go on."""
    with Lab(ports=("eth0",), dhcp_ports=("eth0",)) as lab:
        lab.daemon()
        app = lab.app("app1")
        apply(lab, "    - {name: eth0, dhcp: true}", "eth0")
        app.dhcp("eth0")
        before = port(lab, "eth0")["addresses"]
        old = lab.device.run(["pgrep", "-x", "udhcpc"], check=True).stdout.split()
        pings = app.popen(["ping", "-i", "0.02", "-c", "100", "-q", "192.168.0.1"])
        lab.device.run(["kill", f"-{signal.SIGKILL.value}", *old], check=True)

        def restarted() -> bool:
            now = lab.device.run(["pgrep", "-x", "udhcpc"], check=False).stdout.split()
            return bool(now) and now != old

        lab.device.eventually(restarted)
        assert pings.wait() == 0
        assert " 0% packet loss" in pings.output
        assert port(lab, "eth0")["addresses"] == before


def test_a_port_as_found_keeps_what_somebody_else_configured() -> None:
    """With neither addresses nor DHCP in the file, the device's own address and default route are used and stay."""
    with Lab(ports=("eth0",), addressed=True) as lab:
        lab.daemon()
        app = lab.app("app1")
        routes = lab.device.run(["ip", "route", "show", "default"], check=True).stdout
        apply(lab, "    - {name: eth0, dns: [192.168.0.1]}", "eth0")
        app.dhcp("eth0")
        assert app.http("http://github.com").strip() == "I am github.com, you are 192.168.0.2"
        assert lab.device.run(["ip", "route", "show", "default"], check=True).stdout == routes


def test_the_cheaper_of_two_ports_is_preferred_and_the_other_takes_over() -> None:
    """An instance with two ports leaves by the cheaper one, and by the other when that one's link goes down."""
    ports = """
    - {name: eth0, labels: [out], addresses: [192.168.0.2/24], gateways: [192.168.0.1], dns: [192.168.0.1], cost: 5}
    - {name: eth1, labels: [out], addresses: [192.168.1.2/24], gateways: [192.168.1.1], dns: [192.168.1.1]}"""
    with Lab() as lab:
        lab.daemon()
        app = lab.app("app1")
        apply(lab, ports, "out")
        app.dhcp("eth0")
        assert app.http("http://github.com").strip() == "I am github.com, you are 192.168.1.2"
        lab.device.run(["ip", "link", "del", "eth1"], check=True)
        lab.device.eventually(lambda: port(lab, "eth1")["state"] == "missing")
        assert app.http("http://github.com").strip() == "I am github.com, you are 192.168.0.2"
