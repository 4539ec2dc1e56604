"""What a change of switches and shared ports interrupts, in the words of ``netnsmgr diff``."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.config import Config, parse
from netnsmgr.supervisor.disturbance import disturbed


def config(*switches: tuple[str, list[str]], shared: bool = False, **spec: Any) -> Config:
    ports = [
        {"name": "eth0", "dhcp": True, "shared": shared},
        {"name": "eth3", "labels": ["field"]},
        {"name": "eth4", "labels": ["field"]},
    ]
    documents: list[tuple[str, str, dict[str, Any]]] = [("Device", "edge", {"ports": ports})]
    documents += [
        ("NetworkInstance", name, {"type": "switch", "ports": words, **spec}) for name, words in switches
    ]
    return parse(
        {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": each}
        for kind, name, each in documents
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (config(), config(), {}),
        (Config(), config(), {}),
        (config(("sw1", ["eth3"])), config(("sw1", ["eth3"])), {}),
        (
            config(),
            config(("sw1", ["eth3"])),
            {"uplink": ["port eth3 leaves the device for sw1: whatever uses it there loses it"]},
        ),
        (
            Config(),
            config(("sw1", ["field"])),
            {
                "uplink": [
                    "port eth3 leaves the device for sw1: whatever uses it there loses it",
                    "port eth4 leaves the device for sw1: whatever uses it there loses it",
                ]
            },
        ),
        (
            config(("sw1", ["eth3"])),
            config(),
            {"uplink": ["port eth3 comes back to the device from sw1: the applications of sw1 lose it"]},
        ),
        (
            config(("sw1", ["eth3"])),
            Config(),
            {"uplink": ["port eth3 comes back to the device from sw1: the applications of sw1 lose it"]},
        ),
        (
            config(("sw1", ["eth3"])),
            config(("sw2", ["eth3"])),
            {"uplink": ["port eth3 goes from sw1 to sw2: the applications of sw1 lose it"]},
        ),
        (
            config(),
            config(shared=True),
            {
                "uplink": [
                    "port eth0: its addresses move to a bridge, which interrupts what goes over it for a moment"
                ]
            },
        ),
        (
            config(shared=True),
            config(),
            {
                "uplink": [
                    (
                        "port eth0: its addresses move back from its bridge, which interrupts what goes over it for a "
                        "moment"
                    )
                ]
            },
        ),
        (config(shared=True), config(("sw1", ["eth0"]), shared=True), {}),
        (
            config(("sw1", ["eth0"])),
            config(("sw1", ["eth0"]), shared=True),
            {
                "uplink": [
                    "port eth0 comes back to be shared with sw1: the applications of sw1 lose it for a moment"
                ]
            },
        ),
        (
            config(("sw1", ["eth0"]), shared=True),
            config(shared=True),
            {"uplink": ["port eth0 is taken out of sw1, whose applications lose it"]},
        ),
        (
            config(("sw1", ["eth3"])),
            config(("sw1", ["field"])),
            {
                "uplink": ["port eth4 leaves the device for sw1: whatever uses it there loses it"],
            },
        ),
    ],
)
def test_in_words(old: Config, new: Config, expected: dict[str, list[str]]) -> None:
    """Who loses what, or nobody."""
    assert disturbed(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [({}, {"eth3": {"access": 100}}, True), ({"eth3": {"access": 100}}, {"eth3": {"access": 100}}, False)],
)
def test_vlans_change_who_reaches_whom(old: dict[str, Any], new: dict[str, Any], said: bool) -> None:
    """No link is made anew for them, and still what is connected loses some and gains others."""
    before, after = (config(("sw1", ["eth3"]), vlans=vlans) for vlans in (old, new))
    expected = {"sw1": ["the VLANs: who reaches whom changes for what is connected"]} if said else {}
    assert disturbed(before, after) == expected


PEER = {"name": "hub", "publicKey": "A" * 43 + "=", "endpoint": "203.0.113.1:51820"}


def tunnel(*networks: str, ports: tuple[str, ...] = ("eth0",), **vpn: Any) -> Config:
    """Make an instance with a tunnel to networks, or without a VPN if there are none."""
    spec: dict[str, Any] = {"subnets": ["10.10.1.0/24"], "ports": list(ports)}
    if networks:
        spec["vpn"] = {
            "wireguard": {"tunnels": [{"name": "wg0", "peers": [{**PEER, "allowedIps": list(networks)}]}]},
            **vpn,
        }
    head = {"apiVersion": "netnsmgr/v1alpha1", "kind": "NetworkInstance", "metadata": {"name": "ni1"}}
    return parse([{**head, "spec": spec}])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (tunnel("10.20.0.0/24"), tunnel("10.20.0.0/24"), []),
        (
            tunnel(),
            tunnel("10.20.0.0/24"),
            ["a VPN comes: flows that leave in clear now end, unless it lets them"],
        ),
        (tunnel(ports=()), tunnel("10.20.0.0/24"), []),
        (
            tunnel("10.20.0.0/24"),
            tunnel(),
            ["the VPN goes: what was for its tunnels leaves in clear from now on"],
        ),
        (tunnel("10.20.0.0/24"), tunnel(ports=()), []),
        (
            tunnel("10.20.0.0/24"),
            tunnel("10.20.0.0/24", rest="direct", dns="direct"),
            [
                "what no tunnel carries leaves in clear from now on",
                "names are asked for in clear from now on",
            ],
        ),
        (tunnel("10.20.0.0/24"), tunnel("10.30.0.0/24"), []),
        (
            tunnel("10.20.0.0/24", "10.30.0.0/24", rest="direct"),
            tunnel("10.20.0.0/16", rest="direct"),
            ["what is for 10.30.0.0/24 leaves in clear from now on"],
        ),
        (tunnel("10.20.0.0/24", rest="direct"), tunnel("10.30.0.0/24"), []),
    ],
)
def test_tunnels(old: Config, new: Config, expected: list[str]) -> None:
    """Whoever takes a tunnel away is told what leaves in clear then."""
    assert disturbed(old, new) == ({"ni1": expected} if expected else {})
