"""The site's end of one port, as a switch extends it: who is there, and what is on the wire."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from tests.lab.host import Capture, Host
from tests.lab.process import LabError, Process
from tests.lab.router6 import Advertised, Router6, Served

SENDER = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    sock.send(bytes.fromhex(frame))
"""


class Segment:
    """``lab.segment("eth3")``: the router ``gw`` with 192.168.3.1, which gives .50 to .150 by DHCP where the lab has
    ``dhcp_ports=("eth3",)``, answers DNS there, and routes to the internet.

    IPv6, HTTP and what else is there comes when it is asked for.
    """

    def __init__(self, gw: Host, router6: Router6, port: str, number: int) -> None:
        self.gw, self.port, self.number = gw, port, number
        self.subnet = IPv4Network(f"192.168.{number}.0/24")
        self.gateway: IPv4Address = self.subnet[1]
        self._router6 = router6
        self._web: Process | None = None

    def serve_http(self, port: int = 80) -> str:
        """An HTTP server of the router's at this port of the device's site; its URL.  It says "I am gw, you are …"."""
        if self._web is None:
            self._web = self.gw.serve_http(port, name="gw", address=str(self.gateway))
        return f"http://{self.gateway}:{port}/"

    def advertise(self, **what: Any) -> None:
        """Send router advertisements here (needs ``Lab(ipv6=True)``); fields as those of ``Advertised``."""
        self._router6.advertise(Advertised(self.port, **what))

    def serve_dhcp6(self, **what: Any) -> None:
        """Answer DHCPv6 here; fields as those of ``Served``."""
        self._router6.serve_dhcp6(Served(self.port, **what))

    # --- frames

    @property
    def mac(self) -> str:
        """The router's MAC address."""
        found = self.gw.link(self.port)
        if found is None:
            raise LabError(f"gw has no {self.port}")
        return str(found["address"])

    def send(self, *frames: bytes) -> None:
        """Put frames on the wire; see ``send`` for those of others."""
        send(self.gw, *frames, link=self.port)

    def capture(self, expression: str = "") -> Capture:
        """A capture of what is on the wire, both ways, that is running when this returns."""
        return self.gw.capture(self.port, expression)

    def seen(self, act: Callable[[], object], *, last: bytes, sender: tuple[Host, str]) -> list[bytes]:
        """The frames that are on the wire while ``act`` runs, both ways, up to ``last``.

        ``last`` is a frame that does arrive; the sender (a host and its link) puts it there, until it is seen.
        """
        host, link = sender
        return heard(self.gw, self.port, act, last=lambda: send(host, last, link=link), mark=last)

    # --- wiring

    def join(self, *others: str, name: str = "site0") -> None:
        """Wire the site's ends of further ports together with this one, as a switch of the site would that knows no STP.

        The router's address goes to that bridge.
        """
        lines = [f"link add {name} type bridge stp_state 0", f"link set {name} up"]
        lines += [f"address flush dev {self.port}"]
        lines += [f"link set {port} master {name}" for port in (self.port, *others)]
        lines += [f"address add {self.gateway}/24 dev {name}"]
        self.gw.run(["ip", "-batch", "-"], text="\n".join(lines) + "\n")

    def pull(self) -> None:
        """Take the cable out: the device's end loses its carrier."""
        self.gw.run(["ip", "link", "set", self.port, "down"])

    def plug(self) -> None:
        self.gw.run(["ip", "link", "set", self.port, "up"])


def send(host: Host, *frames: bytes, link: str = "eth0") -> None:
    """Have a host put frames on its link; they have passed the bridge behind it when this returns."""
    prefix = host.holder.enter(host.netns)
    script = [sys.executable, "-I", "-S", "-c", SENDER, link, *(frame.hex() for frame in frames)]
    sender = Process(prefix, script)
    if sender.wait() != 0:
        raise LabError(f"{host.name} cannot send on {link}: {sender.output}")


def heard(
    host: Host, link: str, act: Callable[[], object], *, last: Callable[[], object], mark: bytes
) -> list[bytes]:
    """The frames that pass a host's link, both ways, while ``act`` runs and until ``last`` has brought one with ``mark``."""
    tail = mark.rstrip(b"\0")[-20:]
    with host.capture(link) as capture:
        act()
        if not host.eventually(
            lambda: (last(), any(tail in frame for frame in frames_of(capture.file)))[1], pause=0.1
        ):
            raise LabError(f"{host.name} never saw the last frame on {link}")
    return [frame for frame in frames_of(capture.file) if tail not in frame]


def frames_of(file: Path) -> list[bytes]:
    """The frames of a capture; whole ones only, as the last may still be being written (pcap-savefile(5))."""
    data = file.read_bytes()
    at, found = 24, []
    while at + 16 <= len(data):
        _, _, kept, _ = struct.unpack_from("=IIII", data, at)
        if at + 16 + kept > len(data):
            break
        found.append(data[at + 16 : at + 16 + kept])
        at += 16 + kept
    return found


def senders(frames: Iterable[bytes]) -> set[str]:
    """Whose frames these are: their source MAC addresses."""
    return {frame[6:12].hex(":") for frame in frames}
