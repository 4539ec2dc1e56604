"""The pure parts: differences of documents, targets and their progress, dnsmasq's version."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.cli import lists, output
from netnsmgr.cli.changes import ABSENT, Field, deltas
from netnsmgr.cli.get import _few
from netnsmgr.client.kinds import APP, DEVICE, INSTANCE
from netnsmgr.client.readiness import News, Progress, Target, deleted_target, progress, targets
from netnsmgr.kernel.doctor import judge_dnsmasq
from netnsmgr.pubsub import tables


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


def fields(old: dict[str, Any], new: dict[str, Any]) -> list[Field]:
    existing = {tables.INSTANCE_CONFIG: {"n": document("NetworkInstance", "n", **old)}}
    [delta] = deltas([document("NetworkInstance", "n", **new)], existing, prune=False)
    return delta.fields()


def test_fields_are_named_by_path() -> None:
    """Changed, added and removed fields, deep inside."""
    assert fields({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": None}}) == [
        Field("spec.a.b", 1, 3),
        Field("spec.a.c", 2, ABSENT),
        Field("spec.a.d", ABSENT, None),
    ]


def test_named_things_in_lists_are_told_apart_by_name() -> None:
    """A port inserted before others is one difference."""
    old, new = [{"name": "b", "x": 1}], [{"name": "a"}, {"name": "b", "x": 2}]
    assert fields({"p": old}, {"p": new}) == [
        Field("spec.p[b].x", 1, 2),
        Field("spec.p[a]", ABSENT, {"name": "a"}),
    ]
    assert fields({"p": [{"name": "a"}, {"name": "b"}]}, {"p": [{"name": "b"}, {"name": "a"}]}) == [
        Field("spec.p (order)", ["a", "b"], ["b", "a"])
    ]


def test_targets_carry_the_revision_of_what_changed() -> None:
    """An instance is touched by its applications; an untouched object only has to be ready."""
    app = document(
        "App", "a", interfaces=[{"name": "eth0", "network": "n1"}, {"name": "eth1", "network": "n2"}]
    )
    documents = [*(document("NetworkInstance", name) for name in ("n1", "n2", "n3")), app]
    assert targets(documents, 7, {"app/a"}) == [
        Target(INSTANCE, "n1", "network-instance/n1", 7),
        Target(INSTANCE, "n2", "network-instance/n2", 7),
        Target(INSTANCE, "n3", "network-instance/n3", 0),
        Target(APP, "n1/a/eth0", "app/a/eth0", 7),
        Target(APP, "n2/a/eth1", "app/a/eth1", 7),
    ]


def test_a_dead_agent_makes_nothing_ready() -> None:
    """The last word of an agent that crashes again and again is not believed."""
    rows: dict[str, dict[str, Any]] = {
        tables.INSTANCE_STATUS: {"n": {"state": "ready", "revision": 3}},
        tables.DEVICE_STATUS: {"edge": {"state": "ready", "revision": 3}},
        tables.AGENT_STATUS: {"n": {"state": "backing-off", "cause": "signal 11"}},
    }
    state = progress(Target(INSTANCE, "n", "n", 3), rows)
    assert not state.done
    assert "signal 11" in str(state)
    assert progress(Target(DEVICE, "edge", "edge", 3), rows).done


@pytest.mark.parametrize(
    ("state", "reasons", "text"),
    [
        ("pending", ("pending: network namespace a",), "pending: network namespace a"),
        (
            "reconciling",
            ("pending: port eth7", "failed: link/x: EPERM"),
            "pending: port eth7; failed: link/x: EPERM",
        ),
        ("pending", ("not taken up yet",), "pending: not taken up yet"),
        ("reconciling", (), "reconciling"),
    ],
)
def test_no_word_is_said_twice(state: str, reasons: tuple[str, ...], text: str) -> None:
    """A state is not put before a reason that says it."""
    assert str(Progress(False, state, reasons)) == text


def test_an_app_is_deleted_when_no_interface_is_left() -> None:
    """Each interface has a row of its own."""
    rows: dict[str, dict[str, Any]] = {tables.APP_STATUS: {"n/a/eth1": {}, "n/ab/eth0": {}}}
    assert not progress(deleted_target(APP, "a"), rows).done
    del rows[tables.APP_STATUS]["n/a/eth1"]
    assert progress(deleted_target(APP, "a"), rows).done
    rows[tables.APP_CONFIG] = {"a": {}}
    assert str(progress(deleted_target(APP, "a"), rows)) == "pending, and nobody deletes it"


def test_news_is_about_few() -> None:
    """A changed row is about its own target and, if it is an agent's, about all that the agent tells of."""
    device, n1, n2 = (
        Target(DEVICE, "edge", "edge"),
        Target(INSTANCE, "n1", "n1"),
        Target(INSTANCE, "n2", "n2"),
    )
    eth0, eth1, gone = Target(APP, "n1/a/eth0", ""), Target(APP, "n1/a/eth1", ""), deleted_target(APP, "b")
    news = News([device, n1, eth0, eth1, n2, gone])
    assert news.of([]) == []
    assert news.of(["edge"]) == news.of(["uplink"]) == [device]
    assert news.of(["n1"]) == [n1, eth0, eth1]
    assert news.of(["n1/a/eth1", "n2", "n1/a/eth1"]) == [eth1, n2]
    assert news.of(["n1/b/eth0"]) == news.of(["b"]) == [gone]


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        ("Dnsmasq version 2.90  Copyright\nCompile time options: IPv6 inotify dumpfile", ""),
        ("Dnsmasq version 2.86  Copyright\nCompile time options: IPv6 inotify", "older"),
        ("", "no version"),
    ],
)
def test_dnsmasq_versions(version: str, fault: str) -> None:
    """An old dnsmasq is refused."""
    assert fault in judge_dnsmasq(version)
    assert bool(fault) == bool(judge_dnsmasq(version))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "90s"), (150, "2m"), (7200, "2h"), (200000, "2d"), (-5, "0s")]
)
def test_spans(seconds: float, text: str) -> None:
    """Time spans are short."""
    assert output.span(seconds) == text


def test_user_data_is_not_shown() -> None:
    """What an application is told may hold passwords: a difference says how long it is, at whatever depth it appears."""
    old = {"metadata": {"userData": "password: a"}}
    assert fields(old, {"metadata": {"userData": "password: bc"}}) == [
        Field("spec.metadata.userData", "(11 characters)", "(12 characters)")
    ]
    assert fields(old, {}) == [Field("spec.metadata", {"userData": "(11 characters)"}, ABSENT)]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], "-"),
        (["10.1.0.9 dhcp"], "10.1.0.9"),
        (["fd00::5 slaac", "fe80::5 link-local"], "fd00::5"),
        (["10.1.0.9 dhcp", "fd00::5 static", "fd00::6 slaac", "fd00::7 slaac"], "10.1.0.9,fd00::5,+2"),
    ],
)
def test_few_addresses(found: list[str], text: str) -> None:
    rows = [dict(zip(("address", "source"), each.split(), strict=True)) for each in found]
    assert _few(rows) == text


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({}, ""),
        ({"covered": [3, 4]}, "  never reached: covered by rules 3, 4"),
        ({"covered": []}, "  never reached"),
        (
            {"covered": [], "nothing": "'icmp' is of IPv4, and fd00::/8 is IPv6"},
            "  matches nothing: 'icmp' is of IPv4, and fd00::/8 is IPv6",
        ),
    ],
)
def test_a_rule_that_never_decides(row: dict[str, Any], note: str) -> None:
    """Why, as far as it is known."""
    assert lists._note(row) == note
