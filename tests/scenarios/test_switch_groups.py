"""Link-local groups on a switch: LLDP and EAPOL where they are asked for, and what is never forwarded."""

from __future__ import annotations

import struct
from functools import partial

from tests.lab import Host
from tests.lab.host import Capture
from tests.lab.segment import frames_of, send
from tests.scenarios.documents import Document, app, bare, device, port, switch
from tests.scenarios.frames import BROADCAST, arp, ethernet, mac
from tests.scenarios.world import World

PORTS = ("eth0", "eth1", "eth2", "eth3")
GROUP = "01:80:c2:00:00:0"


def lldp(source: str) -> bytes:
    """An LLDPDU: chassis and port by their MAC addresses, 120 s, and a name of the system (IEEE 802.1AB, 8)."""
    address = bytes.fromhex(source.replace(":", ""))

    def tlv(kind: int, value: bytes) -> bytes:
        return struct.pack("!H", kind << 9 | len(value)) + value

    told = tlv(1, b"\4" + address) + tlv(2, b"\3" + address) + tlv(3, b"\0\x78") + tlv(5, b"plc17") + b"\0\0"
    return ethernet(f"{GROUP}e", source, 0x88CC, told)


def eapol(source: str) -> bytes:
    """EAPOL-Start (IEEE 802.1X, 11.3)."""
    return ethernet(f"{GROUP}3", source, 0x888E, b"\2\1\0\0")


def arrived(capture: Capture, frame: bytes) -> bool:
    return frame in frames_of(capture.file)


def test_forwarded_as_asked() -> None:
    """LLDP and EAPOL pass from application to site, to the other application, and back, only where they are named, and
    no longer than they are.

    From one site to the other they never pass, though the switch forwards everything else there.
    """
    with World(PORTS) as w:
        for name in ("app6", "app7"):
            w.lab.app(name)
        w.put(
            device(port(0), bare("eth2"), bare("eth3")),
            forwarding("lldp", "eapol"),
            app("app6", "ni6"),
            app("app7", "ni6"),
        )
        for name in ("app6", "app7"):
            application = w.lab.app(name)
            application.wait_link("eth0")
            application.run(["ip", "link", "set", "eth0", "up"])
        states = 'bridge -j link show | grep -o "forwarding" | wc -l'
        w.eventually(lambda: int(w.sh(states, "ni6")) == 4, "all links forward", 30)
        exchange(w, {"lldp", "eapol"})
        for named in (("lldp",), ()):
            w.apply(forwarding(*named))
            exchange(w, set(named))


def forwarding(*named: str) -> Document:
    return switch("ni6", "eth2", "eth3", forward=list(named), stp={"forwardDelay": 4})


def exchange(w: World, named: set[str]) -> None:
    """An application and a site send frames of each kind; everybody who shall hear them does, and nobody else."""
    at: dict[str, tuple[Host, str]] = {
        "app6": (w.lab.app("app6"), "eth0"),
        "app7": (w.lab.app("app7"), "eth0"),
        "eth2": (w.lab.gw, "eth2"),
        "eth3": (w.lab.gw, "eth3"),
    }
    for sender in ("app6", "eth2"):
        host, link = at[sender]
        source = mac(host, link)
        kinds = {"lldp": lldp(source), "eapol": eapol(source)}
        last = ethernet(BROADCAST, source, 0x88B5, f"after all of {sender}".encode())
        others = [name for name in at if name != sender]
        captures = {name: at[name][0].capture(at[name][1]) for name in others}
        for capture in captures.values():
            capture.__enter__()
        send(host, *kinds.values(), ethernet(f"{GROUP}d", source, 0x88B5, b"nobody's"), last, link=link)
        for name, capture in captures.items():
            w.eventually(partial(arrived, capture, last), f"the end of {sender} at {name}")
            seen = {kind for kind, frame in kinds.items() if frame in frames_of(capture.file)}
            between_sites = {sender, name} == {"eth2", "eth3"}
            assert seen == (set() if between_sites else named), (sender, name)
            assert not any(b"nobody's" in frame for frame in frames_of(capture.file))
            capture.__exit__(None, None, None)


def test_nobody_in_the_namespace_answers() -> None:
    """ARP for what is there, in a frame to a group: such a one comes to the port itself, whose rules are not the bridge's."""
    with World(PORTS) as w:
        w.lab.app("app6")
        w.apply(device(port(0), bare("eth3")), switch("ni6", "eth3"), app("app6", "ni6"))
        gw, own = w.lab.gw, w.lab.segment("eth3").mac
        with gw.capture("eth3", "arp") as capture:
            for target in (f"{GROUP}e", f"{GROUP}0", BROADCAST):
                for asked in ("169.254.169.254", "127.0.0.1"):
                    question = arp(target, own, (own, "192.168.3.1"), "who?", asked=asked, reply=False)
                    send(gw, question, link="eth3")
            # Asked and answered within a host, and later than all the others.
            assert gw.eventually(lambda: len(frames_of(capture.file)) >= 6)
            capture.stop()
            assert {frame[6:12].hex(":") for frame in frames_of(capture.file)} == {own}
