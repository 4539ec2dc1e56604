"""The models as a tree of fields: what `explain` prints, and where messages find what would have been right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from netnsmgr.config.common import Model, Shown
from netnsmgr.core.ip import IPAddress, IPInterface, IPNetwork

_NAMES: dict[object, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    IPv4Address: "IPv4 address",
    IPv4Network: "IPv4 network",
    IPv6Address: "IPv6 address",
    IPv6Network: "IPv6 network",
    IPAddress: "IP address",
    IPNetwork: "IP network",
    IPInterface: "IP address/prefix length",
}


@dataclass(frozen=True)
class FieldDoc:
    """One field as a user sees it."""

    name: str
    shape: str
    required: bool
    default: str
    description: str
    example: str
    model: type[Model] | None
    """The model of the value, or of each of the values in a list, if it has fields of its own."""


def fields(model: type[Model]) -> dict[str, FieldDoc]:
    """Return the fields of a model by their YAML names, in the order of their declaration."""
    found = {}
    for attribute, info in model.model_fields.items():
        name = info.alias or attribute
        shown, inner = _shown(info.metadata) or _type(info.annotation)
        found[name] = FieldDoc(
            name=name,
            shape=shown,
            # The models give the envelope's constants a default, so that Python code need not repeat them.
            required=info.is_required() or name in {"apiVersion", "kind"},
            default=_default(info) if name not in {"apiVersion", "kind"} else "",
            description=" ".join((info.description or "").split()),
            example=yaml_text(info.examples[0]) if info.examples else "",
            model=inner,
        )
    return found


def descend(model: type[Model], path: tuple[str | int, ...]) -> type[Model] | None:
    """Return the model at ``path`` below ``model``, or None where there is none."""
    here: type[Model] | None = model
    key = False
    for step in path:
        if here is None:
            return None
        if key or isinstance(step, int):
            key = False  # somebody's own word, or a place in a list: its value is what the field holds
            continue
        child = fields(here).get(step)
        here = child.model if child is not None else None
        key = child is not None and child.shape.startswith("map of")
    return here


def yaml_text(value: object) -> str:
    """Return plain values in YAML's flow style, as in the examples."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key}: {yaml_text(inner)}" for key, inner in value.items()) + "}"
        case list() | set() | frozenset():
            return "[" + ", ".join(map(yaml_text, value)) + "]"
        case _:
            return str(value)


def _shown(metadata: Iterable[Any]) -> tuple[str, type[Model] | None] | None:
    """Return what an annotation says of itself."""
    return next(((each.shape, each.model) for each in metadata if isinstance(each, Shown)), None)


def _type(annotation: Any) -> tuple[str, type[Model] | None]:
    """Return how a type is called, and the model within it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shown(args[1:]) or _type(args[0])
    if annotation in _NAMES:
        return _NAMES[annotation], None
    if origin in {Union, UnionType}:
        return _type(next(arg for arg in args if arg is not NoneType))
    if origin is tuple:
        shown, model = _type(args[0])
        return f"list of {shown}", model
    if origin is dict:
        shown, model = _type(args[1])
        return f"map of string to {shown}", model
    if origin is Literal:
        return " or ".join(map(yaml_text, args)), None
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return "object", annotation
    return _NAMES.get(annotation, "string"), None


def _default(info: FieldInfo) -> str:
    if info.is_required() or info.default in (None, (), {}) or isinstance(info.default, Model):
        return ""
    return yaml_text(list(info.default) if isinstance(info.default, tuple) else info.default)
