"""What an agent does about drift: once at once, again and again with pauses, by wish not at all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

from netnsmgr.agent import drift, drift_case
from netnsmgr.agent.drift import DriftWatch, Verdict
from netnsmgr.agent.drift_memory import DriftMemory, config_digest, digest
from netnsmgr.agent.drift_words import Told, differences, sentence
from netnsmgr.core.drift import Drift, Look, Seen, hold
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import plan
from netnsmgr.items.address import Address
from netnsmgr.items.file import File
from netnsmgr.items.link import Bridge, Foreign, LinkUp
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.port import LentPort
from netnsmgr.items.process import Process
from netnsmgr.items.route import Route
from netnsmgr.items.sysctl import Sysctl

BRIDGE = Bridge("bn0", 1500, alias="ni1")
ADDRESS = Address("bn0", ip_interface("10.0.0.1/24"))
ROUTE = Route(ip_network("10.9.0.0/16"), link="bn0")
STRAY = Address("bn0", ip_interface("10.0.0.99/24"))
NAMESPACES = frozenset({Ref("netns", "ni6")})
WANTED: list[Item] = [BRIDGE, ADDRESS, ROUTE]


class Place:
    """A namespace of values, with an agent that looks at it."""

    def __init__(self, path: Path | None = None, wanted: list[Item] = WANTED) -> None:
        self.now = 1000.0
        self.told: list[Told] = []
        self.there = state(wanted)
        self.wanted = state(wanted)
        self.path = path
        self.number = 3
        self.inode = 1
        self.start()

    def start(self, config: str = "", *, report: bool = False) -> None:
        """Another agent."""
        memory = DriftMemory(str(self.path / "drift.json"), self.inode) if self.path is not None else None
        self.watch = DriftWatch(memory, clock=lambda: self.now)
        self.watch.tell = self.told.append
        self.watch.configured(config, report=report)
        self.first = True

    def look(self) -> Look:
        return Look(dict(self.there), {Ref("link", "bn0"): self.number})

    def run(self, failing: frozenset[Ref] = frozenset()) -> list[str]:
        """Passes until nothing is left to do; what was done."""
        done: list[str] = []
        for _ in range(10):
            look, objects = self.look(), dict.fromkeys(self.wanted, "")
            if self.first:
                self.first = False
                self.watch.recall(look, self.wanted)
            todo = plan(look.items, self.wanted, NAMESPACES)
            ops = {op.ref for op in todo.after}
            verdict = self.watch.judge(look, self.wanted, todo.blocked, ops, objects)
            if verdict.again:
                continue
            if verdict.held:
                shown, _ = hold(look.items, self.wanted, verdict.held, ops)
                todo = plan(shown, self.wanted, NAMESPACES)
            self.held = verdict.held
            stood = {ref: item for ref, item in self.wanted.items() if look.items.get(ref) == item}
            if not todo:
                self.watch.done(look, stood, (), verdict, ())
                self.watch.rest()
                return done
            self.watch.begin()
            for op in todo.order():
                done.append(str(op))
                if op.ref in failing:
                    continue
                if op.new is not None:
                    self.there[op.ref] = op.new
                else:
                    self.there.pop(op.ref, None)
            refs = {op.ref for op in todo.after}
            stood |= {ref: self.wanted[ref] for ref in refs & self.wanted.keys() - failing}
            self.watch.done(look, stood, refs, verdict, refs - failing)
            self.watch.repaired(verdict, refs - failing, objects)
            if failing:
                return done
        raise AssertionError("never at rest")

    def reasons(self) -> list[str]:
        found, self.told[:] = [told.reason for told in self.told], []
        return found


@pytest.fixture
def place() -> Place:
    made = Place()
    made.run()
    return made


def test_what_is_removed_is_put_back_and_told(place: Place) -> None:
    del place.there[ROUTE.ref]
    assert place.run() == [f"create {ROUTE.ref}"]
    assert [(told.reason, told.message) for told in place.told] == [
        ("Drift", "route 10.9.0.0/16 metric 0 was removed; repaired"),
        ("Repaired", "route 10.9.0.0/16 metric 0 is as intended again"),
    ]


def test_what_went_along_is_in_the_same_event(place: Place) -> None:
    place.there = {}
    place.number = 4
    place.run()
    assert [told.message for told in place.told] == [
        "link bn0 was removed; with it went address 10.0.0.1/24 dev bn0, route 10.9.0.0/16 metric 0; repaired",
        "link bn0 is as intended again",
    ]


def test_what_is_added_is_removed_and_told(place: Place) -> None:
    place.there[STRAY.ref] = STRAY
    assert place.run() == [f"delete {STRAY.ref}"]
    assert [told.message for told in place.told] == [
        "address 10.0.0.99/24 dev bn0 was added; repaired",
        "address 10.0.0.99/24 dev bn0 is gone again",
    ]


def test_the_first_pass_finds_no_drift() -> None:
    place = Place()
    place.there = {}
    place.run()
    assert place.told == []


def test_a_change_of_configuration_is_none(place: Place) -> None:
    other = replace(BRIDGE, mtu=1400)
    place.wanted = state([other, ADDRESS])
    assert place.run() == [f"delete {ROUTE.ref}", f"modify {BRIDGE.ref}"]
    assert place.told == []


def test_a_look_that_was_taken_while_things_went_is_taken_again(place: Place) -> None:
    """The link goes, between the listings of links and of addresses: the second look sees it gone."""
    torn = Look({BRIDGE.ref: BRIDGE, ROUTE.ref: ROUTE}, {Ref("link", "bn0"): 3})
    verdict = place.watch.judge(torn, place.wanted, (), {ADDRESS.ref}, {})
    assert verdict == Verdict(again=True)
    place.wanted = {}
    place.there = {}
    place.run()
    assert place.told == []


def test_somebody_who_fights_is_told_of_once_and_gets_pauses(place: Place) -> None:
    """The first few times it is put back at once; then with pauses that grow, and no further word until it is over."""
    repairs = 0
    for _ in range(2000):  # twenty times a second
        place.there.pop(ROUTE.ref, None)
        repairs += len(place.run())
        place.now += 0.05
    reasons = place.reasons()
    assert reasons.count("Drift") == drift_case.OFTEN
    assert reasons.count("DriftFight") == 1
    assert set(reasons) == {"Drift", "Repaired", "DriftFight"}
    assert repairs <= drift_case.OFTEN + 9
    assert ROUTE.ref in place.held
    assert place.watch.pause == drift.FIGHT_PAUSE
    place.now += drift_case.LAST_PAUSE
    assert place.run() == [f"create {ROUTE.ref}"]
    assert place.watch.next_look() is not None
    place.now += 2 * drift_case.LAST_PAUSE + 1
    place.run()
    assert place.reasons() == ["DriftFightEnded"]
    assert place.watch.next_look() is None
    del place.there[ROUTE.ref]
    place.run()
    assert place.reasons() == ["Drift", "Repaired"]


def test_a_helper_that_ends_again_and_again_is_no_fight() -> None:
    """Nobody else need be at work; it is started with the same pauses."""
    helper = Process("dnsmasq", ("dnsmasq",))
    place = Place(wanted=[helper])
    place.run()
    for _ in range(100):
        place.there = {}
        place.run()
        place.now += 0.05
    fails = [told.message for told in place.told if told.reason == "HelperFails"]
    assert fails == [
        "helper dnsmasq has ended; again and again: it is started again with pauses of 1 s to 30 s"
    ]
    assert "DriftFight" not in place.reasons()


def test_a_fight_about_what_is_added_is_one_too(place: Place) -> None:
    for _ in range(100):
        place.there[STRAY.ref] = STRAY
        place.run()
        place.now += 0.05
    assert place.reasons().count("DriftFight") == 1


def test_a_storm_is_told_as_one(place: Place) -> None:
    """Always something else is added: it is repaired, counted, and looked at once a second."""
    for number in range(500):
        stray = Address("bn0", ip_interface(f"10.1.{number // 200}.{number % 200}/24"))
        place.there[stray.ref] = stray
        assert place.run() == [f"delete {stray.ref}"]
        place.now += 0.05
    assert place.watch.pause == drift.STORM_PAUSE
    assert len(place.told) <= 2 * drift.STORM + 1
    assert place.reasons().count("DriftStorm") == 1
    place.now += drift_case.WINDOW + 1
    place.run()
    assert place.reasons() == ["DriftStormEnded"]
    assert place.watch.pause == 0


def test_many_of_a_kind_are_told_together() -> None:
    routes: list[Item] = [Route(ip_network(f"10.{n}.0.0/16")) for n in range(50)]
    place = Place(wanted=routes)
    place.run()
    place.there = {}
    place.run()
    (told, mended) = place.told
    assert told.message.startswith("50 routes were removed: 10.0.0.0/16 metric 0, ")
    assert told.message.endswith(" and 42 more; repaired")
    assert mended.message == "50 items are as intended again"


def test_by_wish_it_is_left_until_the_configuration_changes(place: Place) -> None:
    """Told once; also what stands on it waits; mended by any change of configuration."""
    place.watch.configured("one", report=True)
    del place.there[ROUTE.ref]
    place.there[STRAY.ref] = STRAY
    for _ in range(3):
        assert place.run() == []
        place.watch.configured("one", report=True)
    assert [told.message for told in place.told] == [
        "route 10.9.0.0/16 metric 0 was removed; left as it is (drift: report)",
        "address 10.0.0.99/24 dev bn0 was added; left as it is (drift: report)",
    ]
    assert set(place.held) == {ROUTE.ref, STRAY.ref}
    place.told.clear()
    place.watch.configured("two", report=True)
    assert sorted(place.run()) == [f"create {ROUTE.ref}", f"delete {STRAY.ref}"]
    assert place.told == []


def test_by_wish_no_more_it_is_repaired(place: Place) -> None:
    place.watch.configured("one", report=True)
    del place.there[ROUTE.ref]
    place.run()
    place.watch.configured("", report=False)
    assert place.run() == [f"create {ROUTE.ref}"]


def test_what_somebody_undoes_is_told(place: Place) -> None:
    place.watch.configured("one", report=True)
    del place.there[ROUTE.ref]
    place.run()
    place.there[ROUTE.ref] = ROUTE
    place.run()
    assert place.reasons() == ["Drift", "Repaired"]
    assert place.held == {}


def test_an_operation_that_fails_is_no_drift(place: Place) -> None:
    """What could not be put back is told once as drift: that it fails is told in the status."""
    del place.there[ROUTE.ref]
    place.run(frozenset({ROUTE.ref}))
    place.run(frozenset({ROUTE.ref}))
    place.run()
    assert place.reasons() == ["Drift"]


def test_a_successor_knows_what_stood(tmp_path: Path) -> None:
    """What was changed while no agent ran is drift; numbers of links tell what came anew."""
    place = Place(tmp_path)
    place.run()
    place.watch.remember()
    del place.there[ROUTE.ref]
    place.there[STRAY.ref] = STRAY
    place.start()
    place.run()
    assert sorted(place.reasons()) == ["Drift", "Drift", "Repaired"]
    place.watch.remember()
    del place.there[ADDRESS.ref]
    place.number = 9
    place.start()
    assert place.run() == [f"create {ADDRESS.ref}"]
    assert place.told == []


def test_a_predecessor_that_was_killed_at_work_is_none(tmp_path: Path) -> None:
    """It was half-way through its operations: nothing says then who has removed what."""
    place = Place(tmp_path)
    place.run()
    place.watch.remember()
    place.watch.begin()
    del place.there[ROUTE.ref]
    place.start()
    place.run()
    assert place.told == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": "0"}', "null"])
def test_a_memory_that_is_damaged_counts_for_nothing(tmp_path: Path, damage: str) -> None:
    place = Place(tmp_path)
    place.run()
    place.watch.remember()
    (tmp_path / "drift.json").write_text(damage)
    del place.there[ROUTE.ref]
    place.start()
    place.run()
    assert place.told == []


def test_a_successor_elsewhere_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another namespace, and of another version, which may see more: what stood there says nothing."""
    for other in ("inode", "version"):
        place = Place(tmp_path)
        place.run()
        place.watch.remember()
        del place.there[ROUTE.ref]
        with monkeypatch.context() as patch:
            if other == "inode":
                place.inode = 2
            else:
                patch.setattr("netnsmgr.agent.drift_memory.__version__", "99")
            place.start()
            place.run()
        assert place.told == []


def test_a_successor_leaves_what_was_left(tmp_path: Path) -> None:
    """Drift that is reported stays through restarts, and goes with a new configuration, also one of meanwhile."""
    for config, done in (("one", []), ("two", [f"create {ROUTE.ref}"])):
        place = Place(tmp_path)
        place.run()
        place.watch.configured("one", report=True)
        del place.there[ROUTE.ref]
        place.run()
        place.watch.remember()
        place.start(config, report=True)
        assert place.run() == done


def test_a_successor_with_another_intent_finds_no_drift(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run()
    place.watch.remember()
    place.wanted = state([replace(BRIDGE, mtu=1400), ADDRESS, ROUTE])
    place.start()
    assert place.run() == [f"modify {BRIDGE.ref}"]
    assert place.told == []


PORT = LentPort("eth3", "ni6", "/run/netns/ni6")


def test_what_two_agents_have_is_told_when_the_other_one_cannot_have_meant_it() -> None:
    """A switch gives a port back because of a configuration that the uplink agent has not heard of yet."""
    for heard in (True, False):
        place = Place(wanted=[PORT])
        place.run()
        place.there = {}
        assert place.run() == [f"create {PORT.ref}"]
        assert place.told == []
        wait = place.watch.next_look()
        assert wait is not None
        place.now += wait
        if heard:
            place.wanted = {}
        place.run()
        assert place.reasons() == ([] if heard else ["Drift", "Repaired"])


def test_what_could_not_be_seen_was_not_added(place: Place) -> None:
    """An agent that has lost part of its configuration looks at nothing else than what is wanted."""
    place.watch.blind()
    place.there[STRAY.ref] = STRAY
    place.run()
    assert place.told == []


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run()
    place.watch.remember()
    written = (tmp_path / "drift.json").stat().st_ino
    place.watch.remember()
    assert (tmp_path / "drift.json").stat().st_ino == written


def test_digests_do_not_depend_on_the_process() -> None:
    """Sets have another order in each; what does not count when items are compared does not count here."""
    assert digest(ADDRESS) == digest(replace(ADDRESS, dad=True)) != digest(replace(ADDRESS, deprecated=True))
    elements = frozenset({"a", "b", "c", "d"})
    assert digest(NftSet("inet", "netnsmgr_x", "s", "type mark", elements)) == "4d52eb3f874497cc"
    assert config_digest({"revision": 1, "a": [{"b": 1, "linkRevision": 2}]}) == config_digest(
        {"a": [{"b": 1}]}
    )
    assert config_digest({"a": 1}) != config_digest({"a": 2})


SET = NftSet("inet", "netnsmgr_x", "s", "type mark", frozenset({"1", "2"}))


@pytest.mark.parametrize(
    ("expected", "now", "words"),
    [
        (
            BRIDGE,
            replace(BRIDGE, mtu=1300, up=False),
            "link bn0 was changed: mtu 1300, down instead of mtu 1500, up",
        ),
        (BRIDGE, Foreign("bn0", 1500), "link bn0 was changed: another link instead of a bridge"),
        (LinkUp("eth0"), None, "link eth0 was set down"),
        (
            ROUTE,
            replace(ROUTE, link="eth9"),
            "route 10.9.0.0/16 metric 0 was changed: dev eth9 instead of dev bn0",
        ),
        (Sysctl("net/x", "1"), Sysctl("net/x", "0"), "sysctl net/x was changed: 0 instead of 1"),
        (Process("dnsmasq", ()), None, "helper dnsmasq has ended"),
        (SET, replace(SET, elements=frozenset({"2", "3"})), "set inet netnsmgr_x s was changed: - 1, + 3"),
        (
            File("/x", "a\nsecret\n"),
            File("/x", "a\nSECRET\nb\n"),
            "file /x was changed: 3 lines instead of 2, the first difference in line 2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else str(getattr(value, "ref", value)),
)
def test_words(expected: Item, now: Item | None, words: str) -> None:
    assert sentence(Drift(expected.ref, expected, now)) == words
    if now is not None:
        assert "ecret" not in str(differences(expected, now)).lower()


def test_a_new_watch_has_seen_nothing() -> None:
    assert DriftWatch().seen == Seen()
