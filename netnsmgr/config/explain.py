"""The models as documentation: what `netnsmgr explain` prints, and a JSON Schema for editors."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from netnsmgr.config.common import API_VERSION, Model
from netnsmgr.config.messages import suggest
from netnsmgr.config.tree import FieldDoc, fields
from netnsmgr.config.whole import KINDS
from netnsmgr.core.agreed import SWITCH
from netnsmgr.errors import ConfigError, Problem

_WIDTH = 88
_FEW = 3
_SHORT_NAMES = {"ni": "NetworkInstance", "dev": "Device"}


def explain(path: str = "") -> str:
    """Return the documentation of a kind or a field, such as ``network-instance.spec.dhcp``.

    Kinds and fields may be written in any case, with or without hyphens.  Without a path: the kinds.
    Raises ConfigError with the valid names for a wrong path.
    """
    steps = [re.sub(r"\[\d*\]$", "", step) for step in path.strip().strip(".").split(".") if step]
    if not steps:
        return _kinds()
    kind = _find_kind(steps)
    model: type[Model] | None = KINDS[kind]
    field: FieldDoc | None = None
    at = kind
    for step in steps[1:]:
        children = fields(model) if model is not None else {}
        field = next((child for name, child in children.items() if _same(name, step)), None)
        if field is None:
            what = f"{at} has no field '{step}'" + (
                suggest(step, children) + f"\nIts fields: {', '.join(children)}"
                if children
                else ": it has none"
            )
            raise ConfigError([Problem(what)])
        at, model = f"{at}.{field.name}", field.model
    return _page(kind, at, field, model)


def json_schema() -> dict[str, Any]:
    """Return one JSON Schema (draft 2020-12) for a document of any kind."""
    models = list(KINDS.values())
    refs, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions = schema["$defs"]
    for model in models:
        # The models give the envelope's constants a default; in a file they are required.
        definition = definitions[refs[model, "validation"]["$ref"].rsplit("/", 1)[1]]
        definition["required"] = sorted({*definition.get("required", ()), "apiVersion", "kind", "metadata"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A document of {API_VERSION}",
        "oneOf": [refs[model, "validation"] for model in models],
        "$defs": definitions,
    }


def _find_kind(steps: list[str]) -> str:
    word = steps[0]
    wanted = _SHORT_NAMES.get(word.lower(), word)
    for kind in KINDS:
        if _same(kind, wanted) or _same(f"{kind}s", wanted):
            return kind
    if word.lower() in ("switch", "switches"):
        raise ConfigError([Problem(f"unknown kind '{word}': {SWITCH}; write ni")])
    known = f"the kinds are {', '.join(KINDS)}"
    if paths := list(_ending(steps))[:_FEW]:
        raise ConfigError(
            [Problem(f"unknown kind '{word}'; did you mean {' or '.join(paths)}? Otherwise {known}")]
        )
    raise ConfigError([Problem(f"unknown kind '{word}'; {known}")])


def _ending(steps: list[str]) -> Iterator[str]:
    """Yield the paths of all fields that end in the given steps, as they may be written here."""

    def below(path: list[str], model: type[Model]) -> Iterator[str]:
        for name, child in fields(model).items():
            here = [*path, name]
            if len(here) > len(steps) and all(
                _same(a, b) for a, b in zip(here[-len(steps) :], steps, strict=True)
            ):
                yield ".".join(here)
            if child.model is not None:
                yield from below(here, child.model)

    for kind, model in KINDS.items():
        yield from below([re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower()], model)


def _same(name: str, written: str) -> bool:
    return name.lower() == re.sub(r"[-_]", "", written).lower()


def _kinds() -> str:
    lines = [f"VERSION:  {API_VERSION}", "", "KINDS:"]
    for kind, model in KINDS.items():
        lines += [f"  {kind}", *_wrapped(_doc(model), 6), ""]
    return "\n".join(lines).rstrip() + "\n"


def _page(kind: str, at: str, field: FieldDoc | None, model: type[Model] | None) -> str:
    lines = [f"KIND:     {kind}", f"VERSION:  {API_VERSION}"]
    if field is not None:
        lines += [f"FIELD:    {at} <{field.shape}>" + (" (required)" if field.required else "")]
    description = field.description if field is not None else _doc(KINDS[kind])
    lines += ["", "DESCRIPTION:", *_wrapped(description, 4), *(_facts(field, 4) if field is not None else ())]
    if model is not None:
        lines += ["", "FIELDS:"]
        for child in fields(model).values():
            required = " (required)" if child.required else ""
            lines += [f"  {child.name} <{child.shape}>{required}", *_wrapped(child.description, 6)]
            lines += [*_facts(child, 6), ""]
    return "\n".join(lines).rstrip() + "\n"


def _facts(field: FieldDoc, indent: int) -> list[str]:
    """Return default and example, where there are any."""
    pad = " " * indent
    facts = [f"{pad}Default: {field.default}"] if field.default else []
    return facts + ([f"{pad}Example: {field.name}: {field.example}"] if field.example else [])


def _doc(model: type[Model]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _wrapped(text: str, indent: int) -> list[str]:
    pad = " " * indent
    return textwrap.wrap(text, _WIDTH, initial_indent=pad, subsequent_indent=pad)
