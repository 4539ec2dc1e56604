"""Faults of IPv6 in a file: each is told at its place, with what to do, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.documents import device
from tests.scenarios.ipv6 import port6
from tests.scenarios.refusals import refused
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(ipv6=True) as made:
        made.apply(device(port6()))
        yield made


INSTANCE = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni7}
spec: {ports: [eth0], %s}
"""
APP = (
    INSTANCE % "subnets: [10.10.1.0/24, fd00:10:1::/64]"
    + """\
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app7}
spec:
  attach: {netns: app7}
  interfaces:
    - {name: eth0, network: ni7, %s}
"""
)
#: What is written as the instance's spec; the text in it where the fault is (its last occurrence); words of the sentence.
INSTANCES = [
    ("subnets: [fd00:10:1::/80]", "fd00:10:1::/80", ["/64", "stateful"]),
    ("subnets: [fd00:10:1::/64], gateways: [fd00:10:2::1]", "fd00:10:2::1", ["outside", "fd00:10:1::/64"]),
    ("subnets: [10.10.1.0/24, fd00:10:1::/64], nat64: {}", "nat64", ["NAT64", "10.10.1.0/24"]),
    ("subnets: [fd00:10:1::/64, fd00:10:2::/64]", "fd00:10:2::/64", ["one"]),
    (
        "subnets: [fd00:10:1::/64], dhcp: {range6: fd00:10:1::100-fd00:10:1::1ff}",
        "fd00:10:1::100",
        ["stateful"],
    ),
    ("subnets: [fd00:10:1::/64], ipv6: {uplink: delegated}", "fd00:10:1::/64", ["delegated", "'subnets'"]),
    ("subnets: [fd00:10:1::/64], ipv6: {uplink: npt, prefix: 2001:db8:5::/60}", "2001:db8:5::/60", ["/64"]),
    ("subnets: [fd00:10:1::/64], ipv6: {addressing: stateful}", "stateful", ["dhcp"]),
    ("subnets: [10.10.1.0/24], ipv6: {addressing: slaac}", "ipv6", ["no subnet of IPv6"]),
    ("subnets: [fd00:10:1::1/64]", "fd00:10:1::1/64", ["fd00:10:1::/64"]),
    ("subnets: [fe80::/64]", "fe80::/64", ["link"]),
    ("subnets: [fd00:10:1::/64], gateways: [fd00:10:1::1, fd00:10:1::2]", "fd00:10:1::2", ["one"]),
    ("subnets: [fd00:10:1::/64], gateways: [10.10.1.1]", "10.10.1.1", ["IPv4"]),
]
#: The same for the application's interface.
APPS = [
    ("address6: 10.10.1.9", "10.10.1.9", ["IPv4", "IPv6"]),
    ("address: fd00:10:1::9", "fd00:10:1::9", ["IPv6", "IPv4"]),
    ("address6: fd00:10:2::9", "fd00:10:2::9", ["outside", "fd00:10:1::/64"]),
    ("address6: fd00:10:1::1", "fd00:10:1::1", ["gateway"]),
    ("address6: fd00:10:1::9, duid: 00:01:zz", "00:01:zz", ["DHCP unique identifier"]),
]


@pytest.mark.parametrize(("spec", "at", "words"), INSTANCES, ids=[spec for spec, _, _ in INSTANCES])
def test_an_instance(w: World, spec: str, at: str, words: list[str]) -> None:
    """What cannot be is refused with one sentence at its place."""
    _check(w, INSTANCE % spec, at, words)


@pytest.mark.parametrize(("fields", "at", "words"), APPS, ids=[fields for fields, _, _ in APPS])
def test_an_interface(w: World, fields: str, at: str, words: list[str]) -> None:
    """An address of the wrong version or place, or a DUID that is none, is refused in the same way."""
    _check(w, APP % fields, at, words)


def _check(w: World, text: str, at: str, words: list[str]) -> None:
    said = refused(w, text)
    assert len(said) == 1, said
    place, _, sentence = said[0].partition(": ")
    before = text[: text.rindex(at)]
    assert place == f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}", said
    assert [word for word in words if word not in sentence] == [], said
