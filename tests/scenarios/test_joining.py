"""Applications come and go, and those that stay do not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.traffic import Questions
from tests.scenarios.world import World

pytestmark = pytest.mark.root

LEASES = "/var/lib/netnsmgr/leases/ni2/dnsmasq.leases"


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        for name in ("app1", "app2", "app3"):
            made.lab.app(name)
        hosts = {"hosts": {"printer": ["192.168.1.9"]}}
        made.apply(device(), instance("ni2", "192.168.1", dhcp={}, dns=hosts), app("app1", "ni2"))
        made.leased("ni2", "app1")
        yield made


def lookup(w: World, name: str) -> list[str]:
    return w.lab.apps["app1"].lookup(name)


def test_an_application_joins_and_leaves_while_another_asks(w: World) -> None:
    """Not one of the questions that another application asks every 12.5 ms stays without its answer."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    pid, lease = w.dnsmasq("ni2"), w.interface("ni2", "app1")["addresses"]
    with Questions(app1, "192.168.1.1", "app1", "printer", "github.com") as questions:
        for _ in range(3):
            w.apply(app("app2", "ni2"))
            address = str(app2.dhcp("eth0").address.ip)
            assert lookup(w, "app2") == [address]
            w.until(lambda: w.interface("ni2", "app2")["addresses"], "app2's lease in the status")
            assert address in w.lab.path(LEASES).read_text()
            w.command("delete", "app", "app2")
            assert lookup(w, "app2") == []
            w.eventually(lambda: address not in w.lab.path(LEASES).read_text(), "the lease is released")  # noqa: B023
            assert app2.link("eth0") is None
    asked, unanswered, refused = questions.result
    assert asked > 100
    assert (unanswered, refused) == (0, 0)
    assert w.dnsmasq("ni2") == pid
    assert w.interface("ni2", "app1")["addresses"] == lease


def test_a_fixed_address_that_somebody_else_still_holds(w: World) -> None:
    """The application that the file gives an address gets it, though another one holds a lease of it; that one moves."""
    app2, app3 = w.lab.apps["app2"], w.lab.apps["app3"]
    w.apply(app("app2", "ni2"))
    held = app2.dhcp("eth0").address
    pid = w.dnsmasq("ni2")
    w.apply(app("app3", "ni2", address=str(held.ip)))
    assert app3.dhcp("eth0").address == held
    assert app2.dhcp("eth0").address != held
    assert lookup(w, "app3") == [str(held.ip)]
    assert w.dnsmasq("ni2") == pid


def test_a_fixed_address_that_an_application_left(w: World) -> None:
    """An address is free for another application at once when its holder has left."""
    app2, app3 = w.lab.apps["app2"], w.lab.apps["app3"]
    w.apply(app("app2", "ni2"))
    held = app2.dhcp("eth0").address
    w.put(app("app3", "ni2", address=str(held.ip)), remove=[app("app2")])
    w.attached("ni2", "app3")
    assert app3.dhcp("eth0").address == held
    assert lookup(w, "app3") == [str(held.ip)]
    assert lookup(w, "app2") == []


def test_an_application_gets_another_address_by_the_file(w: World) -> None:
    """An address changed in the file is what the application gets next, and by which it is found."""
    app2 = w.lab.apps["app2"]
    pid = w.dnsmasq("ni2")
    for address in ("192.168.1.20", "192.168.1.21"):
        w.apply(app("app2", "ni2", address=address))
        assert str(app2.dhcp("eth0").address) == f"{address}/24"
        assert lookup(w, "app2") == [address]
    assert w.dnsmasq("ni2") == pid


def test_another_dns_server_of_the_port(w: World) -> None:
    """A changed DNS server of a port is asked from then on, by the same dnsmasq; so is one of the instance's own."""
    pid = w.dnsmasq("ni2")
    other = (
        "--listen-address=203.0.113.53 --address=/only.there/198.51.100.7 --address=/github.com/198.51.100.8"
    )
    quiet = "--no-resolv --no-hosts --conf-file=/dev/null --user=root --pid-file=/run/lab/other.pid"
    w.lab.internet.run(["ip", "address", "add", "203.0.113.53/24", "dev", "eth0"])
    w.lab.internet.run(["sh", "-ec", f"dnsmasq --bind-interfaces --except-interface=lo {other} {quiet}"])
    assert (lookup(w, "only.there"), lookup(w, "github.com")) == ([], ["203.0.113.10"])
    w.apply(device(port(dns=["203.0.113.53"])))
    w.until(lambda: w.instance("ni2")["dns"] == ["203.0.113.53"], "the new server in the status")
    w.eventually(lambda: lookup(w, "only.there") == ["198.51.100.7"], "the new server's answer")
    assert lookup(w, "github.com") == ["198.51.100.8"]  # nothing kept from before
    w.apply(device(), instance("ni2", "192.168.1", dhcp={}, dns={"servers": ["203.0.113.53"]}))
    assert (lookup(w, "only.there"), lookup(w, "printer")) == (["198.51.100.7"], [])
    w.apply(instance("ni2", "192.168.1", dhcp={}))
    assert lookup(w, "only.there") == []
    assert w.dnsmasq("ni2") == pid


def test_a_name_that_begins_like_a_number(w: World) -> None:
    """A DNS label may; nft would read one of its own from it."""
    w.lab.app("3cx")
    since = w.mark()
    w.apply(app("3cx", "ni2", acl=[{"id": 1, "match": {"protocol": "icmp"}}]))
    w.leased("ni2", "3cx")
    assert w.lab.apps["3cx"].ping("192.168.0.1")
    w.command("delete", "app", "3cx")
    assert not w.logged(since, event="operation failed")
