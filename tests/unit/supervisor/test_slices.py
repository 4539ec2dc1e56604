"""What each agent is told: its part, and a revision that changes only with it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.whole import parse
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.slices import UPLINK, Slicer, Slices, allocate

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
Document = dict[str, Any]


def device(**spec: Any) -> Document:
    return HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": spec}


def ni(name: str, **spec: Any) -> Document:
    return HEAD | {
        "kind": "NetworkInstance",
        "metadata": {"name": name},
        "spec": {"subnets": ["10.1.0.0/24"], **spec},
    }


def app(name: str, *networks: str) -> Document:
    interfaces = [{"name": f"eth{n}", "network": network} for n, network in enumerate(networks)]
    return HEAD | {
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"attach": {"netns": name}, "interfaces": interfaces},
    }


class Cutter:
    """A slicer and the numbers, as the supervisor keeps them."""

    def __init__(self) -> None:
        self.slicer = Slicer()
        self.numbers: dict[str, int] = {}
        self.revision = 0

    def cut(self, *documents: Document) -> Slices:
        self.revision += 1
        rows: dict[str, dict[str, Document]] = {}
        for document in documents:
            rows.setdefault(KIND_TABLE[document["kind"]], {})[document["metadata"]["name"]] = document
        config = parse(documents)
        self.numbers = allocate(self.numbers, config.instances)
        return self.slicer.cut(config, rows, self.numbers, self.revision)

    def revisions(self, *documents: Document) -> dict[str, int]:
        return {name: part["revision"] for name, part in self.cut(*documents).items()}


class TestAllocate:
    def test_the_lowest_free_number(self) -> None:
        """New instances take the lowest free numbers, in the order of their names; the others keep theirs."""
        assert allocate({}, ["b", "a"]) == {"a": 0, "b": 1}
        assert allocate({"x": 1}, ["x", "b", "a"]) == {"x": 1, "a": 0, "b": 2}

    def test_a_number_is_free_only_when_its_instance_is_gone(self) -> None:
        """An instance that is still being deleted keeps its number."""
        assert allocate({"going": 0}, ["new"]) == {"going": 0, "new": 1}

    @given(st.dictionaries(st.text(max_size=3), st.integers(0, 20)), st.sets(st.text(max_size=3)))
    def test_numbers_are_unique_and_stable(self, taken: dict[str, int], names: set[str]) -> None:
        """No two instances share a number, nobody's changes, and asking again changes nothing."""
        unique = {number: name for name, number in taken.items()}
        before = {name: number for number, name in unique.items()}
        after = allocate(before, names)
        assert len(set(after.values())) == len(after)
        assert after.items() >= before.items()
        assert after.keys() == before.keys() | names
        assert allocate(after, names) == after


class TestRevisions:
    def test_of_the_same_configuration_stay(self) -> None:
        """Applying the same again changes no slice."""
        cutter = Cutter()
        documents = [device(), ni("a"), ni("b"), app("x", "a")]
        assert set(cutter.revisions(*documents).values()) == {1}
        assert set(cutter.revisions(*documents).values()) == {1}

    def test_change_with_the_slice_s_own_content_only(self) -> None:
        """An application that joins concerns its own instance alone; neither another instance nor the uplink agent
        hears of it.  An instance that changes concerns itself and the uplink agent."""
        cutter = Cutter()
        cutter.cut(device(), ni("a"), ni("b"))
        assert cutter.revisions(device(), ni("a"), ni("b"), app("x", "a")) == {"a": 2, "b": 1, UPLINK: 1}
        assert cutter.revisions(device(), ni("a"), ni("b", mtu=1400), app("x", "a")) == {
            "a": 2,
            "b": 3,
            UPLINK: 3,
        }

    def test_of_the_link_is_that_of_what_the_uplink_agent_is_told(self) -> None:
        """An instance knows for which answer of the uplink agent to wait: not for one that an application's
        joining would ask for, since the uplink agent never hears of that."""
        cutter = Cutter()
        cutter.cut(device(), ni("a"))
        slices = cutter.cut(device(), ni("a"), app("x", "a"))
        assert slices["a"]["linkRevision"] == 1
        assert [link["linkRevision"] for link in slices[UPLINK]["instances"]] == [1]
        assert cutter.cut(device(), ni("a", mtu=1400))["a"]["linkRevision"] == 3

    def test_of_the_device_concern_the_uplink_agent(self) -> None:
        """Ports are the uplink agent's affair; instances learn of them from its answer."""
        cutter = Cutter()
        cutter.cut(device(), ni("a"))
        assert cutter.revisions(device(ports=[{"name": "eth0"}]), ni("a")) == {"a": 1, UPLINK: 2}


class TestSlices:
    def test_hold_what_the_agent_needs(self) -> None:
        """An instance's slice has its document, its link's addresses, its applications and their host names."""
        part = Cutter().cut(
            device(linkPool="10.9.0.0/24"), ni("a"), ni("b"), app("x", "b", "b"), app("y", "a")
        )["b"]
        assert (part["number"], part["links"]) == (1, [["10.9.0.2", "10.9.0.3"]])
        assert part["instance"] == ni("b")
        assert part["apps"] == [app("x", "b", "b")]
        assert part["hostnames"] == [["x", "eth0", "x"], ["x", "eth1", "x-eth1"]]
        assert not part["deleting"]

    def test_of_a_removed_instance_say_so(self) -> None:
        """An instance that has a number and no document is being deleted: its agent is told, and the uplink agent
        does not hear of it any more; when the number is gone, so is the slice."""
        cutter = Cutter()
        cutter.cut(device(), ni("a"))
        slices = cutter.cut(device())
        assert slices["a"] == {"number": 0, "deleting": True, "revision": 2}
        assert slices[UPLINK]["instances"] == []
        cutter.numbers = {}
        assert set(cutter.cut(device())) == {UPLINK}
        assert cutter.revisions(device(), ni("a"))["a"] == 4

    def test_there_is_always_an_uplink_agent(self) -> None:
        """Without any configuration the uplink agent is told that there is none."""
        assert Cutter().cut() == {UPLINK: {"device": None, "deleting": False, "instances": [], "revision": 1}}


def test_everybody_hears_what_to_do_about_drift() -> None:
    """And nobody of the default: a device that never names it has slices as before."""
    told = Cutter().cut(device(drift="report"), ni("ni1"))
    assert {name: part.get("drift") for name, part in told.items()} == {"ni1": "report", UPLINK: "report"}
    assert not any("drift" in part for part in Cutter().cut(device(drift="repair"), ni("ni1")).values())
