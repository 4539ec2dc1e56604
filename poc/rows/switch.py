"""Rows 19 to 21: an application on the site's own network: its address, what it reaches, and how much."""

from __future__ import annotations

import time
from collections.abc import Iterator

from poc.checks import Check
from poc.rows.seen import answered, no_connection
from poc.scene import Scene
from tests.lab.host import Capture
from tests.lab.observe import in_range
from tests.lab.process import LabError

PORT_MAP = "http://192.168.0.2:8080"
OUTSIDE = "203.0.113.10"
#: Of app6's list.
RATE, BURST = 5, 15
#: Seconds of pings, a hundred a second, of which then a few pass.
FLOOD = 4


def row19(scene: Scene) -> Iterator[Check]:
    """app6: its address is given by gw, learned and reported by the device"""
    expected = "192.168.3.50-150/24 via 192.168.3.1"

    def lease() -> str:
        taken = scene.apps["app6"].dhcp("eth0")
        return f"{taken.address} via {', '.join(map(str, taken.routers))}"

    yield Check("19", "app6 takes a lease of gw", expected, lease, lambda seen: in_range("192.168.3", seen))

    def known() -> str:
        return ", ".join(f"{a['address']} by {a['source']}" for a in scene.vif("app6", "ni6")["addresses"])

    def reported() -> str:
        held = f"{scene.lease('app6').address.ip} by dhcp"
        scene.device.eventually(lambda: held in known())
        return (
            "the address of the lease, by dhcp"
            if held in known()
            else f"{known() or 'no address'}, not {held}"
        )

    yield Check("19", "netnsmgr get apps: app6 in ni6", "the address of the lease, by dhcp", reported)
    yield Check("19", "eth3, the switch's port, is", "in ni6", lambda: whose(scene))


def whose(scene: Scene) -> str:
    """Where the port of the switch is."""
    if scene.device.link("eth3") is not None:
        return "the device's"
    return "in ni6" if scene.instance("ni6").link("eth3") is not None else "nowhere"


def row20(scene: Scene) -> Iterator[Check]:
    """app6: http://192.168.0.2:8080 by the site, and 5 packets a second with bursts of 15"""
    app6 = scene.apps["app6"]

    def ask() -> str:
        for app in ("app2", "app6"):
            scene.leased(app)
        # What came before may have used the burst up.
        return answered(app6, PORT_MAP, timeout=15.0)

    def expected(seen: str) -> bool:
        return seen == f"I am app2, you are {scene.leased('app6').address.ip}"

    yield Check("20", f"app6: {PORT_MAP}", "I am app2, you are 192.168.3.50-150", ask, expected)
    yield Check(
        "20",
        f"app6 pings gw, {FLOOD} s, 100 a second; of these and of the answers pass",
        f"{BURST} and {RATE} for each second",
        lambda: flooded(scene),
        held,
    )


def flooded(scene: Scene) -> str:
    """ "421 sent in 4.21 s, 36 passed: 18 came to gw, 18 answers came back".  The rule's packets are those of both directions.

    Twenty at once in the end use up what a sender that had to wait for the processor has left over.
    """
    scene.leased("app6")
    app6, gw = scene.apps["app6"], "192.168.3.1"
    # So long it takes until a burst is whole again; nothing tells that it is.
    time.sleep(BURST / RATE + 0.5)
    pings = f"ping -n -q -i 0.01 -c {100 * FLOOD} -W 1 {gw}; ping -n -q -l 20 -c 20 -W 1 {gw}"
    with scene.gw.capture("eth3", "icmp") as there, app6.capture("eth0", "icmp") as here:
        app6.run(["sh", "-c", pings], timeout=FLOOD + 30, check=False)
        came, own = there.stop(), here.stop()
    sent = [line for line in own if "echo request" in line]
    requests = sum("echo request" in line for line in came)
    answers = sum("echo reply" in line for line in own)
    if len(sent) < 50 * FLOOD:
        raise LabError(f"only {len(sent)} pings were sent")
    seconds = clock(sent[-1]) - clock(sent[0])
    return (
        f"{len(sent)} sent in {seconds % 86400:.2f} s, {requests + answers} passed: "
        f"{requests} came to gw, {answers} answers came back"
    )


def clock(line: str) -> float:
    """The time of day that a line of tcpdump begins with."""
    hours, minutes, seconds = line.split(maxsplit=1)[0].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def held(seen: str) -> bool:
    """A packet more or less: of the first and of the last token a part may be in the time."""
    words = seen.split()
    passed, seconds = int(words[5]), float(words[3])
    return abs(passed - (BURST + RATE * seconds)) <= 1.5


def row21(scene: Scene) -> Iterator[Check]:
    """app6: anything outside 192.168.0.0/16 gets no connection"""
    app6, seen = scene.apps["app6"], list[Capture]()

    def ask() -> str:
        scene.leased("app6")
        seen.append(scene.gw.capture("eth3", f"not arp and host {OUTSIDE}"))
        try:
            return answered(app6, f"http://{OUTSIDE}", timeout=2.0)
        finally:
            app6.ping(OUTSIDE, count=3, timeout=1)
            seen[0].stop()

    def came() -> str:
        if not seen:
            raise LabError("nothing was captured")
        packets = seen[0].stop()
        return f"{len(packets)} packets, the first: {packets[0]}" if packets else "nothing"

    yield Check("21", f"app6: http://{OUTSIDE}", "no connection", ask, no_connection)
    yield Check("21", "of that, and of pings, comes to gw on eth3", "nothing", came)
    yield Check(
        "21",
        "app6 pings gw meanwhile",
        "answered",
        lambda: "answered" if app6.ping("192.168.3.1") else "silence",
    )
