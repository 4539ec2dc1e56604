"""The site's end of a switch's port: that clients behind a bridge are served there, and frames are seen both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import AppHost, Lab, Segment
from tests.lab.segment import frames_of, heard, send, senders
from tests.scenarios.frames import BROADCAST, arp, ethernet, mac

PORTS = ("eth0", "eth1", "eth2", "eth3")
KIND = 0x88B5  # for experiments (IEEE 802)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The device's eth3 in a bridge by hand, with an application."""
    with Lab(PORTS, dhcp_ports=("eth3",), ipv6=True) as lab:
        lab.app("app6")
        lab.device.run(
            ["sh", "-ec", """
            ip link add br0 type bridge
            ip link set br0 addrgenmode none up
            ip link add app6.eth0 type veth peer name eth0 netns app6
            ip link set app6.eth0 addrgenmode none master br0 up
            ip link set eth3 addrgenmode none master br0 up
            """]
        )  # fmt: skip
        yield lab


@pytest.fixture(scope="module")
def app6(lab: Lab) -> AppHost:
    app = lab.app("app6")
    app.dhcp("eth0")
    return app


@pytest.fixture(scope="module")
def segment(lab: Lab) -> Segment:
    return lab.segment("eth3")


def test_a_client_gets_address_names_and_a_way_out(app6: AppHost, segment: Segment) -> None:
    lease = app6.leases["eth0"]
    assert 50 <= int(lease.address.ip) & 0xFF <= 150
    assert lease.address.network == segment.subnet
    assert (lease.routers, lease.dns) == ((segment.gateway,), (str(segment.gateway),))
    assert app6.http("http://github.com/") == f"I am github.com, you are {lease.address.ip}\n"
    assert app6.http(segment.serve_http()) == f"I am gw, you are {lease.address.ip}\n"


def test_ipv6_when_it_is_asked_for(app6: AppHost, segment: Segment) -> None:
    assert app6.addresses6("eth0") == []
    segment.advertise(managed=True)
    segment.serve_dhcp6()
    app6.slaac("eth0", prefix="2001:db8:3::/64")
    lease = app6.dhcp6("eth0")
    assert str(lease.address).startswith("2001:db8:3::1")
    assert "I am github.com" in app6.http("http://github.com/", family=6)


def test_frames_are_seen_both_ways(app6: AppHost, segment: Segment) -> None:
    mine = mac(app6)
    out = ethernet(BROADCAST, mine, KIND, b"outwards")
    word = ethernet(BROADCAST, mine, KIND, b"the last one of them")
    frames = segment.seen(lambda: send(app6, out), last=word, sender=(app6, "eth0"))
    assert any(b"outwards" in frame for frame in frames)
    assert mine in senders(frames)
    told = arp(BROADCAST, segment.mac, (segment.mac, str(segment.gateway)), "inwards")
    frames = heard(
        app6,
        "eth0",
        lambda: segment.send(told),
        last=lambda: segment.send(word),
        mark=b"the last one of them",
    )
    assert any(b"inwards" in frame for frame in frames)


def test_a_pulled_cable_takes_the_carrier(lab: Lab, segment: Segment) -> None:
    segment.pull()
    assert lab.device.wait_told("link", lambda: "NO-CARRIER" in lab.device.link("eth3")["flags"], 5.0)  # type: ignore[index]
    segment.plug()
    lab.device.wait_link("eth3", up=True)


def test_joined_ports_are_one_segment(lab: Lab, app6: AppHost, segment: Segment) -> None:
    """What comes in by one of them goes out by the other."""
    segment.join("eth2")
    lab.device.run(["ip", "link", "set", "eth2", "up"])
    with lab.device.capture("eth2") as capture:
        send(app6, ethernet(BROADCAST, mac(app6), KIND, b"around"))
        assert app6.eventually(lambda: any(b"around" in frame for frame in frames_of(capture.file)))
    assert app6.ping(str(segment.gateway))
