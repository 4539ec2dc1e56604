"""Addresses that applications make themselves: whose each is, for how long, and across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import app, device, instance
from tests.scenarios.ipv6 import NET6, dual, port6, settled, told
from tests.scenarios.world import World

pytestmark = pytest.mark.root
NET = IPv6Network(f"{NET6}::/64")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        for name in ("app1", "app2", "app4"):
            made.lab.app(name)
        made.apply(
            device(port6()),
            dual(ipv6={"addressing": "slaac"}),
            instance("ni4", "10.10.4"),
            app("app1", "ni1"),
            app("app2", "ni1"),
            app("app4", "ni4"),
        )
        for name in ("app1", "app2"):
            settled(made, "ni1", name)
        yield made


def held(w: World, name: str) -> dict[str, str]:
    """The addresses that an application is said to have, and their sources."""
    return {a["address"]: a["source"] for a in w.interface("ni1", name).get("addresses", ())}


def take(host: AppHost, address: object) -> str:
    """The application gives itself an address; what has become of it when detection is over."""
    host.run(["ip", "address", "add", f"{address}/64", "dev", "eth0"])
    try:
        assert host.eventually(
            lambda: "tentative" not in shown(host, address) or "dadfailed" in shown(host, address)
        )
        return "duplicate" if "dadfailed" in shown(host, address) else "taken"
    finally:
        if "dadfailed" in shown(host, address):
            leave(host, address)


def shown(host: AppHost, address: object) -> str:
    return host.run(["ip", "-6", "address", "show", "dev", "eth0", "to", f"{address}/128"]).stdout


def leave(host: AppHost, address: object) -> bool:
    """The application gives up an address; False, for "it has it no more"."""
    host.run(["ip", "address", "del", f"{address}/64", "dev", "eth0"])
    return False


def test_the_status_tells_who_made_an_address(w: World) -> None:
    app1 = w.lab.apps["app1"]
    made = {str(a).partition("/")[0] for a in app1.addresses6("eth0")}
    local = {str(a).partition("/")[0] for a in app1.addresses6("eth0", scope="link")}
    assert held(w, "app1") == dict.fromkeys(made, "slaac") | dict.fromkeys(local, "link-local")
    (line,) = [each for each in w.command("get", "app", "app1").stdout.splitlines() if "eth0" in each]
    assert all(address in line for address in made)
    assert not any(address in line for address in local)
    described = w.command("describe", "app", "app1").stdout
    assert all(address in described for address in made | local)
    assert "source: slaac" in described
    assert "source: link-local" in described


def test_an_address_is_known_before_its_detection_is_over(w: World) -> None:
    """It is in the status before the application may use it, and in the names and lists in the same pass."""
    app1 = w.lab.apps["app1"]
    # Long enough for any machine.
    app1.run(["sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=20"])
    app1.run(["ip", "address", "add", f"{NET[0x5001]}/64", "dev", "eth0"])
    told(w, "ni1", "app1", NET[0x5001])
    assert str(NET[0x5001]) in app1.run(["ip", "-6", "address", "show", "dev", "eth0", "tentative"]).stdout
    leave(app1, NET[0x5001])
    app1.run(["sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=1"])


def test_the_second_one_is_refused(w: World) -> None:
    """The first one defends it, and nothing is said to have changed."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    own = NET[0x5001]
    assert take(app1, own) == "taken"
    told(w, "ni1", "app1", own)
    # For some seconds after its own solicitation it hears of no other.
    assert app2.eventually(lambda: take(app2, own) == "duplicate" or leave(app2, own), timeout=10.0)
    assert take(app2, NET[0x5002]) == "taken"
    told(w, "ni1", "app2", NET[0x5002])
    assert str(own) in held(w, "app1")
    assert str(own) not in held(w, "app2")
    assert app1.ping(str(NET[1]))
    leave(app2, NET[0x5002])
    leave(app1, own)


def test_who_has_left_an_address_leaves_it_to_others(w: World) -> None:
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    assert take(app1, NET[0x5003]) == "taken"
    told(w, "ni1", "app1", NET[0x5003])
    leave(app1, NET[0x5003])

    def inherited() -> bool:
        # A moment after a sign of its holder an address is still his; who asks again gets it.
        assert take(app2, NET[0x5003]) == "taken"
        heard = app2.eventually(lambda: str(NET[0x5003]) in held(w, "app2"), timeout=6.0)
        return heard or leave(app2, NET[0x5003])

    assert app2.eventually(inherited, timeout=20.0)
    assert str(NET[0x5003]) not in held(w, "app1")
    leave(app2, NET[0x5003])


def test_an_address_without_detection_is_learned_when_it_is_used(w: World) -> None:
    """So is one whose detection nobody heard."""
    app1 = w.lab.apps["app1"]
    app1.run(["ip", "address", "add", f"{NET[0x5004]}/64", "dev", "eth0", "nodad"])
    assert str(NET[0x5004]) not in held(w, "app1")
    assert app1.ping(str(NET[1]), interface=str(NET[0x5004]))
    told(w, "ni1", "app1", NET[0x5004])
    leave(app1, NET[0x5004])


def test_an_address_outlives_agents_and_the_daemon(w: World) -> None:
    """A successor knows it without having heard of it, in its first words."""
    before = held(w, "app1")
    assert "slaac" in before.values()
    since = w.mark()
    w.kill_agent("ni1")
    w.looked("ni1", since)
    assert held(w, "app1") == before
    assert [op for op in w.operations(since) if op.startswith("ni1:")] == []
    # While nobody listens nothing is learned; what is taken then is learned later, when it is used.
    app1, unheard = w.lab.apps["app1"], NET[0x5005]
    w.crash()
    assert take(app1, unheard) == "taken"
    since = w.mark()
    w.restart()
    w.looked("ni1", since)
    w.until(lambda: held(w, "app1") == before, "the addresses of app1")
    assert [op for op in w.operations(since) if op.startswith("ni1:") and "file" not in op] == []
    w.eventually(
        lambda: app1.ping(str(NET[1]), interface=str(unheard)) and str(unheard) in held(w, "app1"),
        f"{unheard} is learned",
    )
    leave(app1, unheard)


def test_without_ipv6_nobody_listens(w: World) -> None:
    """The agent of an instance without IPv6 has no socket for it; 6 is that of limits."""
    groups = "awk '{print $1}' /proc/net/netfilter/nfnetlink_log"
    assert w.sh(groups, "ni1").split() == ["4", "6"]
    assert w.sh(groups, "ni4").split() == ["6"]


def test_an_application_that_leaves_is_forgotten(w: World) -> None:
    """Its namespace goes: so do its addresses; who comes again under the same name starts anew."""
    w.lab.app("app3")
    w.apply(app("app3", "ni1"))
    own = settled(w, "ni1", "app3")
    w.lab.apps["app3"].run(["ip", "link", "del", "eth0"])
    w.until(lambda: str(own) not in held(w, "app3"), f"{own} is forgotten")
    assert settled(w, "ni1", "app3") == own
    w.command("delete", "app", "app3")
    assert str(own) not in w.sh("cat /run/netnsmgr/instances/ni1/learned.json")
