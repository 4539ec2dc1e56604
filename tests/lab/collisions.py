"""The demo's scenario (``poc/demo.yaml``): three instances whose subnets collide, a switch beside them (`bridged`), and
what must be seen.

The demo and the tests of the scenario run these same checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from poc.checks import Check
from tests.lab.bridged import Bridged
from tests.lab.lab import Lab
from tests.lab.observe import begins, both, ended, in_range, lost, none_lost, overheard, pinging
from tests.lab.process import LabError

#: Asked for by app1 in ni1 and by app3 in ni3, so that both hold the same address.
SHARED = "10.10.1.77"


class Collisions(Bridged):
    """The scenario in one lab.  Run the groups of checks in order: each builds upon the ones before."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.heard: dict[str, str] = {}

    def checks(self) -> Iterator[Check]:
        yield from self.comes_up()
        yield from self.leases()
        yield from self.names()
        yield from self.reaches_out()
        yield from self.reached_from_the_device()
        yield from self.bridges()
        yield from self.strangers()
        yield from self.goes_undisturbed()

    # --- one file

    def comes_up(self) -> Iterator[Check]:
        """The daemon and one apply; then the virtual machine's network card can be plugged in."""
        yield Check(
            "apply",
            "one file: a device, ni1 ni2 ni3, app1 app2 app3",
            "exit code 0",
            self._apply,
            essential=True,
        )
        yield Check(
            "apply",
            "the instances are ready",
            "ni1 ready, ni2 ready, ni3 ready",
            self._states,
        )
        yield Check(
            "apply", "the same file again: diff", "no differences", lambda: self.said("diff", "-f", "-")
        )
        yield Check("apply", "app3, a virtual machine, opens its TAP in ni3", "plugged", self.plug)

    def _apply(self) -> str:
        self.lab.daemon()
        return self.said("apply", "-f", "-", "--timeout", "30s", code=True)

    def _states(self) -> str:
        return ", ".join(f"{o['metadata']['name']} {o['status']['state']}" for o in self.objects("instances"))

    # --- row 1

    def leases(self) -> Iterator[Check]:
        """Real DHCP clients; and that the device knows what they were given."""
        first = (("app1", "eth0", "ni1", "10.10.1", SHARED), ("app1", "eth1", "ni2", "192.168.1", None))
        others = (("app2", "eth0", "ni2", "192.168.1", None), ("app3", "eth0", "ni3", "10.10.1", SHARED))
        for app, interface, network, prefix, wish in (*first, *others):
            yield Check(
                "1",
                f"{app} {interface} takes a lease in {network}",
                f"{prefix}.50-{prefix}.150/24 via {prefix}.1",
                partial(self._lease, app, interface, wish),
                partial(in_range, prefix),
            )
            yield Check(
                "1",
                f"netnsmgr get apps knows {app}'s address in {network}",
                "the address of the lease",
                partial(self._learned, app, network),
                partial(self._holds, app, interface),
            )

    def _lease(self, app: str, interface: str, wish: str | None) -> str:
        lease = self.lab.apps[app].dhcp(interface, request=wish)
        return f"{lease.address} via {', '.join(map(str, lease.routers)) or lease.routes}"

    def _holds(self, app: str, interface: str, address: str) -> bool:
        return address == str(self.lease(app, interface).address.ip)

    def _learned(self, app: str, network: str) -> str:
        def known() -> str:
            return ", ".join(a["address"] for a in self.vif(app, network)["addresses"])

        self.lab.device.eventually(known, timeout=3.0)
        return known()

    # --- names

    def names(self) -> Iterator[Check]:
        """Names of the outside, of the other applications, and configured ones; and none of another instance."""
        lookups: tuple[tuple[str, str, str, Callable[[], str]], ...] = (
            ("app1", "eth0", "www.github.com", lambda: "203.0.113.10"),
            ("app1", "eth0", "printer", lambda: "10.10.1.9"),
            ("app1", "eth1", "app2", lambda: str(self.lease("app2", "eth0").address.ip)),
            ("app1", "eth0", "app2", lambda: "no such name"),
            ("app2", "eth0", "app1", lambda: str(self.lease("app1", "eth1").address.ip)),
            ("app2", "eth0", "printer", lambda: "no such name"),
            ("app3", "eth0", "google.com", lambda: "203.0.113.20"),
        )
        networks = {("app1", "eth0"): "ni1", ("app1", "eth1"): "ni2", ("app2", "eth0"): "ni2"}
        for app, interface, name, address in lookups:
            try:
                expected = address()
            except LabError as failed:
                expected = f"(unknown: {failed})"
            yield Check(
                "names",
                f"{app} asks {networks.get((app, interface), 'ni3')} for {name}",
                expected,
                partial(self._lookup, app, interface, name),
            )

    def _lookup(self, app: str, interface: str, name: str) -> str:
        return ", ".join(self.lab.apps[app].lookup(name, interface=interface)) or "no such name"

    # --- row 12, and the same for the others

    def reaches_out(self) -> Iterator[Check]:
        """Each application reaches the outside by its own instance's port; the server tells which one it saw."""
        self.servers = [app.serve_http() for app in (self.app1, self.app2, self.app3)]
        ways = (
            ("2", self.app1, "eth0", "ni1", "www.github.com", "github.com", "192.168.0.2"),
            ("2", self.app1, "eth1", "ni2", "github.com", "github.com", "192.168.0.2"),
            ("2", self.app2, "eth0", "ni2", "google.com", "google.com", "192.168.0.2"),
            ("12", self.app3, "eth0", "ni3", "github.com", "github.com", "192.168.1.2"),
            ("12", self.app3, "eth0", "ni3", "google.com", "google.com", "192.168.1.2"),
        )
        for row, app, interface, network, name, server, source in ways:
            yield Check(
                row,
                f"{app.name} by {network}: http://{name}",
                f"I am {server}, you are {source}",
                partial(app.http, f"http://{name}", interface=interface),
            )
        yield Check(
            "2",
            "app3 by ni3: 2 MB from google.com",
            "2000000 bytes",
            lambda: f"{len(self.app3.http('http://google.com/bytes/2000000', interface='eth0'))} bytes",
        )
        for app, interface, name in ((self.app1, "eth1", "app2"), (self.app2, "eth0", "app1")):
            yield Check(
                "10",
                f"{app.name} in ni2: http://{name}",
                f"I am {name}, you are",
                partial(app.http, f"http://{name}", interface=interface),
                partial(begins, f"I am {name}, you are 192.168.1."),
            )

    # --- row 22

    def reached_from_the_device(self) -> Iterator[Check]:
        """The device reaches applications routed, and in a named instance; the same address is two hosts."""
        device = self.lab.device

        def address(app: str) -> str:
            return str(self.lease(app, "eth0").address.ip)

        yield Check("22", "app1 in ni1 and app3 in ni3 hold the same address", SHARED, lambda: both(address))
        curl = partial(device.http, f"http://{SHARED}")
        ways: tuple[tuple[str, str, Callable[[], str]], ...] = (
            ("app1", "curl, no instance named", curl),
            ("app1", "curl --interface nm-ni1", partial(curl, interface="nm-ni1")),
            ("app3", "curl --interface nm-ni3", partial(curl, interface="nm-ni3")),
            ("app1", "netnsmgr exec ni1 -- curl", partial(self.asked_inside, "ni1", SHARED)),
            ("app3", "netnsmgr exec ni3 -- curl", partial(self.asked_inside, "ni3", SHARED)),
        )
        for app, way, do in ways:
            yield Check(
                "22",
                f"device: {way} http://{SHARED}",
                f"I am {app}, you are",
                do,
                partial(begins, f"I am {app}, you are "),
            )

    # --- row 24

    def strangers(self) -> Iterator[Check]:
        """Captures inside both instances, on both sides of the site, while both applications talk to the same name."""
        ni1, ni3 = self.lab.instance("ni1"), self.lab.instance("ni3")
        places = {"ni1": (ni1, "any"), "ni3": (ni3, "any")}
        places |= {"eth0": (self.lab.gw, "eth0"), "eth1": (self.lab.gw, "eth1")}

        def talk() -> str:
            self.heard = overheard(places, self._talk)
            return "both were answered"

        yield Check("24", "app1 and app3 talk to github.com at the same time", "both were answered", talk)
        for place, whom in (("ni1", "app1"), ("eth0", "app1"), ("ni3", "app3"), ("eth1", "app3")):
            where = f"inside {place}" if place.startswith("ni") else f"on the site's side of {place}"
            yield Check(
                "24",
                f"heard {where}",
                f"{whom} only",
                partial(self._heard, place),
            )

    def _heard(self, place: str) -> str:
        return self.heard.get(place, "nothing captured")

    def _talk(self) -> None:
        """Requests that say who asks, from the same address to the same name, and pings of the gateway."""
        for turn in range(5):
            for app in (self.app1, self.app3):
                app.http(f"http://github.com/spoken-by-{app.name}-{turn}", interface="eth0")
        for app in (self.app1, self.app3):
            if not app.ping("10.10.1.1", count=3, interface="eth0"):
                raise LabError(f"{app.name}'s gateway doesn't answer its pings")

    # --- row 25

    def goes_undisturbed(self) -> Iterator[Check]:
        """One instance after the other is deleted while app1 downloads through ni1 and both ping; then ni1, too."""
        bytes_, seconds = 2_000_000, 5
        url = f"http://203.0.113.10/slow/{bytes_}/{seconds}"
        argv = ["curl", "-sS", "-m", "30", "--interface", "eth0", "-o", "/dev/null"]
        download = self.app1.popen([*argv, "-w", "%{size_download} bytes", url])
        in_ni1, in_ni2 = pinging(self.app1, "eth0", "203.0.113.20"), pinging(self.app2, "eth0", "192.168.1.1")
        for gone in ("ni6", "ni3", "ni2"):
            if gone == "ni2":
                yield Check("25", "app2's pings in ni2 meanwhile", "0 lost", partial(lost, in_ni2), none_lost)
            yield Check(
                "25", f"delete {gone} and its applications", f"{gone} is gone", partial(self.delete, gone)
            )
        yield Check("25", "eth3, which was the switch's, is", "the device's", self.whose)
        yield Check("25", "app1's download through ni1 meanwhile", f"{bytes_} bytes", lambda: ended(download))
        yield Check("25", "app1's pings through ni1 meanwhile", "0 lost", partial(lost, in_ni1), none_lost)
        yield Check(
            "25",
            "app1 by ni1, after all that: http://github.com",
            "I am github.com, you are 192.168.0.2",
            lambda: self.app1.http("http://github.com", interface="eth0"),
        )
        yield Check("25", "delete ni1, too", "ni1 is gone", lambda: self.delete("ni1"))
