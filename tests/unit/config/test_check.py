"""Checking documents: all that is wrong, at once, in words that say what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.config.check import check
from netnsmgr.config.whole import TABLES

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

TEN = """\
apiVersion: netnsmgr/v1alpha1
kind: Device
metadata: {name: edge}
spec:
  ports:
    - name: eth0
      addresses: [192.168.0.2]
      dhcp: yes
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni1}
spec:
  prots: [eth0]
  subnets: [10.10.1.0/31]
  dhcp: {range: 10.10.1.150-10.10.1.50, leaseTime: 10}
  mtu: big
---
apiVersion: v1
kind: NetworkInstanc
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app1}
spec:
  attach: {netns: app1}
  interfaces:
    - {name: eth0, network: ni2}
    - {name: eth0, network: ni1, mac: 11:22:33:44:55:16}
"""


def test_ten_errors(lines: Callable[[str], list[str]]) -> None:
    """A file with errors of every sort reports each of them at its line and column."""
    assert lines(TEN) == [
        "f.yaml:7:19: spec.ports[0].addresses[0]: '192.168.0.2' needs a prefix length, for example 192.168.0.2/24",
        "f.yaml:8:13: spec.ports[0].dhcp: must be true or false, not 'yes'",
        "f.yaml:14:3: spec.prots: unknown field 'prots'; did you mean 'ports'?",
        "f.yaml:15:13: spec.subnets[0]: '10.10.1.0/31' has no room for a gateway and an app; use /8 to /30",
        "f.yaml:16:17: spec.dhcp.range: '10.10.1.150-10.10.1.50' is reversed; write 10.10.1.50-10.10.1.150",
        "f.yaml:16:52: spec.dhcp.leaseTime: '10' needs a unit (s, m, h or d), for example 1h",
        "f.yaml:17:8: spec.mtu: must be a whole number, not 'big'",
        "f.yaml:19:13: apiVersion: 'v1' is not a version of this format; write netnsmgr/v1alpha1",
        "f.yaml:20:7: kind: unknown kind 'NetworkInstanc'; did you mean 'NetworkInstance'?",
        (
            "f.yaml:29:39: spec.interfaces[1].mac: '11:22:33:44:55:16' has the multicast bit set; "
            "make the first byte even, for example 02"
        ),
    ]


def test_duplicate(network: Make, app: Make, faults: Faults) -> None:
    """Of two documents of one kind and name, the second is refused; other kinds may have the name."""
    assert faults(network("a"), app("a", {"network": "a"}, attach={"tap": True})) == []
    assert faults(network("a"), network("a")) == [
        "1 metadata.name: duplicate NetworkInstance 'a' in what is being applied; rename or remove one"
    ]


def test_replaces(network: Make, app: Make, faults: Faults) -> None:
    """A document takes the place of the one applied before, so what was wrong with that one does not count."""
    broken = network(mtu="big")
    assert faults(network(), before=(broken,)) == []
    assert faults(app(), before=(broken,)) == [
        "-1 spec.mtu: NetworkInstance 'ni1', applied before: must be a whole number, not 'big'"
    ]


def test_one_device(device: Make, faults: Faults) -> None:
    """There is one Device: a second one is refused, whether the first is new or not."""
    second = device()
    second["metadata"] = {"name": "other"}
    expected = "metadata.name: there can be only one Device, and 'edge' is one already; use its name, or delete it first"
    assert faults(second, before=(device(),)) == [f"0 {expected}"]
    assert faults(device(), second) == [f"1 {expected}"]
    assert faults(device(), before=(device(),)) == []


def test_deletion(network: Make, app: Make, faults: Faults) -> None:
    """What remains after a deletion is checked without new documents: an app of a deleted network is found, once."""
    assert faults(before=(network(), app())) == []
    for rest in ((), (network("ni2"),)):
        assert faults(before=(*rest, app("app1", {}, {"name": "eth1"}))) == [
            (
                "-1 App 'app1' uses network instance 'ni1': delete the app first, "
                "or both in one call (netnsmgr delete -f FILE)"
            )
        ]


def test_broken_documents_accuse_nobody(network: Make, app: Make, device: Make, faults: Faults) -> None:
    """What refers to a document that is itself wrong is not said to refer to nothing."""
    (only,) = faults(network(mtu="big", ports=["eth0"]), app(), device())
    assert only.startswith("0 spec.mtu")
    (only,) = faults(network(ports=["eth7"]), device(linkPool=7))
    assert only.startswith("1 spec.linkPool")


def test_overlap_is_allowed(network: Make, device: Make, app: Make, faults: Faults) -> None:
    """Instances may have the subnet of each other and of a port: keeping them apart is the point."""
    port = {"name": "eth0", "addresses": ["10.10.1.2/24"]}
    assert (
        faults(device(port), network("a", ports=["eth0"]), network("b"), network("c", subnets=["10.0.0.0/8"]))
        == []
    )
    same = {"mac": "02:00:00:00:00:01", "address": "10.10.1.9"}
    assert (
        faults(
            network("a"), network("b"), app("x", {"network": "a", **same}), app("y", {"network": "b", **same})
        )
        == []
    )


def test_not_documents(faults: Faults) -> None:
    """What is no mapping at all, as a stranger may send it, is a problem and no exception."""
    assert check([7, ["x"]], {})[1][0].what.startswith("a document must be a mapping")  # type: ignore[list-item]


WORDS = st.sampled_from(
    [
        "Device",
        "NetworkInstance",
        "App",
        "netnsmgr/v1alpha1",
        "ni1",
        "eth0",
        "10.0.0.0/24",
        "10.0.0.1",
        "local",
        "1h",
        "",
    ]
)
KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "labels",
        "spec",
        "ports",
        "linkPool",
        "management",
        "interface",
        "addresses",
        "gateways",
        "dns",
        "dhcp",
        "range",
        "leaseTime",
        "hosts",
        "servers",
        "subnets",
        "type",
        "mtu",
        "attach",
        "netns",
        "pid",
        "tap",
        "interfaces",
        "network",
        "mac",
        "address",
        "x",
        "[key]",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(list(TABLES)), ANYTHING), max_size=4))
def test_never_raises(given_documents: list[tuple[str, Any]]) -> None:
    """Whatever a document holds, checking it gives problems and never an exception."""
    documents = [
        {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": "ni1"}, "spec": spec}
        for kind, spec in given_documents
    ]
    for problem in check(documents, {})[1]:
        assert 0 <= problem.document < len(documents)
        assert problem.what


def test_linear(faults: Faults) -> None:
    """The work grows with the number of documents, not with its square, even if all of them are in conflict.

    Counted in calls of functions, which are the same on every machine.
    """

    def calls(count: int) -> int:
        head = {"apiVersion": "netnsmgr/v1alpha1"}
        spec = {"attach": {"netns": "x"}, "interfaces": [{"name": "eth0", "network": "none"}]}
        apps = [{**head, "kind": "App", "metadata": {"name": f"a{n}"}, "spec": spec} for n in range(count)]
        nets = [
            {
                **head,
                "kind": "NetworkInstance",
                "metadata": {"name": f"n{n}"},
                "spec": {"subnets": ["169.254.0.0/16"]},
            }
            for n in range(count)
        ]
        counted = 0

        def count_one(_frame: object, event: str, _argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count_one)
        try:
            found = check(apps + nets, {})[1]
        finally:
            sys.setprofile(None)
        assert len(found) == 3 * count - 1
        return counted

    calls(1)
    assert calls(200) < 2.2 * calls(100)


def test_a_switch_is_no_kind(switch: Make, faults: Faults) -> None:
    """Who writes one is told of which kind it is."""
    assert faults(switch("sw1") | {"kind": "Switch"}) == [
        (
            "0 kind: unknown kind 'Switch': a switch is a NetworkInstance (ni) with 'type: switch'; write kind: "
            "NetworkInstance"
        )
    ]
