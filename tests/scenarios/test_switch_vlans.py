"""VLANs on a switch from end to end, on a kernel that has them; and what is said on one that has not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.lab import AppHost
from tests.lab.segment import Segment, frames_of, send
from tests.scenarios.documents import Document, app, bare, device, port, switch
from tests.scenarios.frames import BROADCAST, ethernet, mac
from tests.scenarios.world import World

PORTS = ("eth0", "eth3")
KIND = 0x88B5


def tagged(frame: bytes, vid: int) -> bytes:
    """The frame with the tag of a VLAN, if it is not 0."""
    return frame[:12] + b"\x81\x00" + vid.to_bytes(2, "big") + frame[12:] if vid else frame


class Ears:
    """Everybody at a switch, listening: applications, and the site at its port."""

    def __init__(self, world: World, *names: str) -> None:
        self._world = world
        self._site: Segment = world.lab.segment("eth3")
        self._apps: dict[str, AppHost] = {name: world.lab.app(name) for name in names}
        self._captures = {name: host.capture("eth0") for name, host in self._apps.items()}
        self._captures["site"] = self._site.capture()
        for capture in self._captures.values():
            capture.__enter__()
        self._number = 0

    def sent(self, sender: str, vid: int = 0, *, heard_by: dict[str, int]) -> None:
        """Broadcast; exactly these others hear it, with these tags (0: none)."""
        self._number += 1
        host, link = (self._apps[sender], "eth0") if sender != "site" else (self._site.gw, "eth3")
        frame = ethernet(BROADCAST, mac(host, link), KIND, f"frame {self._number} of {sender}.".encode())
        send(host, tagged(frame, vid), link=link)
        for name, tag in heard_by.items():
            self._world.eventually(partial(self._hears, name, tagged(frame, tag)), f"{frame!r} at {name}")
        word = f"frame {self._number} of {sender}.".encode()
        others = {name for name in self._captures if any(word in each for each in self._heard(name))} - {
            sender
        }
        assert others == heard_by.keys(), (sender, vid)

    def _hears(self, name: str, frame: bytes) -> bool:
        return frame in self._heard(name)

    def _heard(self, name: str) -> list[bytes]:
        return frames_of(self._captures[name].file)


def ready(world: World, *documents: Document) -> None:
    """Apply, and bring the applications' interfaces up."""
    world.apply(*documents)
    for document in documents:
        if document["kind"] == "App":
            host = world.lab.app(document["metadata"]["name"])
            host.wait_link("eth0")
            host.run(["ip", "link", "set", "eth0", "up"])


@pytest.mark.fullkernel
def test_access_trunk_and_none() -> None:
    """Applications of one VLAN hear each other and nobody else; the port carries all; two VLANs have one subnet.

    VLANs come to a running switch, change, and go, and no link is made anew.
    """
    vlan = {
        "a100": {"access": 100},
        "b100": {"access": 100},
        "a200": {"access": 200},
        "trunk": {"trunk": [100, 200]},
    }
    with World(PORTS) as w:
        for name in vlan:
            w.lab.app(name)
        ports = device(port(0), bare("eth3"))
        plain = [app(name, "ni6") for name in vlan]
        ready(w, ports, switch("ni6", "eth3"), *plain)
        before = w.sh("cat /sys/class/net/*/ifindex", "ni6")
        ears = Ears(w, *vlan)
        ears.sent("a100", heard_by={"b100": 0, "a200": 0, "trunk": 0, "site": 0})

        w.apply(*(app(name, "ni6", vlan=has) for name, has in vlan.items()))
        w.until(lambda: w.instance("ni6")["ports"][0]["vlan"] == "trunk 100,200", "the port carries both")
        ears.sent("a100", heard_by={"b100": 0, "trunk": 100, "site": 100})
        ears.sent("a200", heard_by={"trunk": 200, "site": 200})
        ears.sent("trunk", 100, heard_by={"a100": 0, "b100": 0, "site": 100})
        ears.sent("site", 200, heard_by={"a200": 0, "trunk": 200})
        ears.sent("site", heard_by={"trunk": 0})

        # 10.0.0.2 asks for 10.0.0.3, which is there twice.
        for name, address in {"a100": "10.0.0.2/24", "b100": "10.0.0.3/24", "a200": "10.0.0.3/24"}.items():
            w.lab.app(name).run(["ip", "address", "add", address, "dev", "eth0"])
        a100 = w.lab.app("a100")
        assert a100.ping("10.0.0.3", timeout=20)
        assert mac(w.lab.app("b100")) in a100.run(["ip", "neigh", "show", "10.0.0.3"]).stdout

        w.apply(switch("ni6", "eth3", vlans={"eth3": {"access": 100}}))
        w.until(lambda: w.instance("ni6")["ports"][0]["vlan"] == "access 100", "the port is in one")
        ears.sent("site", heard_by={"a100": 0, "b100": 0, "trunk": 100})
        ears.sent("a200", heard_by={"trunk": 200})

        w.apply(switch("ni6", "eth3"), *plain)
        ears.sent("a200", heard_by={"a100": 0, "b100": 0, "trunk": 0, "site": 0})
        assert w.sh("cat /sys/class/net/*/ifindex", "ni6") == before


@pytest.mark.skipif(os.path.exists("/proc/net/vlan"), reason="this kernel has VLANs")
def test_where_the_kernel_has_none() -> None:
    """A switch with VLANs fails with what is missing, passes nothing, and works when they are taken out."""
    with World(PORTS) as w:
        w.lab.app("app6")
        ports = device(port(0), bare("eth3"))
        if not w.sh("ip link add try type bridge vlan_filtering 1 2>&1 || true"):
            pytest.skip("this kernel has VLANs")
        w.put(ports, switch("ni6", "eth3"), app("app6", "ni6", vlan={"access": 100}))
        missing = "this kernel's bridges know no VLANs (CONFIG_BRIDGE_VLAN_FILTERING is not set)"
        w.until(lambda: any(missing in each for each in w.instance("ni6").get("reasons", ())), "it is said")
        w.until(lambda: w.instance("ni6")["state"] == "degraded", "ni6 is degraded")
        assert "bn0" not in w.sh("ip -br link", "ni6")
        ready(w, ports, switch("ni6", "eth3"), app("app6", "ni6"))
        assert "VLANs of bridges" in w.command("doctor", code=None).stdout


@pytest.mark.skipif(os.path.exists("/proc/net/vlan"), reason="this kernel has VLANs")
def test_a_running_switch_that_cannot_know_them_passes_nothing() -> None:
    """VLANs come to a switch whose kernel has none: it is closed, says so steadily, and opens when they are taken out."""
    with World(PORTS) as w:
        for name in ("a", "b"):
            w.lab.app(name)
        if not w.sh("ip link add try type bridge vlan_filtering 1 2>&1 || true"):
            pytest.skip("this kernel has VLANs")
        ports = device(port(0), bare("eth3"))
        plain = [app(name, "ni6") for name in ("a", "b")]
        ready(w, ports, switch("ni6", "eth3"), *plain)
        ears = Ears(w, "a", "b")
        ears.sent("a", heard_by={"b": 0, "site": 0})
        w.put(app("a", "ni6", vlan={"access": 100}))
        steadily_degraded(w, "a")
        ears.sent("b", heard_by={})
        ears.sent("a", heard_by={})
        ears.sent("site", heard_by={})
        w.apply(*plain)
        ears.sent("a", heard_by={"b": 0, "site": 0})


@pytest.mark.skipif(os.path.exists("/proc/net/vlan"), reason="this kernel has VLANs")
def test_new_switches_that_cannot_know_them_say_so_and_rest() -> None:
    """With a port, and alone. The reason is the kernel's lack, not a cable's; retries become rarer, as those of everything
    that fails."""
    with World(PORTS) as w:
        if not w.sh("ip link add try type bridge vlan_filtering 1 2>&1 || true"):
            pytest.skip("this kernel has VLANs")
        switches = {"ni6": ("eth3",), "ni7": ()}
        for network in switches:
            w.lab.app(f"in-{network}")
        w.put(
            device(port(0), bare("eth3")),
            *(switch(network, *ports) for network, ports in switches.items()),
            *(app(f"in-{network}", network, vlan={"access": 100}) for network in switches),
        )
        for network in switches:
            steadily_degraded(w, f"in-{network}", network)


MISSING = "this kernel's bridges know no VLANs (CONFIG_BRIDGE_VLAN_FILTERING is not set)"


def steadily_degraded(world: World, name: str, network: str = "ni6") -> None:
    """The switch says what is missing and nothing else, at each retry of the next seconds, of which there are few."""

    def said() -> bool:
        row, of_app = world.instance(network), world.interface(network, name)
        return (
            row.get("state") == "degraded"
            and len(row["reasons"]) == 1
            and MISSING in row["reasons"][0]
            and any(MISSING in each for each in of_app.get("reasons", ()))
        )

    since = world.mark()
    world.until(said, "the switch and its application say what is missing")

    def rests() -> bool:
        times = [
            datetime.fromisoformat(each["timestamp"])
            for each in world.logged(since, event="operation failed", agent=network)
        ]
        return bool(times) and (datetime.now(UTC) - times[-1]).total_seconds() > 0.9

    world.eventually(rests, "a second without a retry")
    since, seen = world.mark(), {said()}

    def tried_again() -> bool:
        seen.add(said())
        return bool(world.logged(since, event="operation failed", agent=network))

    # Each failure doubles the pause, up to half a minute.
    world.eventually(tried_again, "one more", timeout=40.0)
    assert seen == {True}
