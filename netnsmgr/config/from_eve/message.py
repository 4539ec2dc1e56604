"""One message of EVE's protocol buffers as its JSON has it: read field by field, by either spelling of a name.

The mapping is protobuf's own (https://protobuf.dev/programming-guides/json/): names as in the .proto file or in
lowerCamelCase, enumerations by name or number, 64-bit integers as text, null for what is not set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from netnsmgr.config.from_eve.fields import DEPRECATED, UNKNOWN, Kind
from netnsmgr.config.from_eve.report import Report, Where
from netnsmgr.config.from_eve.text import shown

T = TypeVar("T")

NIL_UUID = "00000000-0000-0000-0000-000000000000"
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_UNPRINTABLE = re.compile(r"[^ -~]")


class Message:
    """A message, and where it stands; what has the wrong type is reported, and read as if it were not set."""

    def __init__(self, report: Report, kind: Kind, value: Any, where: Where) -> None:
        self.report, self.where = report, where
        self._values: dict[str, tuple[str, Any]] = {}
        if value is not None and not isinstance(value, dict):
            report.wrong(where, f"must be an object {{…}}, not {_type(value)}")
        for key, inner in value.items() if isinstance(value, dict) else ():
            name = camel(key)
            if name in self._values:
                self.wrong(name, "is there twice, in both spellings; keep one", key)
            elif name in kind.read:
                self._values[name] = key, inner
            elif inner not in (None, False, 0, "", [], {}):
                self._left(kind, name, key)

    def _left(self, kind: Kind, name: str, key: str) -> None:
        why = kind.left.get(name, DEPRECATED if name in kind.deprecated else UNKNOWN)
        # The name of an unknown field may be anything.
        known = why != UNKNOWN or (len(key) <= 40 and not _UNPRINTABLE.search(key))
        where = (*self.where, key) if known else self.where
        self.report.left(where, why)

    def __bool__(self) -> bool:
        return bool(self._values)

    def place(self, name: str = "") -> Where:
        """Return where a field is, as its author spelled it; without a name, where the message is."""
        return (*self.where, self._values[name][0] if name in self._values else name) if name else self.where

    def wrong(self, name: str, what: str, key: str = "") -> None:
        """Report a fault of a field."""
        self.report.wrong((*self.where, key) if key else self.place(name), what)

    def note(self, name: str, what: str) -> None:
        """Note something of a field."""
        self.report.note(self.place(name), what)

    def has(self, name: str) -> bool:
        """Whether a field is set."""
        return self._values.get(name, ("", None))[1] is not None

    # --- fields by their type; each is the type's default where it is not set ------------------------------

    def text(self, name: str) -> str:
        """Return a string field."""
        return self._of(name, str, "a text", "")

    def flag(self, name: str) -> bool:
        """Return a boolean field."""
        return self._of(name, bool, "true or false", False)

    def number(self, name: str) -> int:
        """Return an integer field of 32 bits."""
        return self._integer(name, self._raw(name))

    def choice(self, name: str, known: Mapping[int, str]) -> str:
        """Return an enumeration's name; of a number that has none here, the number."""
        value = self._raw(name)
        if isinstance(value, str) and not _INTEGER.fullmatch(value):
            if value not in known.values():
                names = ", ".join(known.values())
                self.wrong(name, f"{shown(value)} is none of this enumeration: {names}, or their numbers")
            return value
        number = self._integer(name, value)
        return known.get(number, str(number))

    def message(self, name: str, kind: Kind) -> Message:
        """Return a message field; an empty one where it is not set."""
        return Message(self.report, kind, self._raw(name), self.place(name))

    def messages(self, name: str, kind: Kind) -> list[Message]:
        """Return a repeated message field."""
        return [Message(self.report, kind, each, (*self.place(name), n)) for n, each in self._list(name)]

    def texts(self, name: str) -> list[str]:
        """Return a repeated string field."""
        found = []
        for n, each in self._list(name):
            if isinstance(each, str):
                found.append(each)
            else:
                self.report.wrong((*self.place(name), n), f"must be a text, not {_type(each)}")
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """Return a field that maps texts to texts."""
        value = self._of(name, dict, "an object {…}", {})
        for key, each in value.items():
            if not isinstance(each, str):
                self.report.wrong((*self.place(name), key), f"must be a text, not {_type(each)}")
        return {key: each for key, each in value.items() if isinstance(each, str)}

    def read(self, name: str, reader: Callable[[str], T]) -> T | None:
        """Return what a reader of `config` makes of a string field; None where it is not set, or not right."""
        return self.reading(name, self.text(name), reader)

    def reading(self, name: str, value: str, reader: Callable[[str], T], *more: int) -> T | None:
        """Return what a reader makes of a value that is in a field, or in an element of it."""
        try:
            return reader(value) if value else None
        except ValueError as fault:
            what = _UNPRINTABLE.sub(lambda found: found[0] if found[0].isprintable() else "?", str(fault))
            self.report.wrong((*self.place(name), *more), what if len(what) < 400 else f"{what[:400]}…")
            return None

    # ---------------------------------------------------------------------------------------------------------

    def _raw(self, name: str) -> Any:
        return self._values.get(name, ("", None))[1]

    def _of(self, name: str, kind: type[T], called: str, default: T) -> T:
        value = self._raw(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            self.wrong(name, f"must be {called}, not {_type(value)}")
            return default
        return value

    def _integer(self, name: str, value: Any) -> int:
        if value is None:
            return 0
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, f"must be a whole number, not {_type(value)}".removesuffix(", not a number"))
            return 0
        if not -(2**31) <= value < 2**32:
            self.wrong(name, "is no number of 32 bits")
            return 0
        return value

    def _list(self, name: str) -> Iterator[tuple[int, Any]]:
        yield from enumerate(self._of(name, list, "a list […]", []))


def camel(key: str) -> str:
    """Return a field's name in lowerCamelCase, as protobuf makes it of the name in the .proto file."""
    return re.sub(r"_+([A-Za-z0-9])", lambda found: found[1].upper(), key)


def _type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
