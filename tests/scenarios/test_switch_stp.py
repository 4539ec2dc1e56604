"""A switch with several ports: no loop, another way when one fails, and nobody else in the spanning tree."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.lab import AppHost
from tests.lab.host import Capture
from tests.lab.segment import frames_of, heard, send
from tests.scenarios.documents import Document, app, bare, device, port, switch
from tests.scenarios.frames import BROADCAST, ethernet, mac
from tests.scenarios.world import Row, World

PORTS = ("eth0", "eth1", "eth2", "eth3")
APPS = ("app6", "app7", "app8")
STP = "01:80:c2:00:00:00"
DELAY = 4
PASSING = 2 * DELAY + 12.0
"""Seconds until a link forwards, on a busy machine; a way that ends unnoticed is missed for the longest age before, 6 s."""
SHUT = (
    "shut by BPDU guard: something behind it takes part in the spanning tree; "
    "it opens when its carrier goes and comes back"
)


def documents(**more: Any) -> list[Document]:
    """A switch with two ports, the fourth labelled, and as short delays as the standard allows."""
    ports = device(port(0), bare("eth2"), bare("eth3", labels=["sensors"]))
    return [ports, switch("ni6", "eth2", "eth3", stp={"forwardDelay": DELAY} | more)]


def applications() -> list[Document]:
    """Three, of which the last may send with others' addresses."""
    return [app(name, "ni6", antiSpoofing=name != "app8") for name in APPS]


def row(world: World, name: str) -> Row:
    found: list[Row] = [each for each in world.instance("ni6").get("ports", ()) if each["name"] == name]
    return found[0] if found else {}


def stp(world: World) -> list[str]:
    return sorted(row(world, name).get("stp", "") for name in ("eth2", "eth3"))


def passes(world: World, link: str) -> bool:
    return "state forwarding" in world.sh(f"bridge link show dev {link}", "ni6")


def bpdu(source: str) -> bytes:
    """A configuration BPDU of a bridge that says to be the root (IEEE 802.1D, 9.3.1)."""
    root = bytes(2) + bytes.fromhex(source.replace(":", ""))
    times = b"\0\0" + b"\x06\0" + b"\x02\0" + b"\x04\0"
    body = b"\x42\x42\x03" + bytes(5) + root + bytes(4) + root + b"\x80\x01" + times
    target = bytes.fromhex((STP + source).replace(":", ""))
    return (target + len(body).to_bytes(2, "big") + body).ljust(60, b"\0")


def waits(interface: Row) -> bool:
    """Whether it is told for how long; listening may be past when one looks."""
    told = {
        f"spanning tree: listening, frames pass within {2 * DELAY} s",
        f"spanning tree: learning, frames pass within {DELAY} s",
    }
    return interface.get("state") == "pending" and not told.isdisjoint(interface["reasons"])


def shut(world: World, name: str) -> bool:
    return SHUT in world.interface("ni6", name)["reasons"]


def ready(world: World, name: str) -> bool:
    return bool(world.interface("ni6", name)["state"] == "ready")


def arrived(frame: bytes, capture: Capture) -> bool:
    return frame in frames_of(capture.file)


def up(host: AppHost, link: str = "eth0") -> None:
    host.wait_link(link)
    host.run(["ip", "link", "set", link, "up"])


def word(source: str, text: str) -> bytes:
    return ethernet(BROADCAST, source, 0x88B5, text.encode().ljust(46, b"."))


class TestLoop:
    def test_two_ports_of_one_network(self) -> None:
        """One of two ways is blocked: a broadcast arrives once and ends; when the way in use fails the other one is taken."""
        with World(PORTS) as w:
            site = w.lab.segment("eth2")
            site.join("eth3")
            app6 = w.lab.app("app6")
            w.put(*documents(), app("app6", "ni6"))
            up(app6)
            w.until(lambda: waits(w.interface("ni6", "app6")), "app6 is told to wait")
            w.until(lambda: stp(w) == ["blocking", "forwarding"], "one way is blocked", PASSING)
            w.until(lambda: w.interface("ni6", "app6")["state"] == "ready", "app6 is ready", PASSING)

            once = word(site.mac, "once")
            frames = heard(
                app6, "eth0", lambda: site.send(*[once] * 10),
                last=lambda: site.send(word(site.mac, "the last of them, of which there may be more")),
                mark=word(site.mac, "the last of them, of which there may be more"),
            )  # fmt: skip
            assert frames.count(once) == 10

            # Nothing circles: what is on the wire for a while are the switch's BPDUs, one in two seconds and port.
            with site.capture() as capture:
                send(app6, word(mac(app6), "out"), link="eth0")
                w.eventually(
                    lambda: (
                        sum(frame[:6] == bytes.fromhex("0180c2000000") for frame in frames_of(capture.file))
                        > 1
                    ),
                    "two BPDUs",
                )
                frames = frames_of(capture.file)
            # Twice at most on this wire: from the switch, and again towards the blocked port.
            assert 1 <= frames.count(word(mac(app6), "out")) <= 2

            used = next(name for name in ("eth2", "eth3") if row(w, name)["stp"] == "forwarding")
            other = {"eth2": "eth3", "eth3": "eth2"}[used]
            w.lab.segment(used).pull()
            w.until(lambda: row(w, used)["state"] == "down", "the cable is seen to be out")
            w.until(lambda: row(w, other)["stp"] == "forwarding", "the other way is taken", PASSING + 6)
            heard(
                app6, "eth0", lambda: None,
                last=lambda: send(w.lab.gw, word(site.mac, "other way"), link="site0"),
                mark=word(site.mac, "other way"),
            )  # fmt: skip

    def test_one_port_waits_for_nothing(self) -> None:
        """With one port there is no spanning tree: frames pass at once, and no BPDU is sent."""
        with World(PORTS) as w:
            site = w.lab.segment("eth3")
            app6 = w.lab.app("app6")
            with site.capture() as capture:
                w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6"))
                up(app6)
                heard(
                    app6, "eth0", lambda: None,
                    last=lambda: site.send(word(site.mac, "at once")), mark=word(site.mac, "at once"),
                )  # fmt: skip
            assert row(w, "eth3")["stp"] == "off"
            assert not [frame for frame in frames_of(capture.file) if frame.startswith(b"\x01\x80\xc2")]


class TestGuard:
    def test_labelled_port(self) -> None:
        """A BPDU shuts a port that is to have end devices behind it; said in words; a carrier that comes back opens it."""
        with World(PORTS) as w:
            w.apply(*documents(bpduGuard=["sensors"]))
            for name in ("eth2", "eth3"):
                w.lab.segment(name).send(bpdu("02:00:00:00:00:99"))
            w.until(lambda: row(w, "eth3").get("reasons") == [SHUT], "eth3 is shut")
            assert row(w, "eth3")["stp"] == "disabled"
            w.until(lambda: w.instance("ni6")["state"] == "degraded", "ni6 is degraded")
            assert f"port eth3: {SHUT}" in w.instance("ni6")["reasons"]
            assert row(w, "eth2")["stp"] != "disabled"
            segment = w.lab.segment("eth3")
            segment.pull()
            segment.plug()
            w.until(lambda: row(w, "eth3")["stp"] == "forwarding", "eth3 is open", PASSING)
            w.until(lambda: w.instance("ni6")["state"] == "ready", "ni6 is ready")

    def test_application(self) -> None:
        """An application that sends a BPDU shuts itself out, whether or not it may send with others' addresses; neither the
        site nor another application sees it."""
        with World(PORTS) as w:
            app6, app7, app8 = hosts = [w.lab.app(name) for name in APPS]
            w.put(*documents(), *applications())
            for host in hosts:
                up(host)
            for name in APPS:
                # A link without a carrier waits for nothing: its row does not tell whether frames pass.
                w.eventually(partial(passes, w, f"{name}.eth0"), f"{name} passes frames", PASSING)
            evil = [bpdu(mac(app6)), bpdu(mac(app8))]
            site = w.lab.segment("eth2")
            with site.capture() as capture, app7.capture("eth0") as beside:
                for host, frame in zip((app6, app8), evil, strict=True):
                    send(host, frame, link="eth0")
                    w.until(partial(shut, w, host.name), f"{host.name} is shut")
                send(app7, word(mac(app7), "the end"), link="eth0")
                w.eventually(
                    lambda: any(b"the end" in frame for frame in frames_of(capture.file)),
                    "the end at the site",
                )
            assert not set(evil) & {*frames_of(capture.file), *frames_of(beside.file)}
            assert [w.interface("ni6", name)["state"] for name in APPS] == ["degraded", "ready", "degraded"]
            for host in (app6, app8):
                host.run(["ip", "link", "set", "eth0", "down"])
                host.run(["ip", "link", "set", "eth0", "up"])
            for name in ("app6", "app8"):
                w.until(partial(ready, w, name), f"{name} is back", PASSING)

    def test_application_without_spanning_tree(self) -> None:
        """Where the switch does not take part, the BPDU of an application goes nowhere, either."""
        with World(PORTS) as w:
            app6, app7, app8 = hosts = [w.lab.app(name) for name in APPS]
            w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), *applications())
            for host in hosts:
                up(host)
            site = w.lab.segment("eth3")
            for host in (app6, app8):
                evil, last = bpdu(mac(host)), word(mac(host), "the last one")
                with app7.capture("eth0") as beside:
                    act = partial(send, host, evil, link="eth0")
                    frames = site.seen(act, last=last, sender=(host, "eth0"))
                    w.eventually(partial(arrived, last, beside), "the last one")
                assert evil not in frames + frames_of(beside.file)
