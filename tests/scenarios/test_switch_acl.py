"""Access lists on a switch: between applications, and to and from the site; and while they come, change and go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.lab import Segment
from tests.scenarios.documents import bare, device, port, switch
from tests.scenarios.listed import EVERYTHING, NOTHING, Rules, address, answer, listed, rule
from tests.scenarios.streams import Stream, go_on
from tests.scenarios.world import World

pytestmark = pytest.mark.root

APPS = ("app1", "app2", "app3")
PORTS = ("eth0", "eth1", "eth2", "eth3")
SWITCH = switch("sw1", "eth3")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(PORTS, dhcp_ports=("eth3",)) as world:
        hosts = [world.lab.app(name) for name in APPS]
        world.apply(device(port(0), bare("eth3")), SWITCH, *(on_it(name) for name in APPS))
        for host in hosts:
            host.dhcp("eth0")
        world.lab.apps["app2"].serve_http(80, name="app2")
        yield world


@pytest.fixture(scope="module")
def site(w: World) -> Segment:
    return w.lab.segment("eth3")


@pytest.fixture(autouse=True)
def without_lists(w: World) -> None:
    w.apply(SWITCH, *(on_it(name) for name in APPS))


def on_it(name: str, rules: Rules = None, **interface: object) -> dict[str, object]:
    return listed(name, rules, "sw1", **interface)


def test_lists_of_both_ends_decide(w: World, site: Segment) -> None:
    """To the site by the application's own list, between applications by both, and from the site by that for *in*."""
    web = [rule(1, direction="out", protocol="tcp", fport=80, ip=str(site.gateway))]
    own = [rule(1, protocol="tcp", lport=80, direction="in", ip=address(w, "app3"))]
    w.apply(on_it("app1", web), on_it("app2", own))
    app1, app2, app3 = (w.lab.apps[name] for name in APPS)
    url, two = site.serve_http(), address(w, "app2")
    assert answer(app1, url) == "gw"
    assert answer(app1, f"http://{site.gateway}:81/") == "curl 28", "another port"
    assert answer(app1, f"http://{two}/") == "curl 28", "app1's list names the site alone"
    assert answer(app3, f"http://{two}/") == "app2"
    assert answer(app2, url) == "curl 28", "app2's list lets nothing out"
    assert not site.gw.ping(address(w, "app1")), "nobody may ask app1"
    assert site.gw.ping(address(w, "app3"))
    # A lease is renewed and a believed server answers without a rule.
    assert app1.run(["dig", "+short", "+time=1", "+tries=1", "github.com"]).stdout.strip()


def test_applications_of_the_switch_are_told_by_their_links(w: World, site: Segment) -> None:
    """`eidset` is who is behind an interface of the switch, whatever address it has."""
    w.apply(on_it("app1", [rule(1, eidset=True, protocol="tcp", fport=80)]))
    app1 = w.lab.apps["app1"]
    assert answer(app1, f"http://{address(w, 'app2')}/") == "app2"
    assert answer(app1, site.serve_http()) == "curl 28"
    # The application says that the site's address is its own, which a switch does not forbid.
    app1.run(["ip", "address", "add", f"{site.gateway}/32", "dev", "lo"])
    app1.run(["arping", "-U", "-c", "2", "-I", "eth0", str(site.gateway)], check=False)
    app1.run(["ip", "address", "del", f"{site.gateway}/32", "dev", "lo"])
    assert answer(app1, site.serve_http()) == "curl 28"


def test_a_connection_that_is_rejected_ends_at_once(w: World, site: Segment) -> None:
    w.apply(on_it("app1", [rule(1, "reject")]))
    began = time.monotonic()
    assert answer(w.lab.apps["app1"], site.serve_http(), 5.0) == "curl 7"
    assert time.monotonic() - began < 2.0


def some(world: World, site: Segment, *, flows: bool = True) -> dict[str, Stream]:
    """Streams of all kinds that app1 has to do with."""
    app1, app2, gw = world.lab.apps["app1"], world.lab.apps["app2"], site.gw
    one, two, far = address(world, "app1"), address(world, "app2"), str(site.gateway)
    return {
        "to app2": Stream(app1, app2, two, 9001, flows=flows),
        "from app2": Stream(app2, app1, one, 9002, flows=flows),
        "from app2, asked for": Stream(app2, app1, two, 9003, asked=True, flows=flows),
        "to the site": Stream(app1, gw, far, 9005, flows=flows),
        "from the site": Stream(gw, app1, one, 9006, flows=flows),
        "from the site, asked for": Stream(gw, app1, far, 9007, asked=True, flows=flows),
        "to app2 by TCP": Stream(app1, app2, two, 9008, kind="tcp", flows=flows),
        "to the site by TCP": Stream(app1, gw, far, 9009, kind="tcp", flows=flows),
        "from the site by TCP": Stream(gw, app1, far, 9010, kind="tcp", asked=True, flows=flows),
    }


def test_lists_come_and_go_and_flows_go_on(w: World, site: Segment) -> None:
    """The first list of a switch, others, the flow log, and none again: nothing that is allowed loses a packet."""
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w, site).items()}
        for turn in range(4):
            w.apply(on_it("app1", EVERYTHING))
            w.apply(on_it("app2", [rule(1, "drop", ip=f"198.51.100.{turn + 1}"), rule(2)]))
            w.apply(on_it("app1"), on_it("app2"))
            w.apply(switch("sw1", "eth3", flowLog=True))
            w.apply(SWITCH)
    assert {name: stream.lost for name, stream in streams.items() if stream.lost} == {}
    assert min(stream.received for stream in streams.values()) > 2000


@pytest.mark.parametrize("denied", ["app1", "app2"])
def test_the_first_list_of_a_switch_cuts_what_it_denies(w: World, site: Segment, denied: str) -> None:
    """And nothing else, at once; when it goes, everything passes again."""
    with ExitStack() as stack:
        streams = {name: stack.enter_context(stream) for name, stream in some(w, site).items()}
        w.apply(on_it(denied, NOTHING))
        changed = time.monotonic()
        go_on()
    cut = {name for name, stream in streams.items() if stream.ended_before(changed)}
    assert cut == {name for name in streams if denied == "app1" or "app2" in name}
    kept = {name: stream.lost for name, stream in streams.items() if name not in cut and stream.lost}
    assert kept == {}
    w.apply(on_it(denied))
    assert answer(w.lab.apps[denied], site.serve_http()) == "gw"


def test_an_agent_that_begins_anew_finds_all_in_place(w: World, site: Segment) -> None:
    """With lists and without: its first plan is empty, and streams go on."""
    for documents in ([], [on_it("app1", EVERYTHING), on_it("app2", [rule(1, eidset=True)])]):
        if documents:
            w.apply(*documents)
        with ExitStack() as stack:
            streams = {name: stack.enter_context(stream) for name, stream in some(w, site).items()}
            since = w.mark()
            w.kill_agent("sw1")
            w.looked("sw1", since)
            w.ready("sw1")
            done = w.operations(since)
        assert done == [], "\n".join(done)
        assert {name: stream.lost for name, stream in streams.items() if stream.lost} == {}


def test_what_a_person_is_told(w: World, site: Segment) -> None:
    """`why` agrees with what happens, `describe` counts it, and the flow log tells of what was dropped."""
    web = [rule(1, direction="out", protocol="tcp", fport=80, ip=str(site.gateway)), rule(2, "drop")]
    w.apply(switch("sw1", "eth3", flowLog=True), on_it("app1", web))
    app1, two = w.lab.apps["app1"], address(w, "app2")
    url = site.serve_http()
    assert answer(app1, url) == "gw"
    assert answer(app1, f"http://{two}/") == "curl 28"
    said = w.command("why", "app1", "--to", f"{site.gateway}:80/tcp").stdout
    assert "allowed" in said
    assert "by rule 1" in said
    said = w.command("why", "app1", "--to", f"{two}:80/tcp", code=1).stdout
    assert "drops it by rule 2" in said
    said = w.command("why", "app2", "--from", "app1", "--to-port", "80/tcp", code=1).stdout
    assert "drops it by rule 2" in said
    said = w.command("why", "app1", "--from", str(site.gateway), "--to-port", "22/tcp", code=1).stdout
    assert "dropped" in said
    said = w.command("why", "app1", "--from", "device", "--to-port", "22/tcp", code=1).stdout
    assert "is not on the switch sw1" in said
    said = w.command("why", "app1", "--to", f"{site.gateway}:80/tcp", "--live").stdout
    assert "not followed through a switch" in said
    described = w.command("describe", "app", "app1").stdout
    assert "drop" in described

    def logged() -> bool:
        # What is dropped before the log listens is not in it.
        assert answer(app1, f"http://{two}/") == "curl 28"
        flows = w.command("flows", "app1").stdout
        return f"{two}:80" in flows and "drop" in flows

    w.eventually(logged, "the dropped flow in the log")
