"""Documents into a configuration: each validated by its model, then all of them against each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from netnsmgr.config.app import App
from netnsmgr.config.common import API_VERSION
from netnsmgr.config.device import Device
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.messages import said, suggest
from netnsmgr.config.rules.acl import acl_rules
from netnsmgr.config.rules.app import app_rules
from netnsmgr.config.rules.device import device_rules
from netnsmgr.config.rules.identity6 import identity6_rules
from netnsmgr.config.rules.instance import instance_rules
from netnsmgr.config.rules.layer2 import layer2_rules
from netnsmgr.config.rules.onlink6 import onlink6_rules
from netnsmgr.config.rules.outer6 import outer6_rules
from netnsmgr.config.rules.reserved import reserved_rules
from netnsmgr.config.rules.scope import Scope
from netnsmgr.config.rules.switch import switch_rules
from netnsmgr.config.rules.vlan import vlan_rules
from netnsmgr.config.rules.vpn import vpn_rules
from netnsmgr.config.whole import KINDS, TABLES, Config
from netnsmgr.core.agreed import SWITCH
from netnsmgr.errors import Problem

Value = Device | NetworkInstance | App

RULES: tuple[Callable[[Scope], Iterator[Problem]], ...] = (
    device_rules,
    instance_rules,
    layer2_rules,
    switch_rules,
    vlan_rules,
    onlink6_rules,
    outer6_rules,
    reserved_rules,
    app_rules,
    identity6_rules,
    acl_rules,
    vpn_rules,
)


def check(
    documents: Sequence[Mapping[str, Any]],
    existing: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    gone: Collection[str] = (),
) -> tuple[Config, list[Problem]]:
    """Return the configuration that ``documents`` make of ``existing``, and everything wrong with it.

    ``existing`` is table → key → document, as the hub stores it; a document replaces the existing one of its
    kind and name.  To check a deletion, pass what remains as ``existing`` and no documents, and in ``gone``
    the names of Devices that are deleted: without a Device nothing is known of ports, unless there was one.  A problem's
    ``document`` is the index in ``documents``; for a document that was applied before it is -1, and the
    message names the document.  The configuration is to be used only if there is no problem; what is wrong
    in itself is not in it.
    """
    problems: list[Problem] = []
    values: dict[tuple[str, str], Value] = {}
    index: dict[tuple[str, str], int] = {}
    names: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for number, document in enumerate(documents):
        kind = _kind(document, number, problems)
        if kind is None:
            continue
        value = _validate(KINDS[kind], document, number, problems)
        name = _name(document)
        if name is None:
            continue
        names[kind].add(name)
        if (kind, name) in index:
            problems.append(
                Problem(
                    f"duplicate {kind} '{name}' in what is being applied; rename or remove one",
                    ("metadata", "name"),
                    number,
                )
            )
            continue
        index[kind, name] = number
        if value is not None:
            values[kind, name] = value
    merged = _existing(existing, index, names, problems) | values
    problems += _one_device(names["Device"], index)
    config = _config(merged)
    scope = Scope(config, index, names, gone)
    for rule in RULES:
        problems += rule(scope)
    return config, problems


def check_alone(document: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a document in itself, whatever others there are."""
    problems: list[Problem] = []
    kind = _kind(document, 0, problems)
    if kind is not None:
        _validate(KINDS[kind], document, 0, problems)
    return problems


def _existing(
    existing: Mapping[str, Mapping[str, Mapping[str, Any]]],
    index: Mapping[tuple[str, str], int],
    names: dict[str, set[str]],
    problems: list[Problem],
) -> dict[tuple[str, str], Value]:
    """Return the documents that were applied before and are not replaced now."""
    values: dict[tuple[str, str], Value] = {}
    for kind, table in TABLES.items():
        for name, document in existing.get(table, {}).items():
            if (kind, name) in index:
                continue
            names[kind].add(name)
            found: list[Problem] = []
            value = _validate(KINDS[kind], document, -1, found)
            problems += [
                Problem(f"{kind} '{name}', applied before: {problem.what}", problem.where, -1)
                for problem in found
            ]
            if value is not None:
                values[kind, name] = value
    return values


def _kind(document: object, number: int, problems: list[Problem]) -> str | None:
    """Check the envelope; return the kind if it is one of ours."""
    if not isinstance(document, Mapping):
        what = "a document must be a mapping with apiVersion, kind, metadata and spec"
        problems.append(Problem(what, (), number))
        return None
    version = document.get("apiVersion")
    if version is None:
        what = f"required field 'apiVersion' is missing; write apiVersion: {API_VERSION}"
        problems.append(Problem(what, ("apiVersion",), number))
    elif version != API_VERSION:
        what = f"'{version}' is not a version of this format; write {API_VERSION}"
        problems.append(Problem(what, ("apiVersion",), number))
    kind = document.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return kind
    if kind is None:
        what = f"required field 'kind' is missing; write one of {', '.join(KINDS)}"
    elif str(kind).lower() == "switch":
        what = f"unknown kind '{kind}': {SWITCH}; write kind: NetworkInstance"
    else:
        what = f"unknown kind '{kind}'{suggest(str(kind), KINDS)}"
    problems.append(Problem(what, ("kind",), number))
    return None


def _name(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else None


def _validate(
    kind: type[Value], document: Mapping[str, Any], number: int, problems: list[Problem]
) -> Value | None:
    """Return the document's value, or None after appending all that is wrong with it."""
    try:
        # By alias only: one spelling for each field, although Python code may use the other.
        return kind.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as fault:
        for path, what in said(kind, fault):
            if path != ("apiVersion",):  # said by `_kind`
                problems.append(Problem(what, path, number))
        return None


def _one_device(devices: set[str], index: Mapping[tuple[str, str], int]) -> Iterator[Problem]:
    """Yield a problem for each Device but one: the one applied before, or else the first."""
    if len(devices) < 2:
        return
    new = sorted(
        (name for name in devices if ("Device", name) in index), key=lambda name: index["Device", name]
    )
    kept = next(iter(sorted(devices - set(new))), new[0] if new else "")
    for name in new:
        if name != kept:
            what = (
                f"there can be only one Device, and '{kept}' is one already; use its name, or delete it first"
            )
            yield Problem(what, ("metadata", "name"), index["Device", name])


def _config(values: Mapping[tuple[str, str], Value]) -> Config:
    device: Device | None = None
    instances: dict[str, NetworkInstance] = {}
    apps: dict[str, App] = {}
    for value in values.values():
        match value:
            case Device():
                device = device or value
            case NetworkInstance():
                instances[value.name] = value
            case App():
                apps[value.name] = value
    return Config(device, instances, apps)
