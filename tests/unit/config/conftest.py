"""Documents in few words, and the whole way from a text to the lines that a user sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netnsmgr.config.check import check
from netnsmgr.config.load import load_text
from netnsmgr.config.whole import TABLES

Document = dict[str, Any]
Faults = Callable[..., list[str]]


def envelope(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def device() -> Callable[..., Document]:
    """Make a Device of ports; one eth0 unless said otherwise."""

    def make(*ports: Document, **spec: Any) -> Document:
        return envelope("Device", "edge", {"ports": list(ports) or [{"name": "eth0"}], **spec})

    return make


@pytest.fixture
def network() -> Callable[..., Document]:
    """Make a NetworkInstance with the subnet 10.10.1.0/24 unless said otherwise."""

    def make(name: str = "ni1", **spec: Any) -> Document:
        return envelope("NetworkInstance", name, {"subnets": ["10.10.1.0/24"], **spec})

    return make


@pytest.fixture
def switch() -> Callable[..., Document]:
    """Make a NetworkInstance of type switch with the ports given, by name or label."""

    def make(name: str = "sw1", *ports: str, **spec: Any) -> Document:
        return envelope("NetworkInstance", name, {"type": "switch", "ports": list(ports), **spec})

    return make


@pytest.fixture
def app() -> Callable[..., Document]:
    """Make an App in a namespace of its own name; one eth0 in ni1 unless said otherwise."""

    def make(name: str = "app1", *interfaces: Document, attach: Document | None = None) -> Document:
        each = [{"name": "eth0", "network": "ni1", **interface} for interface in interfaces or ({},)]
        return envelope("App", name, {"attach": attach or {"netns": name}, "interfaces": each})

    return make


@pytest.fixture
def faults() -> Faults:
    """Check documents; give each problem as "index path: what"."""

    def run(*documents: Document, before: tuple[Document, ...] = (), gone: tuple[str, ...] = ()) -> list[str]:
        existing: dict[str, dict[str, Document]] = {}
        for document in before:
            existing.setdefault(TABLES[document["kind"]], {})[document["metadata"]["name"]] = document
        return [f"{problem.document} {problem}" for problem in check(documents, existing, gone=gone)[1]]

    return run


@pytest.fixture
def lines() -> Callable[[str], list[str]]:
    """Load and check a text; give the lines that a user would read."""

    def run(text: str) -> list[str]:
        loaded = load_text(text, "f.yaml")
        found = check(loaded.documents, {})[1] if loaded.complete else []
        return [str(problem) for problem in loaded.report(found)]

    return run
