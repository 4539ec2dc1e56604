"""What agents are told of switches that are being deleted: nobody may send a port where it would end."""

from __future__ import annotations

from netnsmgr.config.whole import parse
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.slices import UPLINK, Slicer, Slices
from tests.unit.supervisor.test_slices import Document, device, ni

PORTS = device(ports=[{"name": "eth0"}, {"name": "eth3", "labels": ["out"]}])


def switch(name: str) -> Document:
    document = ni(name)
    document["spec"] = {"type": "switch", "ports": ["out"]}
    return document


def cut(slicer: Slicer, revision: int, *documents: Document, going: tuple[str, ...] = ()) -> Slices:
    rows: dict[str, dict[str, Document]] = {}
    for document in documents:
        rows.setdefault(KIND_TABLE[document["kind"]], {})[document["metadata"]["name"]] = document
    return slicer.cut(parse(documents), rows, {"a": 0, "s": 1}, revision, going=going)


def test_a_switch_is_told_to_wait_for_the_uplink_agent() -> None:
    """Both are told the revision of the deletion; a local instance that goes concerns nobody."""
    slicer = Slicer()
    cut(slicer, 1, PORTS, ni("a"), switch("s"))
    gone = cut(slicer, 2, PORTS)
    assert gone["s"] == {"number": 1, "deleting": True, "switch": True, "revision": 2}
    assert gone["a"] == {"number": 0, "deleting": True, "revision": 2}
    assert gone[UPLINK]["leaving"] == {"s": 2}
    assert cut(slicer, 3, PORTS)[UPLINK]["leaving"] == {"s": 2}


def test_one_that_nobody_remembers_counts_as_a_switch() -> None:
    """After a restart of the daemon nobody knows of what type it was."""
    assert cut(Slicer(), 5, PORTS)[UPLINK]["leaving"] == {"a": 5, "s": 5}


def test_one_that_was_a_switch_counts_as_one() -> None:
    """Its type has changed, and its ports may not be back yet."""
    slicer = Slicer()
    cut(slicer, 1, PORTS, switch("s"))
    cut(slicer, 2, PORTS, ni("s"))
    assert "s" in cut(slicer, 3, PORTS)[UPLINK]["leaving"]


def test_wanted_again_before_it_has_gone() -> None:
    """It goes first; its port meanwhile is nobody's, and stays as it was found."""
    slicer = Slicer()
    cut(slicer, 1, PORTS, switch("s"))
    cut(slicer, 2, PORTS)
    again = cut(slicer, 3, PORTS, switch("s"), going=("s",))
    assert again["s"]["deleting"]
    assert (again[UPLINK]["instances"], again[UPLINK]["awaited"]) == ([], ["eth3"])
    back = cut(slicer, 4, PORTS, switch("s"))
    assert not back["s"]["deleting"]
    assert "awaited" not in back[UPLINK]
    assert "s" not in back[UPLINK]["leaving"]


def test_without_switches_nothing_is_said_of_them() -> None:
    """The device's agent hears of local instances what it always heard."""
    slicer = Slicer()
    kept = cut(slicer, 1, PORTS, ni("a"), ni("s"))
    gone = cut(slicer, 2, PORTS, ni("a"))
    assert kept[UPLINK].keys() == gone[UPLINK].keys() == {"device", "deleting", "instances", "revision"}
