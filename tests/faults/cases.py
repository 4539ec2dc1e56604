"""What is done to the state directory, and what has to be there afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from netnsmgr.errors import NetnsmgrError
from netnsmgr.kernel.key_files import generate
from netnsmgr.pubsub.store import Meta, State, Store, Stored
from netnsmgr.supervisor.numbers import NumbersFile

NI = "NetworkInstanceConfig"
META = Meta(1000.5, "zedbox", "apply")
DONE, FAILED, WRONG = 0, 1, 2
"""What the work says of itself: it is done; it could not be done and says so; it did something else."""


class Case(NamedTuple):
    """``work`` is done below a directory that ``prepare`` has filled; ``judge`` says what is wrong then.

    ``judge`` is given the directory, how the work ended (None: it was killed, or power went) and whether the disk
    could not be read once.
    """

    name: str
    prepare: Callable[[Path], None]
    work: Callable[[Path], int]
    judge: Callable[[Path, int | None, bool], str]
    synced: bool = True
    """False: what it writes is not for after a power failure."""


def state(n: int, writer: str = "zedbox") -> State:
    return State(n, {NI: {"ni1": Stored(writer, {"n": n})}})


def _saved(*states: State) -> Callable[[Path], None]:
    def prepare(root: Path) -> None:
        store = Store(root / "state")
        for each in states:
            store.save(each, META)

    return prepare


def _save(new: State) -> Callable[[Path], int]:
    def work(root: Path) -> int:
        try:
            Store(root / "state").save(new, META)
        except OSError:
            return FAILED
        return DONE

    return work


def _one_of(old: State, new: State, *, either: bool = False) -> Callable[[Path, int | None, bool], str]:
    """The old state or the new one, and which of them, if somebody was told; and the next one can be saved.

    ``either``: also if it failed.
    """

    def judge(root: Path, ended: int | None, _unread: bool) -> str:
        allowed = {DONE: [new], FAILED: [old, new] if either else [old]}.get(-1 if ended is None else ended)
        store = Store(root / "state")
        if (found := store.load()) not in (allowed or [old, new]):
            return f"{found}; {store.damage}"
        after = state(9)
        store.save(after, META)
        return "" if Store(root / "state").load() == after else "and nothing can be saved any more"

    return judge


def _load(expected: State) -> Callable[[Path], int]:
    def work(root: Path) -> int:
        try:
            found = Store(root / "state").load()
        except NetnsmgrError:
            return FAILED
        return DONE if found in (expected, _incomplete(found, expected)) else WRONG

    return work


def _incomplete(found: State, expected: State) -> State:
    """The same rows, known to be perhaps not all, and with a number that no state has had."""
    return State(max(found.revision, expected.revision), expected.rows, complete=False)


def _still(expected: State, *fallbacks: State) -> Callable[[Path, int | None, bool], str]:
    """The state is the one that has to be found; where the disk could not be read, what was before, as incomplete."""

    def judge(root: Path, ended: int | None, unread: bool) -> str:
        if ended == WRONG and not unread:
            return "it loaded something else"
        store = Store(root / "state")
        found = store.load()
        if found == expected or (
            found.rows == expected.rows and not found.complete and not expected.complete
        ):
            return ""
        if unread and not found.complete and found.rows in [each.rows for each in (expected, *fallbacks)]:
            return ""
        return f"{found}; {store.damage}"

    return judge


def _form1(*, damaged: bool = False) -> Callable[[Path], None]:
    def prepare(root: Path) -> None:
        directory = root / "state"
        directory.mkdir()
        for name, n in ("rows.json", 2), ("rows.json.bak", 1):
            document = {"version": 1, "revision": n, "complete": True, "rows": state(n).rows}
            (directory / name).write_text("" if damaged and n == 2 else json.dumps(document))

    return prepare


def _damaged(root: Path) -> None:
    _saved(state(1), state(2))(root)
    os.truncate(root / "state/revisions/0000000002.jsonl", 50)


KEY = "state/secrets/ni1/private.key"


def _key(root: Path) -> int:
    try:
        generate(str(root / KEY))
    except OSError:
        return FAILED
    return DONE


def _whole_or_none(root: Path, ended: int | None, _unread: bool) -> str:
    size = (root / KEY).stat().st_size if (root / KEY).exists() else 0
    if size != 45 and (size or ended == DONE):
        return f"the key has {size} bytes"
    (root / "state").mkdir(exist_ok=True)
    generate(str(root / KEY))  # another one may be made, if there is none
    return "" if (root / KEY).stat().st_size == 45 else "and none can be made any more"


NUMBERS = {"ni1": 0}


def _numbers(numbers: dict[str, int]) -> Callable[[Path], int]:
    def work(root: Path) -> int:
        NumbersFile(str(root / "run"), str(root / "state")).write(numbers)
        return DONE

    return work


def _numbered(root: Path) -> None:
    for name in "run", "state":
        (root / name).mkdir()
    _numbers(NUMBERS)(root)


def _old_or_new_numbers(root: Path, ended: int | None, _unread: bool) -> str:
    """After a power failure there may be none: of what they numbered nothing is left then."""
    found = NumbersFile(str(root / "run"), str(root / "state")).read()
    new = {**NUMBERS, "ni2": 1}
    allowed = [new] if ended == DONE else [NUMBERS, new]
    return "" if found in allowed else f"{found}"


def _nothing(_root: Path) -> None:
    pass


CASES = (
    Case("the first revision", _nothing, _save(state(1)), _one_of(State(), state(1))),
    Case("a revision", _saved(state(1)), _save(state(2)), _one_of(state(1), state(2))),
    Case(
        "the same revision again",
        _saved(state(1), state(2)),
        _save(state(2, "operator")),
        _one_of(state(2), state(2, "operator"), either=True),
    ),
    Case("a start", _saved(state(1), state(2)), _load(state(2)), _still(state(2), state(1))),
    Case(
        "a start with a damaged file", _damaged, _load(State(3, state(1).rows, complete=False)),
        _still(State(3, state(1).rows, complete=False), State()),
    ),
    Case("form 1 taken over", _form1(), _load(state(2)), _still(state(2), state(1), State())),
    Case(
        "form 1 damaged and taken over", _form1(damaged=True), _load(State(2, state(1).rows, complete=False)),
        _still(State(2, state(1).rows, complete=False), State()),
    ),
    Case("a WireGuard key", lambda root: (root / "state").mkdir(), _key, _whole_or_none),
    Case("numbers", _numbered, _numbers({**NUMBERS, "ni2": 1}), _old_or_new_numbers, synced=False),
)  # fmt: skip
