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
