"""A shared port whose addresses its network gives: they are on the bridge while it is shared, and on the port else."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.documents import Document, device, switch
from tests.scenarios.world import World

pytestmark = pytest.mark.root


def learning(*, shared: bool) -> Document:
    return device({"name": "eth0", "dhcp": True, "slaac": True, **({"shared": True} if shared else {})})


def addresses(w: World) -> dict[str, list[str]]:
    """Global addresses by link, IPv4 first."""
    found = {}
    for each in json.loads(w.sh("ip -j addr show scope global")):
        listed = [a["local"] for a in each.get("addr_info", ()) if a.get("scope") == "global"]
        if listed:
            found[each["ifname"]] = sorted(listed, key=lambda a: (":" in a, a))
    return found


def routers(w: World) -> set[str]:
    """The links of the device's own default routes, of both versions."""
    found = json.loads(w.sh("ip -4 -j route show default")) + json.loads(w.sh("ip -6 -j route show default"))
    return {each["dev"] for each in found}


def test_dhcp_and_router_advertisements_follow_the_port() -> None:
    """The same IPv4 address by the same lease, the same IPv6 address by the same MAC; nothing is left where it was."""
    with World(("eth0",), dhcp_ports=("eth0",), ipv6=True) as w:
        w.lab.router6.advertise("eth0")
        w.apply(learning(shared=False))
        w.eventually(lambda: len(addresses(w).get("eth0", ())) == 2, "eth0 has both addresses")
        (both,) = addresses(w).values()
        for _ in range(2):
            w.apply(learning(shared=True), switch("ni6", "eth0"))
            w.eventually(lambda: addresses(w) == {"br-eth0": both}, f"{both} are on br-eth0 alone")
            w.eventually(lambda: routers(w) == {"br-eth0"}, "both default routes lead over br-eth0")
            w.sh("ping -c 1 -W 2 192.168.0.1")
            assert "eth0" not in {line.split()[-1] for line in w.sh("cat /proc/net/if_inet6").splitlines()}
            w.put(learning(shared=False), remove=[switch("ni6", "eth0")])
            w.eventually(lambda: addresses(w) == {"eth0": both}, f"{both} are on eth0 alone")
            w.eventually(lambda: routers(w) == {"eth0"}, "both default routes lead over eth0")
            w.until(lambda: not w.instance("ni6"), "ni6 is gone")
