"""Lists while processes of netnsmgr end and begin, and lists of two instances with the same addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab import TapApp
from tests.scenarios.documents import app, device, instance, port
from tests.scenarios.listed import EVERYTHING, NOTHING, address, answer, listed, lists, rule
from tests.scenarios.streams import Stream
from tests.scenarios.traffic import Watch
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SERVER = "203.0.113.10"
LIMIT = {"limit": {"rate": "10/second", "burst": 10}}


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with lists(("app1", "app2")) as world:
        world.apply(
            instance("ni1", flowLog=True),
            listed(
                "app1",
                [
                    rule(1, LIMIT, protocol="udp", fport=9399),
                    rule(2, host="github.com"),
                    rule(3, eidset=True),
                ],
            ),
            listed("app2", [rule(4, ip="10.10.1.0/24"), rule(5, LIMIT)]),
        )
        assert world.lab.apps["app1"].lookup("github.com") == [SERVER]
        yield world


def numbers(w: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(w.lab.path("/run/netnsmgr/instances/ni1/numbers.json").read_text())
    return found


def rules(w: World) -> str:
    """The ruleset without counters and what was learned."""
    text = w.sh("nft -s list ruleset", "ni1")
    return re.sub(r"\s+elements = \{[^}]*(expires|counter|limit rate|ct count)[^}]*\}", "", text)


@pytest.mark.parametrize("what", ["agent", "daemon", "all at once"])
def test_nothing_is_lost_and_nothing_changes(w: World, what: str) -> None:
    app1, app2, internet = w.lab.apps["app1"], w.lab.apps["app2"], w.lab.internet
    before, written = numbers(w), rules(w)
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(w.lab.instance("ni1")))
        streams = [
            stack.enter_context(stream)
            for stream in (
                Stream(app1, app2, address(w, "app2"), 9301),
                Stream(app2, app1, address(w, "app2"), 9302, asked=True),
                Stream(internet, app1, SERVER, 9303, asked=True),
                Stream(internet, app1, SERVER, 9304, kind="tcp", asked=True),
            )
        ]
        mark = w.mark()
        if what == "agent":
            w.kill_agent("ni1")
        elif what == "daemon":
            w.stop()
            w.restart()
        else:
            w.crash()
            w.restart()
        w.ready("ni1")
        w.looked("ni1", mark)
    assert [stream.lost for stream in streams] == [0, 0, 0, 0]
    assert watch.changes == []
    assert numbers(w) == before
    assert rules(w) == written


def test_equal_addresses_in_two_instances(w: World) -> None:
    """Each has its own lists: what one denies says nothing of the other."""
    third, fourth = w.lab.app("app3"), w.lab.app("app4")
    w.apply(
        instance("ni2"),
        listed("app1", EVERYTHING, address="10.10.1.20"),
        listed("app2", EVERYTHING, address="10.10.1.21"),
        listed("app3", NOTHING, "ni2", address="10.10.1.20"),
        listed("app4", EVERYTHING, "ni2", address="10.10.1.21"),
    )
    for name in ("app1", "app2", "app3", "app4"):
        w.lab.apps[name].run(["ip", "address", "flush", "dev", "eth0"])
        w.lab.apps[name].dhcp("eth0")
    w.lab.apps["app2"].serve_http()
    fourth.serve_http()
    assert answer(w.lab.apps["app1"], "http://10.10.1.21") == "app2"
    assert answer(third, "http://10.10.1.21") == "curl 28"
    w.apply(
        listed("app3", EVERYTHING, "ni2", address="10.10.1.20"), listed("app1", NOTHING, address="10.10.1.20")
    )
    assert answer(w.lab.apps["app1"], "http://10.10.1.21") == "curl 28"
    assert answer(third, "http://10.10.1.21") == "app4"


def test_a_virtual_machine_has_lists_like_all() -> None:
    with World(["eth0"]) as w:
        guest = w.lab.tap_app("guest")
        assert isinstance(guest, TapApp)
        other = w.lab.app("app2")
        document = app("guest", "ni1", attach={"tap": True})
        w.apply(device(port(0)), instance("ni1"), document, listed("app2"))
        row = w.interface("ni1", "guest")
        guest.plug("ni1", row["vif"], mac=row["mac"])
        guest.dhcp("eth0")
        other.dhcp("eth0")
        other.serve_http()
        guest.serve_http()
        where = f"http://{address(w, 'app2')}"
        assert answer(guest, where) == "app2"
        document["spec"]["interfaces"][0]["acl"] = [
            rule(1, "reject", protocol="tcp", direction="out"),
            rule(2),
        ]
        w.apply(document)
        assert answer(guest, where) == "curl 7"
        assert guest.ping(address(w, "app2"))
        assert answer(other, f"http://{address(w, 'guest')}") == "guest"
        # Its address is its own, too.
        guest.run(["ip", "address", "add", "10.10.1.200/24", "dev", "eth0"])
        assert not guest.ping("10.10.1.1", interface="10.10.1.200", timeout=1)
