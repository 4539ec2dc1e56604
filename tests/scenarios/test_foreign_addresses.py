"""Addresses that somebody else gives a port of a switch: nothing of the device's is lost for them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.scenarios.documents import Document, bare, device, port, switch
from tests.scenarios.lent import links
from tests.scenarios.world import World

pytestmark = pytest.mark.root

FOREIGN = "10.5.5.5/24"


@pytest.fixture
def w() -> Iterator[World]:
    with World(("eth0", "eth3"), dhcp_ports=("eth3",)) as made:
        yield made


def managed(*, shared: bool) -> Document:
    """A device that is managed over eth3, whose address is given by DHCP."""
    found = device(port(0), {"name": "eth3", "dhcp": True, **({"shared": True} if shared else {})})
    found["spec"]["management"] = "eth3"
    return found


def addresses(w: World, link: str) -> set[str]:
    found = json.loads(w.sh("ip -j -4 addr show scope global"))
    return {f"{a['local']}/{a['prefixlen']}" for e in found if e["ifname"] == link for a in e["addr_info"]}


def in_use(w: World) -> tuple[object, ...]:
    """What the device needs to be reached, each with what tells it from one that was made anew."""
    there = {name: (each["ifindex"], each.get("master")) for name, each in links(w).items()}
    return there, addresses(w, "br-eth3"), w.sh("ip route show default"), w.pids("udhcpc.*br-eth3")


def said(w: World, words: str) -> bool:
    return any(words in reason for reason in w.device().get("reasons", ()))


def moved(w: World) -> bool:
    return "eth3" not in links(w)


def test_an_address_on_a_port_that_is_shared_is_only_reported(w: World) -> None:
    """Bridge, address, default route and DHCP client stay as they are, and so does the foreign address."""
    w.apply(managed(shared=True), switch("ni6", "eth3"))
    w.eventually(lambda: addresses(w, "br-eth3"), "the bridge has its address")
    w.until(lambda: w.device().get("state") == "ready", "the device is ready")
    w.ready("ni6")
    before = in_use(w)
    seen = w.mark()
    w.sh(f"ip addr add {FOREIGN} dev eth3")
    w.until(lambda: said(w, f"note: port eth3 has the address {FOREIGN} of somebody else"), "it is reported")
    w.looked("uplink", seen)
    assert in_use(w) == before
    assert addresses(w, "eth3") == {FOREIGN}
    assert w.device()["state"] == w.instance("ni6")["state"] == "ready"
    w.sh(f"ip addr del {FOREIGN} dev eth3")
    w.until(lambda: not said(w, FOREIGN), "nothing is left to report")


def test_what_cannot_be_shared_yet_keeps_what_it_has(w: World) -> None:
    """Address, route and DHCP client stay at the port until the foreign address is gone, and then go to the bridge."""
    w.apply(managed(shared=False))
    w.eventually(lambda: addresses(w, "eth3"), "eth3 has its address")
    own = addresses(w, "eth3")
    client = w.pids("udhcpc.*eth3")
    w.sh(f"ip addr add {FOREIGN} dev eth3")
    w.put(managed(shared=True), switch("ni6", "eth3"))
    words = f"pending: port eth3 has the address {FOREIGN} of somebody else"
    w.until(lambda: said(w, words), "the device says why")
    w.until(lambda: any(words in each for each in w.instance("ni6").get("reasons", ())), "so does the switch")
    assert addresses(w, "eth3") == own | {FOREIGN}
    assert "dev eth3" in w.sh("ip route show default")
    assert w.pids("udhcpc.*eth3") == client
    assert links(w).keys() == {"lo", "eth0", "eth3"} | {each for each in links(w) if each.startswith("nl-")}
    w.sh(f"ip addr del {FOREIGN} dev eth3")
    w.eventually(lambda: addresses(w, "br-eth3") == own and not addresses(w, "eth3"), "it is shared")
    w.ready("ni6")


@pytest.mark.parametrize("shared", [False, True])
def test_the_removal_of_an_ipv6_address_is_heard(w: World, *, shared: bool) -> None:
    """Where nobody wants IPv6, too: what was told to be done is enough."""
    w.apply(device(port(0)))
    w.sh("ip link set eth3 up; ip -6 addr add 2001:db8:5::5/64 dev eth3 nodad")
    w.put(managed(shared=True) if shared else device(port(0), bare("eth3")), switch("ni6", "eth3"))
    words = "port eth3 has the address 2001:db8:5::5/64 of somebody else"
    w.until(
        lambda: any(words in each for each in w.instance("ni6").get("reasons", ())), "the switch says why"
    )
    w.sh("ip -6 addr del 2001:db8:5::5/64 dev eth3")
    w.ready("ni6")
    assert moved(w) != shared


@pytest.mark.parametrize("shared", [False, True])
def test_addresses_that_the_kernel_makes_of_advertisements_hinder_nothing(*, shared: bool) -> None:
    """Temporary ones neither: they come again wherever the kernel hears a router."""
    with World(("eth0", "eth3"), dhcp_ports=("eth3",), ipv6=True) as w:
        w.sh("sysctl -qw net.ipv6.conf.eth3.use_tempaddr=2; ip link set eth3 up")
        w.lab.router6.advertise("eth3")
        found = "ip -6 -o addr show dev eth3 scope global dynamic mngtmpaddr"
        w.eventually(lambda: w.sh(found) and w.sh("ip -6 -o addr show dev eth3 temporary"), "both are there")
        w.apply(managed(shared=True) if shared else device(port(0), bare("eth3")), switch("ni6", "eth3"))
        w.ready("ni6")
        assert moved(w) != shared
