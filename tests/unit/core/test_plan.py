"""Planning: the rules of order, one by one, as text."""

from __future__ import annotations

import pytest

from netnsmgr.core.item import Ref
from netnsmgr.core.item import state as indexed
from netnsmgr.core.plan import Cycle, Plan, plan
from tests.unit.core.graph import Fact, State, refs, state, thing


def planned(current: State, intended: State, *, external: str = "") -> list[str]:
    text = str(plan(current, intended, refs(external)))
    return text.replace("t/", "").split("\n") if text else []


class TestOrder:
    def test_foundations_are_made_first(self) -> None:
        """A foundation is created before what stands on it."""
        assert planned({}, state(thing("a", on="b"), thing("b"))) == ["create b", "create a"]

    def test_what_is_followed_is_made_first_and_may_be_made_again_alone(self) -> None:
        """An item waits for what it follows, but does not go with it."""
        both = state(thing("a", behind="b"), thing("b"))
        assert planned({}, both) == ["create b", "create a"]
        assert planned(state(thing("a", behind="b")), both) == ["create b"]
        assert planned(both, state(thing("a", behind="b"), thing("b", hard=1))) == ["delete b", "create b"]
        assert planned({}, state(thing("a", behind="x"))) == ["create a"]

    def test_foundations_go_last(self) -> None:
        """A foundation is deleted after what stood on it."""
        assert planned(state(thing("a", on="b"), thing("b")), {}) == ["delete a", "delete b"]

    def test_nothing_to_do(self) -> None:
        """Equal states need no operation, and the plan is false."""
        same = state(thing("a", on="b"), thing("b"))
        assert planned(same, same) == []
        assert not plan(same, same)

    def test_a_change_in_place_disturbs_nobody(self) -> None:
        """What stands on an item that is modified in place is left alone."""
        user = thing("a", on="b")
        assert planned(state(user, thing("b")), state(user, thing("b", soft=1))) == ["modify b"]

    def test_a_replaced_foundation_takes_its_users_along(self) -> None:
        """All that stands on a replaced item, at any height, goes before it and comes back after it."""
        users = [thing("a", on="b"), thing("b", on="c")]
        assert planned(state(*users, thing("c")), state(*users, thing("c", hard=1))) == [
            "delete a", "delete b", "delete c", "create c", "create b", "create a",
        ]  # fmt: skip

    def test_a_removed_item_outlives_its_last_user(self) -> None:
        """An item is deleted only when its user has moved over to what replaces it: there is no gap."""
        before, after = state(thing("a", on="x"), thing("x")), state(thing("a", on="y"), thing("y"))
        assert planned(before, after) == ["create y", "modify a", "delete x"]

    def test_a_user_that_is_replaced_leaves_before_its_old_foundation(self) -> None:
        """A user that moves and has to be replaced goes, then its old foundation may; the new one is there first."""
        before = state(thing("a", on="x"), thing("x"))
        after = state(thing("a", on="y", hard=1), thing("y"))
        order = planned(before, after)
        assert sorted(order) == ["create a", "create y", "delete a", "delete x"]
        assert order.index("delete a") < order.index("delete x")
        assert max(order.index("create y"), order.index("delete a")) < order.index("create a")

    def test_the_order_is_always_the_same(self) -> None:
        """The same states give the same text, however they were put together."""
        items = [thing("a", on="cd"), thing("b", on="d"), thing("c"), thing("d")]
        assert str(plan({}, state(*items))) == str(plan({}, state(*reversed(items))))


class TestMissing:
    def test_blocked_items_are_left_out_and_told(self) -> None:
        """What lacks a foundation is not made, nor what stands on it; each is reported with what it lacks."""
        todo = plan({}, state(thing("a", on="xb"), thing("b"), thing("c", on="a")))
        assert str(todo) == "create t/b"
        assert todo.blocked == {Ref("t", "a"): refs("x"), Ref("t", "c"): refs("a")}

    def test_a_blocked_item_that_exists_is_removed(self) -> None:
        """An item that lost its foundation for good does not stay behind, standing on nothing."""
        same = state(thing("a", on="x"))
        assert planned(same, same) == ["delete a"]

    def test_a_fact_that_holds_is_stood_upon(self) -> None:
        """A fact of somebody else supports items, and no operation touches it."""
        assert planned({}, state(Fact("x"), thing("a", on="x")), external="x") == ["create a"]
        assert planned({}, state(thing("a", on="x")), external="x") == ["create a"]

    def test_a_fact_that_does_not_hold_blocks(self) -> None:
        """A fact that is not there is reported as lacking itself, which tells it from what waits for it."""
        todo = plan({}, state(Fact("x"), thing("a", on="x")))
        assert not todo
        assert todo.blocked == {Ref("t", "x"): refs("x"), Ref("t", "a"): refs("x")}

    def test_a_vanished_foundation_replaces_what_stood_on_it(self) -> None:
        """An item looks intact, but its foundation is gone and is made again: so are the item and its users."""
        users = [thing("a", on="b"), thing("b", on="c")]
        assert planned(state(*users), state(*users, thing("c"))) == [
            "create c", "delete a", "delete b", "create b", "create a",
        ]  # fmt: skip

    def test_a_vanished_foundation_counts_for_a_changed_item_too(self) -> None:
        """That an item is to be changed in place does not save it: what it stood on is another one now."""
        before, after = state(thing("a", on="c")), state(thing("a", on="c", soft=1), thing("c"))
        assert planned(before, after) == ["create c", "delete a", "create a"]

    def test_an_item_may_move_from_a_vanished_foundation_to_a_new_one(self) -> None:
        """An item that shall stand on something else is moved in place, though its old foundation is gone."""
        before, after = state(thing("a", on="x")), state(thing("a", on="y"), thing("y"))
        assert planned(before, after) == ["create y", "modify a"]


class TestDefects:
    def test_a_cycle_is_an_error_that_names_it(self) -> None:
        """Items that stand on each other in a circle are a defect, and the error shows the circle."""
        with pytest.raises(Cycle, match=r"create t/a -> create t/b|create t/b -> create t/a"):
            plan({}, state(thing("a", on="b"), thing("b", on="a")))

    def test_one_name_has_one_meaning(self) -> None:
        """Two different items under one name are an error; the same item twice is one."""
        assert len(indexed([thing("a"), thing("a")])) == 1
        with pytest.raises(ValueError, match="t/a is wanted twice"):
            indexed([thing("a"), thing("a", soft=1)])


def test_the_plan_says_whom_it_disturbs() -> None:
    """``replaced`` names what is taken down and brought back, and not what is made, changed or removed."""
    before = state(thing("a", on="b"), thing("b"), thing("c"), thing("d"))
    after = state(thing("a", on="b"), thing("b", hard=1), thing("c", soft=1), thing("e"))
    todo: Plan = plan(before, after)
    assert list(map(str, todo.replaced())) == ["t/a", "t/b"]
