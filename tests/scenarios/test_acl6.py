"""Access lists say the same of IPv6 as of IPv4, on the whole daemon and with real packets."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Address
from typing import Any

import pytest

from tests.kernel.frames6 import ICMP6, UDP, ethernet, icmp, packet, udp
from tests.lab import LabError
from tests.scenarios.documents import device
from tests.scenarios.frames import mac, send
from tests.scenarios.ipv6 import GITHUB6, GOOGLE6, NET6, dual, port6, settled
from tests.scenarios.listed import EVERYTHING, NOTHING, Rules, listed, rule
from tests.scenarios.streams import Stream, go_on
from tests.scenarios.world import World

pytestmark = pytest.mark.root
NAMES = ("app1", "app2")
GATEWAY = f"{NET6}::1"
OWN: dict[str, str] = {}
DENIED = "curl 28"


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as world:
        for name in NAMES:
            world.lab.app(name)
        world.apply(device(port6()), dual(), *(listed(name) for name in NAMES))
        for name in NAMES:
            world.leased("ni1", name)
            OWN[name] = str(settled(world, "ni1", name))
            world.lab.apps[name].serve_http()
        yield world


@pytest.fixture(autouse=True)
def without_lists(w: World) -> None:
    w.apply(*(listed(name) for name in NAMES))


def asked(w: World, name: str, url: str) -> str:
    """Who answers an application by IPv6, or the exit code of curl."""
    try:
        said = w.lab.apps[name].http(url, family=6, interface="eth0", timeout=1.0)
        return said.split(",")[0].removeprefix("I am ")
    except LabError as error:
        return f"curl {getattr(error, 'code', error)}"


WEB: dict[str, Any] = {"protocol": "tcp", "fport": 80}
OWN_WEB: dict[str, Any] = {"protocol": "tcp", "lport": 80}
BOTH: list[tuple[Rules, Rules, bool | None]] = [
    # app1's list, app2's list, whether app1 reaches app2
    (None, None, True),
    (NOTHING, None, False),
    (None, NOTHING, False),
    ([rule(1, direction="out")], [rule(1, direction="in")], True),
    ([rule(1, direction="in")], [rule(1, direction="out")], False),
    ([rule(1, ip=f"{NET6}::/64", **WEB)], [rule(1, ip=f"{NET6}::/64", **OWN_WEB)], True),
    ([rule(1, ip="fd00:10:2::/64", **WEB)], None, False),
    ([rule(1, ip="10.10.1.0/24", **WEB)], None, False),
    (None, [rule(1, "drop", ip=f"{NET6}::/66"), rule(2, "drop", ip=f"{NET6}:8000::/65"), rule(3)], None),
    ([rule(1, eidset=True, **WEB)], [rule(1, eidset=True, **WEB)], True),
    ([rule(1, eidset=True, protocol="tcp", fport=81)], None, False),
    ([rule(1, protocol="icmpv6")], None, False),
    ([rule(1, host="app2")], [rule(1)], True),
]


@pytest.mark.parametrize(("mine", "other", "reached"), BOTH)
def test_between_two_applications_both_lists_are_asked(
    w: World,
    mine: list[dict[str, object]] | None,
    other: list[dict[str, object]] | None,
    reached: bool | None,
) -> None:
    w.apply(listed("app1", mine), listed("app2", other))
    if reached is None:
        reached = not IPv6Address(OWN["app1"]).packed[8] & 0x80 and bool(
            IPv6Address(OWN["app1"]).packed[8] & 0x40
        )
    assert asked(w, "app1", f"http://[{OWN['app2']}]") == ("app2" if reached else DENIED)


def test_to_the_outside(w: World) -> None:
    """By prefix, by name, by eidset; in either family what its rule says."""
    inside = f"http://[{GITHUB6}]"
    for mine, reached in (
        ([rule(1, ip=GITHUB6, **WEB)], True),
        ([rule(1, ip="2001:db8:ffff::/48", direction="in")], False),
        ([rule(1, eidset=True)], False),
        ([rule(1, "reject", ip=GITHUB6)], None),
    ):
        w.apply(listed("app1", mine))
        expected = {True: "github.com", False: DENIED, None: "curl 7"}[reached]
        assert asked(w, "app1", inside) == expected, mine
    w.apply(listed("app1", [rule(1, host="github.com")]))
    app1 = w.lab.apps["app1"]
    assert app1.http("http://github.com", family=6).startswith("I am github.com")
    assert app1.http("http://github.com", family=4).startswith("I am github.com")
    assert app1.resolve("google.com", GATEWAY, kind="AAAA") == [GOOGLE6]
    assert asked(w, "app1", f"http://[{GOOGLE6}]") == DENIED


def test_types_of_icmp(w: World) -> None:
    app1 = w.lab.apps["app1"]
    w.apply(listed("app1", [rule(1, protocol="icmpv6", icmp="echo-request", direction="out")]))
    assert app1.ping(GITHUB6)
    assert app1.ping(OWN["app2"])
    assert not w.lab.apps["app2"].ping(OWN["app1"], timeout=1)
    assert not app1.ping("203.0.113.10", timeout=1)
    assert asked(w, "app1", f"http://[{GITHUB6}]") == DENIED
    w.apply(listed("app1", [rule(1, protocol="icmp")]))
    assert not app1.ping(GITHUB6, timeout=1)
    assert app1.ping("203.0.113.10")


def test_what_is_always_allowed(w: World) -> None:
    """Names, addresses and neighbours, though the list denies everything; the device reaches the application."""
    w.apply(listed("app1", NOTHING), listed("app2", NOTHING))
    app1 = w.lab.apps["app1"]
    app1.run(["ip", "-6", "neigh", "flush", "dev", "eth0"])
    assert app1.resolve("github.com", GATEWAY, kind="AAAA") == [GITHUB6]
    assert app1.dhcp6(information=True).dns == (IPv6Address(GATEWAY),)
    assert app1.advertised().lifetime > 0
    assert not app1.ping(OWN["app2"], timeout=1)
    # The neighbour was found, and is silent.
    neighbours = app1.run(["ip", "-6", "neigh", "show", OWN["app2"]]).stdout
    assert mac(w.lab.apps["app2"]) in neighbours
    assert not app1.ping(GITHUB6, timeout=1)
    assert w.lab.device.http(f"http://[{OWN['app1']}]", interface="nm-ni1").startswith("I am app1")


def test_an_error_belongs_to_its_flow(w: World) -> None:
    """ "Nobody listens" comes back to who asked, whatever his list says of ICMPv6; one that answers nothing does not."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    w.apply(listed("app1", [rule(1, protocol="udp", direction="out")]))
    ask = "import socket,sys; s=socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(2); s.connect((sys.argv[1], 9)); s.send(b'x')\ntry: s.recv(9)\nexcept OSError as e: print(e.errno)"
    for target in (OWN["app2"], GITHUB6):
        assert app1.run(["python3", "-c", ask, target]).stdout == "111\n"

    def error(kind: int, about: bytes, code: int = 0) -> bytes:
        body = icmp(kind, about, code=code)
        if kind == 2:
            body = body[:4] + struct.pack("!I", 1280) + body[8:]
        return ethernet(mac(app1), mac(app2), packet(OWN["app2"], OWN["app1"], ICMP6, body, hops=64))

    with app1.capture("eth0", "icmp6 and ip6[40] < 5") as seen:
        for kind in (1, 2, 3, 4):
            send(app2, error(kind, packet(OWN["app1"], OWN["app2"], UDP, udp(7777, 7778, b"never"))))
            send(app2, error(kind, packet(OWN["app1"], GITHUB6, UDP, udp(7777, 7778, b"never"))))
        assert app1.run(["python3", "-c", ask, OWN["app2"]]).stdout == "111\n"
    assert len(seen.stop()) == 1


def test_neighbour_discovery_goes_nowhere_else(w: World) -> None:
    """What every neighbour may hear is no way past a list to the outside."""
    app1 = w.lab.apps["app1"]
    w.apply(listed("app1", NOTHING))
    bridge = mac(w.lab.instance("ni1"), "bn0")
    with w.lab.internet.capture("any", "icmp6") as seen:
        for kind, rest in ((135, 16), (136, 16), (133, 0), (143, 20)):
            hops = 1 if kind == 143 else 255
            send(
                app1,
                ethernet(
                    bridge, mac(app1), packet(OWN["app1"], GITHUB6, ICMP6, icmp(kind, bytes(rest)), hops=hops)
                ),
            )
        w.apply(listed("app1"))
        assert app1.ping(GITHUB6)
        seen.so_far()
    assert [
        line for line in seen.stop() if "echo" not in line and GITHUB6 in line and "2001:db8::2 " in line
    ] == []


def some(w: World) -> dict[str, Stream]:
    """Streams that app1 has to do with."""
    app1, app2, internet = w.lab.apps["app1"], w.lab.apps["app2"], w.lab.internet
    one, two = OWN["app1"], OWN["app2"]
    return {
        "to app2": Stream(app1, app2, two, 9001),
        "from app2": Stream(app2, app1, one, 9002),
        "from app2, asked for": Stream(app2, app1, two, 9003, asked=True),
        "to the outside": Stream(app1, internet, GITHUB6, 9005),
        "from the outside by TCP": Stream(internet, app1, GITHUB6, 9009, kind="tcp", asked=True),
    }


def test_a_changed_list_is_asked_again(w: World) -> None:
    """Flows that stay allowed lose nothing; those that are denied end at once."""
    w.apply(listed("app1", EVERYTHING), listed("app2", EVERYTHING))
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w).items()}
        for turn in range(5):
            w.apply(listed("app1", [rule(1, "drop", ip=f"2001:db8:9::{turn}"), rule(2)]))
    assert {name: stream.lost for name, stream in streams.items() if stream.lost} == {}
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w).items()}
        w.apply(listed("app1", NOTHING))
        changed = time.monotonic()
        go_on()
    assert {name for name, stream in streams.items() if not stream.ended_before(changed)} == set()
