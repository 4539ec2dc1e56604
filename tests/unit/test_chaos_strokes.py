"""A seed alone says who is killed when, and every kind of process has its turn."""

from __future__ import annotations

from itertools import islice

from tests.chaos.strokes import LONGEST, Stroke, strokes

TARGETS = {
    "agent": [("agent", "ni1"), ("agent", "ni2")],
    "agent of what changes": [("agent", "x1")],
    "dnsmasq": [("dnsmasq", "ni1")],
    "supervisor": [("supervisor", "")],
}
FORMS = {"x1": 2, "x2": 1}


def drawn(seed: int, number: int) -> list[Stroke]:
    return list(islice(strokes(seed, TARGETS, FORMS), number))


def test_a_seed_repeats_everything() -> None:
    assert drawn(7, 40) == drawn(7, 40)
    assert drawn(7, 40) != drawn(8, 40)


def test_each_kind_once_before_any_again() -> None:
    found = drawn(7, 40)
    for start in range(0, 40, 4):
        roles = sorted((each.role, each.where == "x1") for each in found[start : start + 4])
        assert roles == [("agent", False), ("agent", True), ("dnsmasq", False), ("supervisor", False)]


def test_a_change_is_one() -> None:
    """Each is to another form than before, and who is killed as an agent of what changes is of what is being changed."""
    state = dict.fromkeys(FORMS, 0)
    found = drawn(7, 200)
    for each in found:
        if each.change is not None:
            name, form = each.change
            assert state[name] != form <= FORMS[name]
            state[name] = form
        assert each.where not in FORMS or (each.change or ("",))[0] == each.where
        assert 0.0 <= each.delay <= LONGEST
    assert 20 < len([each for each in found if each.change is None]) < 100
