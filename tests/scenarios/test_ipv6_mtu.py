"""Paths that carry less than the links at both ends: who is too big is told so, through two namespaces and two translations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from netnsmgr.config.instance import NAT64_PREFIX
from tests.lab import AppHost, Host
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import GITHUB, GITHUB6, NET6, by_hand, dual, only6, port6
from tests.scenarios.world import World

pytestmark = pytest.mark.root
INTERNET = {4: GITHUB, 6: GITHUB6}
DEVICE = {4: "192.168.0.2", 6: "2001:db8::2"}
HOST = {4: GITHUB, 6: f"[{GITHUB6}]"}
BULK = 1_000_000
#: Datagrams that must not be fragmented on the way, until the kernel says that they are too big.
LARGE = """
import socket, sys, time
address, size = sys.argv[1], int(sys.argv[2])
six = ":" in address
sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
if six:
    sock.setsockopt(socket.IPPROTO_IPV6, 62, 1)  # IPV6_DONTFRAG
    sock.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO
else:
    sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
sock.connect((address, 9))
for _ in range(500):
    try:
        sock.send(bytes(size))
    except OSError as error:
        if error.errno == 90:  # EMSGSIZE
            print("too big")
            break
    time.sleep(0.01)
"""


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    """No MSS is clamped: what is learnt is learnt by ICMP alone."""
    with World(ipv6=True) as made:
        made.lab.app("app1")
        made.apply(device(port6()), dual(tcpMssClamp=False), app("app1", "ni1", address6=f"{NET6}::77"))
        made.lab.apps["app1"].dhcp()
        by_hand(made, "app1", f"{NET6}::77")
        yield made


@pytest.fixture
def app1(w: World) -> Iterator[AppHost]:
    """An application that has learnt nothing yet."""
    flush = "ip route flush cache; ip -6 route flush cache"
    for host in (w.lab.apps["app1"], w.lab.device, w.lab.instance("ni1"), w.lab.internet):
        host.run(["sh", "-ec", flush])
    yield w.lab.apps["app1"]
    w.lab.narrow(1500)


def too_big(host: Host, address: str, size: int) -> bool:
    """Whether datagrams of that size are too big for the way to an address, as the kernel says after having tried."""
    return host.run([sys.executable, "-I", "-S", "-c", LARGE, address, str(size)]).stdout == "too big\n"


def uploaded(host: Host, family: int) -> str:
    """What the server says to BULK bytes."""
    post = [
        "curl",
        "-sS",
        "--max-time",
        "8",
        "-H",
        "Expect:",
        "--data-binary",
        "@-",
        f"http://{HOST[family]}/",
    ]
    return host.run(post, text="." * BULK, timeout=15.0, check=False).stdout


@pytest.mark.parametrize("mtu", [1280, 1400])
def test_large_datagrams_are_told(w: World, app1: AppHost, family: int, mtu: int) -> None:
    """The router behind the port says what it carries; the application, two translations away, learns it."""
    address = INTERNET[family]
    head = 48 if family == 6 else 28
    assert app1.path_mtu(address) is None
    w.lab.narrow(mtu)
    assert too_big(app1, address, mtu - head + 1)
    assert app1.path_mtu(address) == mtu


def test_a_connection_learns_what_its_way_carries(w: World, app1: AppHost, family: int) -> None:
    """An upload by TCP goes on in smaller segments, and arrives."""
    w.lab.narrow(1300)
    assert uploaded(app1, family) == "all of it\n"
    assert app1.path_mtu(INTERNET[family]) == 1300


def test_the_device_itself_learns(w: World, app1: AppHost, family: int) -> None:
    """What the root namespace learns of a path is of use to it, and does no harm to the application's."""
    w.lab.narrow(1300)
    assert too_big(w.lab.device, INTERNET[family], 1400)
    assert too_big(app1, INTERNET[family], 1400)
    assert app1.path_mtu(INTERNET[family]) == 1300


def test_a_sender_outside_learns_what_the_instance_carries(w: World, app1: AppHost, family: int) -> None:
    """Who sends more to an application than its network carries is told by the device."""
    w.apply(dual(tcpMssClamp=False, mtu=1300))
    assert (app1.link("eth0") or {})["mtu"] == 1500, (
        "it is told by DHCP and advertisements, which it does not hear"
    )
    assert len(app1.http(f"http://{HOST[family]}/bytes/1000000")) == BULK
    assert w.lab.internet.path_mtu(DEVICE[family]) == 1300


def test_a_way_that_ends_in_ipv4(w: World) -> None:
    """With NAT64 the router's word of IPv4 comes as one of IPv6, greater by what the header is longer; an upload arrives."""
    w.lab.app("app2")
    w.apply(only6("ni2", nat64={}, tcpMssClamp=False), app("app2", "ni2", address6=f"{NET6}::77"))
    by_hand(w, "app2", f"{NET6}::77")
    app2 = w.lab.apps["app2"]
    target = str(NAT64_PREFIX[int(IPv4Address(GITHUB))])
    w.eventually(lambda: app2.ping(target), "an answer by NAT64")
    w.lab.narrow(1300)
    post = ["curl", "-sS", "--max-time", "8", "-H", "Expect:", "--data-binary", "@-", f"http://[{target}]/"]
    assert app2.run(post, text="." * BULK, timeout=15.0, check=False).stdout == "all of it\n"
    assert app2.path_mtu(target) == 1320
    assert too_big(app2, target, 1320 - 48 + 1)
    w.lab.narrow(1500)
