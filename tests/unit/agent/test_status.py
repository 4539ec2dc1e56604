"""What an agent says about itself, from the outcome of its passes."""

from __future__ import annotations

from netnsmgr.agent.reconciler import ItemState, Outcome
from netnsmgr.agent.status import complete, items_of, reasons
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.items.link import Bridge, ExternalLink, ExternalNetns, Veth

BRIDGE = Bridge("bn0", 1500)
PORT = ExternalLink("eth7")
APP = ExternalNetns("app1", "/run/netns/app1")
VETH = Veth("app1.eth0", 1500, master="bn0", far_netns="app1")


def outcome(states: dict[Item, ItemState]) -> Outcome:
    return Outcome({item.ref: how for item, how in states.items()}, state(states))


WAITING = outcome(
    {
        PORT: ItemState("pending"),
        APP: ItemState("pending"),
        VETH: ItemState("pending", ["netns/app1"]),
        BRIDGE: ItemState("failed", error="bridge bn0: Operation not supported"),
    }
)


class TestReasons:
    def test_name_the_roots(self) -> None:
        """What is missing and what failed is said in words; what only waits for them is not."""
        assert reasons(WAITING, WAITING.states) == [
            "failed: link/bn0: bridge bn0: Operation not supported",
            "pending: link eth7",
            "pending: network namespace app1",
        ]

    def test_use_the_users_names(self) -> None:
        """A fact that has a name in the configuration is called by it."""
        assert reasons(WAITING, [PORT.ref], {PORT.ref: "port lte"}) == ["pending: port lte"]

    def test_are_of_the_items_asked_for(self) -> None:
        """Items of others, and items that nobody has seen yet, give no reason."""
        assert reasons(WAITING, [VETH.ref, Ref("link", "unheard of")]) == []

    def test_what_waits_for_a_failure_is_no_root(self) -> None:
        """An operation that was not tried, since another failed, is not named beside it."""
        assert (
            reasons(
                outcome({VETH: ItemState("pending", error="waits for something that failed")}), [VETH.ref]
            )
            == []
        )


class TestComplete:
    def test_when_all_are_there(self) -> None:
        """Items that are created, and facts that hold, are complete; and so is nothing at all."""
        done = outcome({BRIDGE: ItemState("created"), PORT: ItemState("external")})
        assert complete(done, [BRIDGE, PORT])
        assert complete(done, [])

    def test_not_while_something_is_under_way_or_unknown(self) -> None:
        """Any other state, or none, is not complete."""
        for how in ("pending", "creating", "modifying", "deleting", "failed"):
            assert not complete(outcome({BRIDGE: ItemState(how)}), [BRIDGE])
        assert not complete(outcome({}), [BRIDGE])


def test_items_are_rows_in_a_fixed_order() -> None:
    """Each item has its state, what it stands on, what it lacks and its error, where it has any; sorted, so that
    equal states give equal rows."""
    rows = items_of(WAITING, reversed(list(WAITING.states)))
    assert rows == [
        {
            "ref": "link/app1.eth0",
            "state": "pending",
            "deps": ["link/bn0", "netns/app1"],
            "lacks": ["netns/app1"],
        },
        {"ref": "link/bn0", "state": "failed", "error": "bridge bn0: Operation not supported"},
        {"ref": "link/eth7", "state": "pending"},
        {"ref": "netns/app1", "state": "pending"},
    ]
    assert items_of(WAITING, [Ref("link", "unheard of")]) == []
