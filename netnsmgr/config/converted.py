"""What becomes of another program's configuration: documents, and what was said beside them.  Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netnsmgr.config.common import API_VERSION
from netnsmgr.config.secret import DIRECTORY
from netnsmgr.errors import Problem

STDIN = "<stdin>"
"""What standard input is called in messages, in place of a file."""


@dataclass(frozen=True)
class Wishes:
    """What the user says that the foreign file does not; empty where nothing is said."""

    name: str = ""
    """Of the network instance, or of the Device."""
    secrets: str = DIRECTORY
    """The directory, an absolute path, of the files that keys go to."""
    subnets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    attach: str = ""
    """How applications in containers are attached: ``container`` or ``netns``, by their names."""


@dataclass(frozen=True)
class Lacking:
    """A field below `spec` that only the user knows."""

    field: str
    example: str
    what: str
    needed: bool = True
    """Whether the document is refused without it."""


@dataclass(frozen=True)
class Converted:
    """Documents as plain values, and what is needed beside them."""

    documents: tuple[dict[str, Any], ...]
    secrets: Mapping[str, str]
    """Path → what is to be in that file; the documents name the paths only."""
    notes: tuple[Problem, ...] = ()
    """What is not carried over, or means something else here; with file and line of what is said."""
    lacking: tuple[tuple[Lacking, ...], ...] = ()
    """For each document, what is to be filled in."""

    @property
    def complete(self) -> tuple[dict[str, Any], ...]:
        """The documents that lack nothing that is needed, nor do the networks of their interfaces."""
        short = [
            each
            for each, lacking in zip(self.documents, self.lacking, strict=True)
            if any(field.needed for field in lacking)
        ]
        networks = {each["metadata"]["name"] for each in short if each["kind"] == "NetworkInstance"}
        return tuple(
            each
            for each in self.documents
            if each not in short
            and networks.isdisjoint(one["network"] for one in each["spec"].get("interfaces", ()))
        )


def name_of(file: str) -> str:
    """Return the name, a DNS label, that a file gives what it becomes; empty if its own gives none."""
    stem = os.path.basename(file).partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63].strip("-")
    return "" if file == STDIN else name


def instance(wishes: Wishes, vpn: Mapping[str, Any], dns: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the document of an instance with tunnels; what nobody has said is left out."""
    spec: dict[str, Any] = {}
    if wishes.ports:
        spec["ports"] = list(wishes.ports)
    if wishes.subnets:
        spec["subnets"] = list(wishes.subnets)
    if dns:
        spec["dns"] = {"servers": list(dns)}
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkInstance",
        "metadata": {"name": wishes.name},
        "spec": spec | {"vpn": dict(vpn)},
    }
