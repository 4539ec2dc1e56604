"""While an application or its switch goes, nothing of what was forbidden passes: no frame finds the guard gone before the link."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from tests.lab import AppHost, Host
from tests.scenarios.documents import Document, bare, device, port, switch
from tests.scenarios.frames import BROADCAST, ethernet, mac, udp4
from tests.scenarios.listed import NOTHING, listed
from tests.scenarios.world import World

ROGUE, HONEST = b"a rogue answer of DHCP", b"an honest datagram"
DEVICE = device(port(0), bare("eth3"))
SWITCH = switch("sw1", "eth3")
STAYS = listed("app7", network="sw1")
FLOOD = """
import socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
frames = [bytes.fromhex(each) for each in sys.argv[1:]]
print("sends", flush=True)
try:
    while True:
        raw.send(frames[1])
        for _ in range(50):
            raw.send(frames[0])
except OSError:
    print("ends", flush=True)
"""


def flooded(
    w: World, before: list[Document], removed: list[Document], put: list[Document]
) -> tuple[int, int]:
    """Have app6 send what is forbidden without a pause, and what is not now and then.

    How many frames of the first are on the wire until its link goes, and how many of both.
    """
    w.apply(*before)
    app6, gw = w.lab.apps["app6"], w.lab.gw
    app6.wait_link("eth0")
    app6.run(["ip", "link", "set", "eth0", "up"])
    app6.wait_link("eth0", up=True)
    # Frames that may pass are counted alone: there are too many to be kept.
    already = received(gw)
    with gw.capture("eth3", "udp port 68") as capture:
        sender = app6.popen([sys.executable, "-I", "-S", "-c", FLOOD, *frames(w, app6)])
        sender.wait_line("sends")
        gw.eventually(lambda: received(gw) > already + 100, timeout=2)
        w.put(*put, remove=removed)
        sender.wait_line("ends", timeout=20)
        sender.stop()
        capture.stop()
        data = capture.file.read_bytes()
    return data.count(ROGUE), received(gw) - already


def received(gw: Host) -> int:
    """How many frames have come from the port, of any kind."""
    (link,) = json.loads(gw.run(["ip", "-s", "-json", "link", "show", "dev", "eth3"]).stdout)
    return int(link["stats64"]["rx"]["packets"])


def frames(w: World, app6: AppHost) -> list[str]:
    own, site = mac(app6), w.lab.segment("eth3").mac
    rogue = udp4("192.168.2.66", 67, "255.255.255.255", 68, ROGUE.decode())
    honest = udp4("192.168.2.67", 7777, "192.168.3.1", 7777, HONEST.decode())
    return [ethernet(BROADCAST, own, 0x0800, rogue).hex(), ethernet(site, own, 0x0800, honest).hex()]


PLAIN = listed("app6", network="sw1")
LISTED = listed("app6", NOTHING, "sw1")
OTHER = listed("app6", network="sw1", mac="02:00:00:00:00:66")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(("eth0", "eth3"), dhcp_ports=("eth3",)) as world:
        for name in ("app6", "app7"):
            world.lab.app(name)
        yield world


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("what", ["application", "interface", "switch", "listed"])
def test_what_goes_lets_nothing_pass(what: str, turn: int, w: World) -> None:
    """An application that is deleted, or gets another interface, and a switch that is deleted with its port given back."""
    base = [DEVICE, SWITCH, STAYS]
    if what == "application":
        rogue, honest = flooded(w, [*base, PLAIN], [PLAIN], [])
    elif what == "interface":
        rogue, honest = flooded(w, [*base, PLAIN], [], [OTHER])
    elif what == "listed":
        rogue, honest = flooded(w, [*base, LISTED], [LISTED], [])
        assert (rogue, honest < 20) == (0, True), "a list that lets nothing pass"
        return
    else:
        rogue, honest = flooded(w, [*base, PLAIN], [PLAIN, STAYS, SWITCH], [])
        w.until(lambda: "eth3" in w.sh("ip -br link"), "the port is back")
    assert honest > 100
    assert rogue == 0
