"""Switches that cannot be: each fault is told at its place, with what to do, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import app, bare, device, instance, port, switch
from tests.scenarios.refusals import refused
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(("eth0", "eth1", "eth3", "eth4")) as made:
        made.lab.app("app1")
        made.apply(
            device(port(0), port(1), bare("eth3", labels=["field"]), bare("eth4", labels=["field"])),
            instance("ni1"),
            switch("sw1", "eth3"),
            app("app1", "sw1"),
        )
        yield made


SWITCH = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: sw7}
spec: {type: switch, %s}
"""
APP = """\
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app7}
spec:
  attach: {netns: app7}
  interfaces:
    - {name: eth0, network: sw1, %s}
"""
#: What is written as the switch's spec; the text in it where the fault is (its last occurrence); words of the sentence.
SWITCHES = [
    ("ports: [eth3]", "eth3", ["'sw1'", "one switch only"]),
    ("ports: [eth4, field]", "field", ["'eth3' (label 'field')", "'sw1'"]),
    ("ports: [eth0]", "eth0", ["'addresses'", "shared: true", "another port"]),
    ("ports: [eth9]", "eth9", ["unknown port", "eth"]),
    ("ports: [eth4], vlans: {eth4: {access: 0}}", "0", ["1 to 4094"]),
    ("ports: [eth4], vlans: {eth4: {access: 4095}}", "4095", ["1 to 4094", "reserved"]),
    ("ports: [eth4], vlans: {eth4: {trunk: [100]}}", "trunk", ["trunk without access", "leave 'trunk' out"]),
    ("ports: [eth4], vlans: {eth1: {access: 5}}", "eth1", ["'eth1'", "'sw7'", "eth4"]),
    ("ports: [eth4], stp: {bpduGuard: [eth1]}", "eth1", ["'sw7'", "eth4"]),
    ("subnets: [10.10.1.0/24]", "subnets", ["'subnets'", "type: local"]),
    ("forward: [stp]", "stp", ["spanning tree", "leave it out"]),
]
#: The same for the interface of an application in sw1.
APPS = [
    ("vlan: {access: 4095}", "4095", ["1 to 4094"]),
    ("vlan: {trunk: [100]}", "trunk", ["trunk without access"]),
    ("address: 192.168.3.9", "192.168.3.9", ["switch", "leave 'address' out"]),
    ("etherTypes: [profnet]", "profnet", ["profinet"]),
    (
        "acl: [{id: 1, match: {protocol: tcp, lport: 80}, action: {portmap: 80}}]",
        "80}}",
        ["switch", "direction: in"],
    ),
]


@pytest.mark.parametrize(("spec", "at", "words"), SWITCHES, ids=[spec for spec, _, _ in SWITCHES])
def test_a_switch(w: World, spec: str, at: str, words: list[str]) -> None:
    """What cannot be is refused with one sentence at its place."""
    _check(w, SWITCH % spec, at, words)


@pytest.mark.parametrize(("fields", "at", "words"), APPS, ids=[fields for fields, _, _ in APPS])
def test_an_interface(w: World, fields: str, at: str, words: list[str]) -> None:
    """So is what an application cannot have on a switch."""
    _check(w, APP % fields, at, words)


def test_a_local_instance(w: World) -> None:
    """A port that a switch has is not a local instance's way out, unless it is shared."""
    text = SWITCH.replace("type: switch", "subnets: [10.10.7.0/24]") % "ports: [eth3]"
    _check(w, text, "eth3", ["which has no other port", "'sw1'", "shared: true"])


def _check(w: World, text: str, at: str, words: list[str]) -> None:
    said = refused(w, text)
    assert len(said) == 1, said
    place, _, sentence = said[0].partition(": ")
    before = text[: text.rindex(at)]
    assert place == f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}", said
    assert [word for word in words if word not in sentence] == [], said


def test_what_is_disturbed(w: World) -> None:
    """A difference says who loses a port, and the lists say where each is."""
    said = w.command("diff", "-", text=SWITCH % "ports: [eth4]", code=1).stdout
    assert "disturbs port eth4 leaves the device for sw7: whatever uses it there loses it" in said
    assert "eth3:moved(sw1),eth4:" in w.command("get", "device").stdout
    listed = w.command("get", "ni").stdout.splitlines()
    assert [line.split()[:5] for line in listed[1:]] == [
        ["ni1", "ready", "local", "10.10.1.0/24", "eth0"],
        ["sw1", "ready", "switch", "-", "eth3"],
    ]


def test_a_device_in_use_stays(w: World) -> None:
    """Deleting the Device under those who use its ports is refused, and changes nothing."""
    said = w.command("delete", "device", "edge", code=None)
    assert said.returncode != 0
    assert "Device 'edge' cannot be deleted: its ports are used by " in said.stderr
    assert "switch 'sw1' (eth3)" in said.stderr
    assert "local network 'ni1' (eth0)" in said.stderr
    assert "eth3:moved(sw1),eth4:" in w.command("get", "device").stdout


def test_a_switch_is_no_kind(w: World) -> None:
    """Whoever asks for switches is told how they are called."""
    for command in (("get", "switch"), ("describe", "switch", "sw1"), ("explain", "switch")):
        said = w.command(*command, code=None)
        assert said.returncode != 0
        assert "a switch is a NetworkInstance (ni) with 'type: switch'" in said.stderr
