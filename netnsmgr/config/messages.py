"""What pydantic found wrong, in words that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netnsmgr.config.common import Model
from netnsmgr.config.tree import descend, fields, yaml_text


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?", or the known words, to be put behind "unknown … 'word'"."""
    words = list(known)
    if close := get_close_matches(word.lower(), [each.lower() for each in words], 1, 0.6):
        return f"; did you mean '{next(each for each in words if each.lower() == close[0])}'?"
    return f"; known are: {listed(words)}" if words else ""


def listed(words: Iterable[str], limit: int = 12) -> str:
    """Return words in a row, the first few of many."""
    all_words = sorted(words)
    rest = len(all_words) - limit
    return ", ".join(all_words[:limit]) + (f" … and {rest} more" if rest > 0 else "")


def said(kind: type[Model], fault: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and sentence of each error of a document of ``kind``."""
    for error in fault.errors(include_url=False):
        # pydantic counts only the good items of a list, and calls one of bad items alone too short.
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue
        yield place(error), words(kind, error)


def place(error: ErrorDetails) -> tuple[str | int, ...]:
    """Return the path of an error inside the document."""
    return tuple(step for step in error["loc"] if step != "[key]")


def words(kind: type[Model], error: ErrorDetails) -> str:
    """Return the sentence for one error of a document of ``kind``."""
    path, given, context = place(error), error["input"], error.get("ctx", {})
    sentence = _sentence(kind, path, error["type"], given, context)
    if sentence is None:
        sentence = error["msg"][:1].lower() + error["msg"][1:]
    if error["loc"] and error["loc"][-1] == "[key]":
        return f"key {sentence}"
    return sentence


def _sentence(
    kind: type[Model], path: tuple[str | int, ...], fault: str, given: Any, context: dict[str, Any]
) -> str | None:
    match fault:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            return _unknown(kind, path)
        case "missing":
            return _missing(kind, path)
        case "literal_error":
            return f"{_shown(given)} must be {context['expected']}{_meant(given, context['expected'])}"
        case "greater_than_equal":
            return f"{given} is too small; the least is {context['ge']}"
        case "less_than_equal":
            return f"{given} is too large; the most is {context['le']}"
        case "multiple_of":
            step = context["multiple_of"]
            return f"{given} is no multiple of {step}; write for example {max(given // step, 1) * step}"
        case "too_short":
            return f"the list is empty; give at least {context['min_length']}{_example(kind, path)}"
        case "too_long":
            return f"this version takes at most {context['max_length']} here, not {context['actual_length']}"
        case _ if given is None:
            return f"has no value; give one{_or_leave_out(kind, path)}{_example(kind, path)}"
        case "tuple_type":
            return f"must be a list; write [{_shown(given)}]" if _scalar(given) else "must be a list"
        case "model_type" | "model_attributes_type" | "dict_type":
            return _listed_below(kind, path, given) or (
                f"must be a mapping, not {_shown(given)}{_example(kind, path)}"
            )
        case "int_type":
            return f"must be a whole number, not {_shown(given)}"
        case "bool_type":
            return f"must be true or false, not {_shown(given)}"
        case "string_type":
            return (
                f'must be text; put it in quotes: "{yaml_text(given)}"' if _scalar(given) else "must be text"
            )
    return None


def _meant(given: Any, expected: str) -> str:
    """Return which of the words that may be here was meant, if it is near one of them."""
    near = suggest(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
    return near if "did you mean" in near else ""


def _unknown(kind: type[Model], path: tuple[str | int, ...]) -> str:
    name = str(path[-1])
    parent = descend(kind, path[:-1])
    return f"unknown field '{name}'" + suggest(name, fields(parent) if parent is not None else ())


def _missing(kind: type[Model], path: tuple[str | int, ...]) -> str:
    name = path[-1]
    parent = descend(kind, path[:-1])
    field = fields(parent).get(str(name)) if parent is not None else None
    example = f"; for example {name}: {field.example}" if field is not None and field.example else ""
    return f"required field '{name}' is missing{example}"


def _example(kind: type[Model], path: tuple[str | int, ...]) -> str:
    parent = descend(kind, path[:-1]) if path and isinstance(path[-1], str) else None
    field = fields(parent).get(str(path[-1])) if parent is not None else None
    return f", for example {field.example}" if field is not None and field.example else ""


def _or_leave_out(kind: type[Model], path: tuple[str | int, ...]) -> str:
    parent = descend(kind, path[:-1])
    field = fields(parent).get(str(path[-1])) if parent is not None and path else None
    return ", or leave the line out" if field is not None and not field.required else ""


def _listed_below(kind: type[Model], path: tuple[str | int, ...], given: Any) -> str:
    """Return what to write where a list stands in place of the mapping that holds it; empty if none does."""
    model = descend(kind, path) if isinstance(given, list) and path and isinstance(path[-1], str) else None
    required = [each for each in fields(model).values() if each.required] if model is not None else []
    if len(required) != 1 or not required[0].shape.startswith("list of"):
        return ""
    name = required[0].name
    return f"the list belongs below '{name}'; write {path[-1]}: {{{name}: […]}}"


def _scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _shown(value: object) -> str:
    """Return a value short enough to be part of a sentence."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) < 60 else f"'{value[:60]}…'"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return yaml_text(value)
