"""The demo's switch (``poc/switch.yaml``): an application on the site's own network, beside the instances that collide."""

from __future__ import annotations

from collections.abc import Iterator

from poc.checks import Check
from tests.lab.host import HttpFailed
from tests.lab.lab import ROOT
from tests.lab.observe import in_range
from tests.lab.scene import Scene

CONFIGURATION = ROOT / "poc" / "switch.yaml"
METADATA = "http://169.254.169.254/eve/v1/hostname"

PORTS = ("eth0", "eth1", "eth2", "eth3")
"""Of the lab that it takes; the site gives addresses at the last one."""


class Bridged(Scene):
    """The switch's part of the scenario."""

    def bridges(self) -> Iterator[Check]:
        """The port goes, the application gets its address from the site, and reaches what its list names."""
        app6 = self.lab.app("app6")
        yield Check("apply", "one port more, a switch on it: ni6, app6", "exit code 0", self._add)
        yield Check("19", "the port eth3 is", "in ni6", self.whose)
        yield Check(
            "19",
            "app6 takes a lease from the site",
            "192.168.3.50-192.168.3.150/24 via 192.168.3.1",
            lambda: f"{(lease := app6.dhcp('eth0')).address} via {lease.routers[0]}",
            lambda seen: in_range("192.168.3", seen),
        )
        yield Check(
            "19",
            "netnsmgr get apps knows app6's address",
            "the address of the lease",
            self._known,
            lambda seen: str(self.lease("app6", "eth0").address.ip) in seen.split(", "),
        )
        yield Check(
            "20",
            "app6 by ni6: http://github.com, seen by its own address",
            "I am github.com, you are 192.168.3.50-150",
            lambda: app6.http("http://github.com"),
            lambda seen: seen == f"I am github.com, you are {self.lease('app6', 'eth0').address.ip}",
        )
        yield Check(
            "21", "app6 by ni6: http://google.com, which its list does not name", "no way", self._barred
        )
        yield Check("9", f"app6 by ni6: {METADATA}", "app6", lambda: app6.http(METADATA))

    def _add(self) -> str:
        self.document = merged(self.document, CONFIGURATION.read_text())
        return self.said("apply", "-f", "-", "--timeout", "30s", code=True)

    def whose(self) -> str:
        """Where the port of the switch is."""
        if self.lab.device.link("eth3") is not None:
            return "the device's"
        return "in ni6" if self.lab.instance("ni6").link("eth3") is not None else "nowhere"

    def _known(self) -> str:
        address = str(self.lease("app6", "eth0").address.ip)

        def known() -> list[str]:
            return [a["address"] for a in self.vif("app6", "ni6")["addresses"]]

        self.lab.device.eventually(lambda: address in known(), timeout=3.0)
        return ", ".join(known())

    def _barred(self) -> str:
        try:
            return self.lab.apps["app6"].http("http://google.com", timeout=1.0)
        except HttpFailed as failed:
            return "no way" if failed.code in {7, 28} else str(failed)


def merged(text: str, more: str) -> str:
    """The documents of both files; of the same kind and name the later one counts."""
    import yaml

    found = {(d["kind"], d["metadata"]["name"]): d for t in (text, more) for d in yaml.safe_load_all(t)}
    return str(yaml.safe_dump_all(found.values(), sort_keys=False))
