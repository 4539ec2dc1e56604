"""Floods of the link itself: on a switch, and by interfaces that may send for others."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.floods.stage import frame_flood
from tests.scenarios import frames
from tests.scenarios.documents import app, device, instance, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(["eth0"]) as world:
        for name in ("mallory", "alice", "router", "gate"):
            world.lab.app(name)
        world.apply(
            device(),
            switch("sw1"),
            instance("ni1"),
            app("mallory", "sw1"),
            app("alice", "sw1"),
            app("router", "sw1", antiSpoofing=False),
            app("gate", "ni1", antiSpoofing=False),
        )
        for name in ("mallory", "alice", "router", "gate"):
            world.lab.apps[name].run(["ip", "link", "set", "eth0", "up"])
        yield world


@contextmanager
def sending(w: World, name: str, frame: str) -> Iterator[None]:
    sender = frame_flood(w.lab.apps[name], frame, 30.0)
    try:
        yield
        assert sender.popen.poll() is None, sender.output
    finally:
        sender.stop(signal.SIGKILL)


def told(w: World, network: str, name: str, what: str) -> None:
    def seen() -> bool:
        reasons = w.interface(network, name).get("reasons") or ()
        return any(reason.startswith("floods: ") and what in reason for reason in reasons)

    w.until(seen, f"{name} floods: {what}")


def test_broadcasts_on_a_switch(w: World) -> None:
    """What is for all comes to all, and out of the device's ports, in a bounded number."""
    alice = w.lab.apps["alice"]

    def heard() -> int:
        return int(alice.run(["cat", "/sys/class/net/eth0/statistics/rx_packets"]).stdout)

    packet = frames.udp4("192.168.9.9", 5000, "255.255.255.255", 5000, "x" * 100)
    frame = frames.ethernet(frames.BROADCAST, frames.mac(w.lab.apps["mallory"]), 0x0800, packet)
    before, begun = heard(), time.monotonic()
    with sending(w, "mallory", frame.hex()):
        told(w, "sw1", "mallory", "broadcasts")
        assert 900 < heard() - before < 1000 + 500 * (time.monotonic() - begun) + 200


@pytest.mark.parametrize(("network", "name"), [("sw1", "router"), ("ni1", "gate")])
def test_addresses_behind_an_interface(w: World, network: str, name: str) -> None:
    """A bridge remembers some of the senders that are behind an interface, and not as many as somebody can invent."""
    packet = frames.udp4("10.10.1.9", 5000, "10.10.1.8", 5000, "x")
    frame = frames.ethernet("02:00:00:99:99:99", "02:00:00:00:00:00", 0x0800, packet)

    def learnt() -> int:
        return int(w.sh("bridge fdb show br bn0 | wc -l", network))

    before, begun = learnt(), time.monotonic()
    with sending(w, name, f"{frame.hex()}@{6 + 4}"):
        told(w, network, name, "MAC addresses")
        time.sleep(1.0)
        assert 900 < learnt() - before < 1000 + 20 * (time.monotonic() - begun) + 100
