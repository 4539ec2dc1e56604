"""Plain scalars by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, in which ``no`` is false and ``11:22:33`` a number in base 60: country codes and
MAC addresses would not arrive as they were written.
"""

from __future__ import annotations

import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Python refuses to convert more digits than this (a defence against quadratic time): such a "number" stays text.
_MAX_DIGITS = 4000

Scalar = str | int | float | bool | None

_PREFIX = "tag:yaml.org,2002:"


def plain(value: str) -> Scalar:
    """Return what an unquoted, untagged scalar means."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] not in _NUMBER_START or len(value) > _MAX_DIGITS:
        return value
    if _INT.fullmatch(value):
        return int(value)
    if _OCTAL_OR_HEX.fullmatch(value):
        return int(value, 0)
    if _FLOAT.fullmatch(value):
        return float(value)
    if _SPECIAL.fullmatch(value):
        return float(value.replace(".", ""))
    return value


def tagged(tag: str, value: str) -> Scalar:
    """Return what a scalar with an explicit tag means; ValueError if the tag is unknown or does not fit."""
    if tag in {"!", _PREFIX + "str"}:
        return value
    found = plain(value)
    short = tag.removeprefix(_PREFIX)
    if short == "float" and type(found) is int:
        return float(found)
    kinds = {"null": type(None), "bool": bool, "int": int, "float": float}
    if tag != short and short in kinds:
        if type(found) is kinds[short]:
            return found
        raise ValueError(f"'{value}' is no {short} as its tag !!{short} says; leave the tag out")
    shown = tag if tag == short else f"!!{short}"
    raise ValueError(f"unknown tag {shown}; leave it out, or quote the text if it is meant")
