"""Row 24: two networks that are the same to the last address, and nothing of one is heard in the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from poc.checks import Check
from poc.scene import Scene
from tests.lab.host import Capture, Host
from tests.lab.process import LabError

GITHUB = "203.0.113.10"
APPS = ("app1", "app3")
#: Where, on which interface, and who may be heard there.
PLACES = {"ni1": ("any", "app1"), "eth0": ("eth0", "app1"), "ni3": ("any", "app3"), "eth1": ("eth1", "app3")}
#: Says the local ports that it asked from.  A neighbour that is not there is asked for at the top of the voice, by ARP.
TALK = """
ping -n -q -c 1 -W 1 -I eth0 10.10.1.200 >/dev/null
for turn in 0 1 2 3 4; do
    curl -sS -m 10 -o /dev/null -w 'from port %{{local_port}}\\n' --interface eth0 http://{server}/spoken-by-{app}-$turn || exit 1
done
ping -n -q -c 5 -i 0.1 -W 5 -I eth0 -p {pattern} {server}
"""


class Talk:
    """Who said what, by which a packet tells whose it is: MAC addresses, ports, what requests and pings are filled with."""

    def __init__(self) -> None:
        self.captures: dict[str, Capture] = {}
        self.ports: dict[str, set[str]] = {}
        self.macs: dict[str, str] = {}

    def listen(self, scene: Scene) -> None:
        for place, (interface, _) in PLACES.items():
            host: Host = scene.gw if place.startswith("eth") else scene.instance(place)
            self.captures[place] = host.capture(interface)

    def talk(self, scene: Scene) -> str:
        for app in APPS:
            # app1's list allows the name, whose address is known by the answer.
            scene.apps[app].lookup("github.com", interface="eth0")
            self.macs[app] = str((scene.apps[app].link("eth0") or {})["address"])
        talkers = {app: scene.apps[app].popen(["sh", "-c", script(app)]) for app in APPS}
        said = {app: (talker.wait(60.0), talker.output) for app, talker in talkers.items()}
        ports = {app: set(re.findall(r"from port (\d+)", output)) for app, (_, output) in said.items()}
        self.ports = {app: ports[app] - ports[other] for app, other in zip(APPS, reversed(APPS), strict=True)}
        failed = [f"{app}: {output.strip()}" for app, (code, output) in said.items() if code != 0]
        return "; ".join(failed) or "all was answered"

    def heard(self, place: str) -> str:
        """ "app1 only", or "app1, app3", or "nobody"."""
        if place not in self.captures:
            raise LabError("nothing was captured")
        packets = self.captures[place].stop()
        content = self.captures[place].file.read_bytes()
        found = []
        for app in APPS:
            ports = "|".join(self.ports.get(app, ())) or "none"
            words = re.compile(rf"\.(?:{ports})(?: >|:)|\b{self.macs.get(app, 'none')}\b")
            if (
                any(map(words.search, packets))
                or f"spoken-by-{app}-".encode() in content
                or 4 * app.encode() in content
            ):
                found.append(app)
        return ", ".join(found) + (" only" if len(found) == 1 else "") if found else "nobody"


def script(app: str) -> str:
    return TALK.format(app=app, server=GITHUB, pattern=app.encode().hex())


def row24(scene: Scene) -> Iterator[Check]:
    """NI1 and NI3: the same address in both, and neither ever sees a packet of the other"""
    talk = Talk()

    def same() -> str:
        return " and ".join(sorted({str(scene.leased(app).address.ip) for app in APPS}))

    yield Check("24", "app1 in ni1 and app3 in ni3 both hold", "10.10.1.77", same)

    def talked() -> str:
        same()
        try:
            talk.listen(scene)
            return talk.talk(scene)
        finally:
            for capture in talk.captures.values():
                capture.stop()

    yield Check("24", "both ask github.com and ping it at the same time", "all was answered", talked)
    for place, (_, app) in PLACES.items():
        where = f"inside {place}" if place.startswith("ni") else f"on gw's side of {place}"
        yield Check("24", f"heard {where}", f"{app} only", partial(talk.heard, place))
